// DateTime, Duration and Interval: the most used part of Luxon's interface. Calendar fields are
// worked out on UTC dates; offsets of time zones come from the host. Instances never change.
(function (host, kit) {
  'use strict';
  const { RealDate } = kit;
  const MILLIS = { weeks: 604800000, days: 86400000, hours: 3600000, minutes: 60000, seconds: 1000, milliseconds: 1 };
  const UNITS = ['years', 'quarters', 'months', 'weeks', 'days', 'hours', 'minutes', 'seconds', 'milliseconds'];
  // Average lengths for conversions that have no calendar at hand.
  const AVERAGE = { ...MILLIS, years: 365 * 86400000, quarters: 91 * 86400000, months: 30 * 86400000 };
  const singular = {};
  for (const unit of UNITS) singular[unit.slice(0, -1)] = unit;
  Object.assign(singular, { ms: 'milliseconds', s: 'seconds', m: 'minutes', h: 'hours', d: 'days', w: 'weeks', M: 'months', y: 'years' });

  const unitOf = (name) => {
    const unit = UNITS.includes(name) ? name : (singular[name] ?? singular[String(name).toLowerCase()]
      ?? UNITS.find((known) => known === String(name).toLowerCase()));
    if (unit === undefined) throw new Error(`There is no unit of time '${name}'.`);
    return unit;
  };
  const defaultZone = () => host.fact('timezone') || 'UTC';
  const zoneOf = (zone) => {
    if (zone === undefined || zone === null || zone === 'local' || zone === 'system' || zone === 'default') {
      const known = host.zone(defaultZone());
      if (!known) throw new Error(`The workflow's time zone '${defaultZone()}' is not known. Use a name like Europe/Berlin.`);
      return known;
    }
    if (typeof zone === 'number') zone = `UTC${zone < 0 ? '-' : '+'}${Math.floor(Math.abs(zone) / 60)}:${String(Math.abs(zone) % 60).padStart(2, '0')}`;
    return host.zone(String(zone.name ?? zone));
  };
  const utc = (year, month, day, hour = 0, minute = 0, second = 0, milli = 0) => {
    // Not Date.UTC, for which two-digit years lie in the twentieth century.
    const date = new RealDate(0);
    date.setUTCFullYear(year, month - 1, day);
    return date.setUTCHours(hour, minute, second, milli);
  };
  const daysInMonth = (year, month) => new RealDate(utc(year, month + 1, 0)).getUTCDate();
  const isLeap = (year) => daysInMonth(year, 2) === 29;

  class Duration {
    #fields;
    constructor(fields) {
      this.#fields = fields;
      Object.freeze(this);
    }
    static fromObject(given) {
      const fields = {};
      for (const name of Object.keys(given ?? {})) {
        const amount = given[name];
        if (amount === undefined || amount === null) continue;
        if (typeof amount !== 'number' && Number.isNaN(Number(amount))) {
          throw new Error(`'${amount}' is no number of ${name}.`);
        }
        fields[unitOf(name)] = Number(amount);
      }
      return new Duration(fields);
    }
    static fromMillis(milliseconds) {
      return new Duration({ milliseconds });
    }
    static fromISO(text) {
      const number = '([-+]?\\d+(?:[.,]\\d+)?)';
      const match = new RegExp(`^([-+])?P(?:${number}Y)?(?:${number}M)?(?:${number}W)?(?:${number}D)?(?:T(?:${number}H)?(?:${number}M)?(?:${number}S)?)?$`).exec(String(text));
      if (!match) throw new Error(`'${text}' is no ISO 8601 duration.`);
      const names = ['years', 'months', 'weeks', 'days', 'hours', 'minutes', 'seconds'];
      const fields = {};
      names.forEach((name, at) => {
        const part = match[at + 2];
        if (part !== undefined) fields[name] = Number(part.replace(',', '.')) * (match[1] === '-' ? -1 : 1);
      });
      return new Duration(fields);
    }
    static isDuration(value) {
      return value instanceof Duration;
    }
    get isValid() {
      return true;
    }
    toObject() {
      return { ...this.#fields };
    }
    get(unit) {
      return this.#fields[unitOf(unit)] ?? 0;
    }
    toMillis() {
      return Object.entries(this.#fields).reduce((sum, [unit, amount]) => sum + amount * AVERAGE[unit], 0);
    }
    valueOf() {
      return this.toMillis();
    }
    as(unit) {
      unit = unitOf(unit);
      const present = Object.keys(this.#fields);
      if (present.length === 1 && present[0] === unit) return this.#fields[unit];
      // Months and years convert into each other exactly.
      if (['years', 'quarters', 'months'].includes(unit) && present.every((name) => ['years', 'quarters', 'months'].includes(name))) {
        const months = this.get('years') * 12 + this.get('quarters') * 3 + this.get('months');
        return months / { years: 12, quarters: 3, months: 1 }[unit];
      }
      return this.toMillis() / AVERAGE[unit];
    }
    shiftTo(...units) {
      const wanted = UNITS.filter((unit) => units.map(unitOf).includes(unit));
      if (wanted.length === 0) return this;
      const fields = {};
      let rest = this.toMillis();
      wanted.forEach((unit, at) => {
        const amount = rest / AVERAGE[unit];
        fields[unit] = at === wanted.length - 1 ? amount : Math.trunc(amount);
        rest -= fields[unit] * AVERAGE[unit];
      });
      return new Duration(fields);
    }
    normalize() {
      return this.shiftTo(...Object.keys(this.#fields));
    }
    rescale() {
      const shifted = this.shiftTo('years', 'months', 'weeks', 'days', 'hours', 'minutes', 'seconds', 'milliseconds').toObject();
      return new Duration(Object.fromEntries(Object.entries(shifted).filter(([, amount]) => amount !== 0)));
    }
    plus(other) {
      const sum = { ...this.#fields };
      for (const [unit, amount] of Object.entries(kit.durationOf(other).toObject())) sum[unit] = (sum[unit] ?? 0) + amount;
      return new Duration(sum);
    }
    minus(other) {
      return this.plus(kit.durationOf(other).negate());
    }
    negate() {
      return new Duration(Object.fromEntries(Object.entries(this.#fields).map(([unit, amount]) => [unit, amount === 0 ? 0 : -amount])));
    }
    equals(other) {
      return other instanceof Duration && UNITS.every((unit) => this.get(unit) === other.get(unit));
    }
    toISO() {
      const of = (unit, letter) => (this.get(unit) ? `${this.get(unit)}${letter}` : '');
      const months = this.get('months') + 3 * this.get('quarters');
      const seconds = Number((this.get('seconds') + this.get('milliseconds') / 1000).toFixed(3));
      const date = of('years', 'Y') + (months ? `${months}M` : '') + of('weeks', 'W') + of('days', 'D');
      const time = of('hours', 'H') + of('minutes', 'M') + (seconds ? `${seconds}S` : '');
      return date + time === '' ? 'PT0S' : `P${date}${time ? `T${time}` : ''}`;
    }
    toHuman() {
      return Object.entries(this.#fields)
        .map(([unit, amount]) => `${amount.toLocaleString()} ${amount === 1 ? unit.slice(0, -1) : unit}`)
        .join(', ');
    }
    toFormat(format) {
      const letters = { y: 'years', M: 'months', w: 'weeks', d: 'days', h: 'hours', m: 'minutes', s: 'seconds', S: 'milliseconds' };
      const runs = /'([^']*)'|([yMwdhmsS])\2*|[^]/g;
      const used = [...format.matchAll(runs)].map((match) => letters[match[2]]).filter(Boolean);
      const shifted = this.shiftTo(...used);
      return format.replace(runs, (all, quoted, letter) =>
        letter ? String(Math.floor(shifted.get(letters[letter]))).padStart(all.length, '0') : (quoted ?? all));
    }
    toJSON() {
      return this.toISO();
    }
    toString() {
      return this.toISO();
    }
  }
  for (const unit of UNITS) {
    Object.defineProperty(Duration.prototype, unit, {
      get() {
        return this.get(unit);
      },
      configurable: true,
    });
  }

  // An object, a Duration, a number with its unit, or a number of milliseconds.
  kit.durationOf = (amount, unit) => {
    if (amount instanceof Duration) return amount;
    if (typeof amount === 'number' || (typeof amount === 'string' && unit !== undefined)) {
      return Duration.fromObject({ [unit ?? 'milliseconds']: Number(amount) });
    }
    if (amount !== null && typeof amount === 'object') return Duration.fromObject(amount);
    throw new Error(`'${amount}' is no span of time. Use (2, 'days') or ({ days: 2 }).`);
  };

  class Interval {
    #start;
    #end;
    constructor(start, end) {
      this.#start = start;
      this.#end = end;
      Object.freeze(this);
    }
    static fromDateTimes(start, end) {
      return new Interval(kit.dateTimeOf(start), kit.dateTimeOf(end));
    }
    static after(start, amount, unit) {
      const from = kit.dateTimeOf(start);
      return new Interval(from, from.plus(amount, unit));
    }
    static before(end, amount, unit) {
      const to = kit.dateTimeOf(end);
      return new Interval(to.minus(amount, unit), to);
    }
    static fromISO(text, options) {
      const [start, end] = String(text).split('/');
      const { DateTime } = kit;
      if (end?.startsWith('P')) return Interval.after(DateTime.fromISO(start, options), Duration.fromISO(end));
      if (start.startsWith('P')) return Interval.before(DateTime.fromISO(end, options), Duration.fromISO(start));
      return new Interval(DateTime.fromISO(start, options), DateTime.fromISO(end, options));
    }
    static isInterval(value) {
      return value instanceof Interval;
    }
    get start() {
      return this.#start;
    }
    get end() {
      return this.#end;
    }
    get isValid() {
      return this.#start.isValid && this.#end.isValid && this.#start <= this.#end;
    }
    length(unit = 'milliseconds') {
      return this.toDuration(unit).as(unit);
    }
    count(unit = 'milliseconds') {
      const from = this.#start.startOf(unit);
      return Math.floor(this.#end.startOf(unit).diff(from, unit).as(unit)) + (this.#end.valueOf() !== this.#end.startOf(unit).valueOf() ? 1 : 0);
    }
    contains(moment) {
      return this.#start <= moment && this.#end > moment;
    }
    overlaps(other) {
      return this.#end > other.start && this.#start < other.end;
    }
    isEmpty() {
      return this.#start.valueOf() === this.#end.valueOf();
    }
    isBefore(moment) {
      return this.#end <= moment;
    }
    isAfter(moment) {
      return this.#start > moment;
    }
    hasSame(unit) {
      return this.isEmpty() || this.#end.minus(1).hasSame(this.#start, unit);
    }
    splitBy(amount) {
      const step = kit.durationOf(amount);
      const parts = [];
      for (let from = this.#start, at = 1; from < this.#end; at += 1) {
        const fields = Object.fromEntries(Object.entries(step.toObject()).map(([unit, n]) => [unit, n * at]));
        const to = this.#start.plus(fields);
        if (to <= from) throw new Error('The step of splitBy() must be longer than nothing.');
        parts.push(new Interval(from, to < this.#end ? to : this.#end));
        from = to;
      }
      return parts;
    }
    toDuration(units, options) {
      return this.#end.diff(this.#start, units, options);
    }
    equals(other) {
      return this.#start.equals(other.start) && this.#end.equals(other.end);
    }
    toISO() {
      return `${this.#start.toISO()}/${this.#end.toISO()}`;
    }
    toISODate() {
      return `${this.#start.toISODate()}/${this.#end.toISODate()}`;
    }
    toJSON() {
      return this.toISO();
    }
    toString() {
      return `[${this.#start.toISO()} – ${this.#end.toISO()})`;
    }
  }

  Object.assign(kit, { Duration, Interval, UNITS, MILLIS, unitOf, zoneOf, utc, daysInMonth, isLeap });
  kit.hide(globalThis, 'Duration', Duration);
  kit.hide(globalThis, 'Interval', Interval);
})
