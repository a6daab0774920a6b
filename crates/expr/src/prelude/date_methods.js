// DateTime itself, and the methods that expressions add to it and to Date.
(function (host, kit) {
  'use strict';
  const { RealDate, Duration, Interval, UNITS, MILLIS, unitOf, zoneOf, utc, daysInMonth, pad } = kit;
  const FIELDS = ['year', 'month', 'day', 'hour', 'minute', 'second', 'millisecond'];
  const LOWEST = { year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0, millisecond: 0 };
  const CALENDAR = ['years', 'quarters', 'months', 'weeks', 'days'];

  // Monday of the first week of a week-numbering year, as local milliseconds.
  const firstMonday = (weekYear) => {
    const fourth = new RealDate(utc(weekYear, 1, 4));
    return fourth.getTime() - ((fourth.getUTCDay() + 6) % 7) * MILLIS.days;
  };
  // Local milliseconds of calendar fields; fields may name a week or a day of the year instead.
  const localOf = (f) => {
    const time = ((f.hour * 60 + f.minute) * 60 + f.second) * 1000 + f.millisecond;
    if (f.weekNumber !== undefined) {
      return firstMonday(f.weekYear ?? f.year) + ((f.weekNumber - 1) * 7 + (f.weekday ?? 1) - 1) * MILLIS.days + time;
    }
    if (f.ordinal !== undefined) return utc(f.year, 1, 1) + (f.ordinal - 1) * MILLIS.days + time;
    return utc(f.year, f.month, f.day) + time;
  };
  const inRange = (f) =>
    f.month >= 1 && f.month <= 12 && f.day >= 1 && f.day <= daysInMonth(f.year, f.month)
    && f.hour >= 0 && (f.hour < 24 || (f.hour === 24 && f.minute === 0 && f.second === 0 && f.millisecond === 0))
    && f.minute >= 0 && f.minute < 60 && f.second >= 0 && f.second < 60 && f.millisecond >= 0 && f.millisecond < 1000;

  class DateTime {
    #millis;
    #zone;
    #offset;
    #reason;
    #local;
    constructor(millis, zone, reason = null) {
      const invalid = reason ?? (zone === undefined || zone === null ? 'unsupported zone' : Number.isFinite(millis) && Math.abs(millis) <= 8.64e15 ? null : 'invalid input');
      this.#millis = invalid ? NaN : Math.trunc(millis);
      this.#zone = zone ?? 'UTC';
      this.#reason = invalid;
      this.#offset = invalid ? NaN : host.offset(this.#zone, this.#millis);
      this.#local = invalid ? undefined : new RealDate(this.#millis + this.#offset * 60000);
      Object.freeze(this);
    }
    static now() {
      return new DateTime(host.now(), zoneOf());
    }
    static local(...parts) {
      const options = typeof parts.at(-1) === 'object' ? parts.pop() : {};
      if (parts.length === 0) return new DateTime(host.now(), zoneOf(options?.zone));
      const fields = {};
      parts.forEach((part, at) => {
        fields[FIELDS[at]] = part;
      });
      return DateTime.fromObject(fields, options ?? {});
    }
    static utc(...parts) {
      const options = typeof parts.at(-1) === 'object' ? parts.pop() : {};
      return DateTime.local(...parts, { ...options, zone: 'UTC' });
    }
    static fromMillis(millis, options = {}) {
      if (typeof millis !== 'number') throw new Error('DateTime.fromMillis() takes a number.');
      return new DateTime(millis, zoneOf(options.zone));
    }
    static fromSeconds(seconds, options = {}) {
      if (typeof seconds !== 'number') throw new Error('DateTime.fromSeconds() takes a number.');
      return new DateTime(seconds * 1000, zoneOf(options.zone));
    }
    static fromJSDate(date, options = {}) {
      return new DateTime(date instanceof RealDate ? date.getTime() : NaN, zoneOf(options.zone));
    }
    static fromObject(given = {}, options = {}) {
      const zone = zoneOf(options.zone);
      if (!zone) return DateTime.invalid('unsupported zone');
      const fields = {};
      for (const name of Object.keys(given)) {
        if (given[name] === undefined || given[name] === null) continue;
        const field = { weekNumber: 'weekNumber', weekYear: 'weekYear', weekday: 'weekday', ordinal: 'ordinal' }[name] ?? unitOf(name).slice(0, -1);
        fields[field] = Number(given[name]);
      }
      const now = new DateTime(host.now(), zone);
      // What is larger than the largest given field is now's, what is smaller is the lowest.
      const first = FIELDS.findIndex((field) => fields[field] !== undefined);
      FIELDS.forEach((field, at) => {
        fields[field] ??= first >= 0 && at < first ? now[field] : first < 0 && given.weekNumber === undefined && given.ordinal === undefined && Object.keys(given).length === 0 ? now[field] : at === 0 ? now.year : LOWEST[field];
      });
      return DateTime.#of(fields, zone);
    }
    static #of(fields, zone) {
      if (fields.weekNumber === undefined && fields.ordinal === undefined && !inRange(fields)) {
        return DateTime.invalid('unit out of range');
      }
      return new DateTime(host.instant(zone, localOf(fields)), zone);
    }
    static #read(fields, options) {
      if (fields === undefined) return DateTime.invalid('unparsable');
      const target = zoneOf(options.zone);
      if (!target) return DateTime.invalid('unsupported zone');
      if (fields.instant !== undefined) return new DateTime(fields.instant, target);
      const { offset, zone, ...rest } = fields;
      const now = new DateTime(host.now(), target);
      const largest = FIELDS.findIndex((field) => rest[field] !== undefined);
      const all = {};
      FIELDS.forEach((field, at) => {
        all[field] = rest[field] ?? (at < largest ? now[field] : LOWEST[field]);
      });
      Object.assign(all, rest);
      const named = zone === undefined ? undefined : zoneOf(zone);
      if (zone !== undefined && !named) return DateTime.invalid('unsupported zone');
      if (offset !== undefined) {
        if (all.weekNumber === undefined && all.ordinal === undefined && !inRange(all)) return DateTime.invalid('unit out of range');
        const fixed = named ?? (offset === 0 ? 'UTC' : zoneOf(offset));
        return new DateTime(localOf(all) - offset * 60000, options.setZone ? fixed : target);
      }
      const made = DateTime.#of(all, named ?? target);
      return named && !options.setZone ? made.setZone(target) : made;
    }
    static fromISO(text, options = {}) {
      return DateTime.#read(kit.parseIso(text), options);
    }
    static fromSQL(text, options = {}) {
      const [, date, zone] = /^(.*?)(?:\s+([A-Za-z]+(?:\/[A-Za-z_/]+)?))?$/.exec(String(text).trim());
      return DateTime.#read(kit.parseIso(zone ? `${date}[${zone}]` : date.replace(/\s+([+-]\d\d:?\d\d)$/, '$1')), options);
    }
    static fromFormat(text, format, options = {}) {
      return DateTime.#read(kit.parseFormat(text, format), options);
    }
    static fromString(text, format, options) {
      return DateTime.fromFormat(text, format, options);
    }
    static fromHTTP(text, options = {}) {
      return new DateTime(RealDate.parse(text), zoneOf(options.zone));
    }
    static fromRFC2822(text, options = {}) {
      return new DateTime(RealDate.parse(text), zoneOf(options.zone));
    }
    static invalid(reason) {
      return new DateTime(NaN, 'UTC', reason);
    }
    static isDateTime(value) {
      return value instanceof DateTime;
    }
    static min(...dates) {
      return dates.flat().reduce((best, date) => (best === undefined || date < best ? date : best), undefined);
    }
    static max(...dates) {
      return dates.flat().reduce((best, date) => (best === undefined || date > best ? date : best), undefined);
    }

    get isValid() {
      return this.#reason === null;
    }
    get invalidReason() {
      return this.#reason;
    }
    get invalidExplanation() {
      return this.#reason;
    }
    get year() {
      return this.#local ? this.#local.getUTCFullYear() : NaN;
    }
    get month() {
      return this.#local ? this.#local.getUTCMonth() + 1 : NaN;
    }
    get day() {
      return this.#local ? this.#local.getUTCDate() : NaN;
    }
    get hour() {
      return this.#local ? this.#local.getUTCHours() : NaN;
    }
    get minute() {
      return this.#local ? this.#local.getUTCMinutes() : NaN;
    }
    get second() {
      return this.#local ? this.#local.getUTCSeconds() : NaN;
    }
    get millisecond() {
      return this.#local ? this.#local.getUTCMilliseconds() : NaN;
    }
    get quarter() {
      return Math.ceil(this.month / 3);
    }
    get weekday() {
      return this.#local ? ((this.#local.getUTCDay() + 6) % 7) + 1 : NaN;
    }
    get ordinal() {
      return Math.floor((utc(this.year, this.month, this.day) - utc(this.year, 1, 1)) / MILLIS.days) + 1;
    }
    get weekYear() {
      const thursday = new RealDate(utc(this.year, this.month, this.day) + (4 - this.weekday) * MILLIS.days);
      return thursday.getUTCFullYear();
    }
    get weekNumber() {
      return Math.floor((utc(this.year, this.month, this.day) - firstMonday(this.weekYear)) / (7 * MILLIS.days)) + 1;
    }
    get weeksInWeekYear() {
      return Math.round((firstMonday(this.weekYear + 1) - firstMonday(this.weekYear)) / (7 * MILLIS.days));
    }
    get daysInMonth() {
      return daysInMonth(this.year, this.month);
    }
    get daysInYear() {
      return this.isInLeapYear ? 366 : 365;
    }
    get isInLeapYear() {
      return kit.isLeap(this.year);
    }
    get monthLong() {
      return kit.MONTHS[this.month - 1] ?? null;
    }
    get monthShort() {
      return this.monthLong?.slice(0, 3) ?? null;
    }
    get weekdayLong() {
      return kit.WEEKDAYS[this.weekday - 1] ?? null;
    }
    get weekdayShort() {
      return this.weekdayLong?.slice(0, 3) ?? null;
    }
    get zoneName() {
      return this.isValid ? this.#zone : null;
    }
    get zone() {
      return { name: this.#zone, isValid: true, type: 'iana' };
    }
    get locale() {
      return 'en-US';
    }
    get offset() {
      return this.#offset;
    }
    get offsetNameShort() {
      return this.isValid ? host.abbreviation(this.#zone, this.#millis) : null;
    }
    get offsetNameLong() {
      return this.offsetNameShort;
    }
    get isInDST() {
      return this.isValid && host.isDst(this.#zone, this.#millis);
    }
    get isOffsetFixed() {
      return this.#zone === 'UTC' || this.#zone.startsWith('UTC');
    }
    get ts() {
      return this.#millis;
    }

    get(unit) {
      return this[unit] ?? this[unitOf(unit).slice(0, -1)];
    }
    toObject() {
      return Object.fromEntries(FIELDS.map((field) => [field, this[field]]));
    }
    set(given) {
      if (!this.isValid) return this;
      const fields = this.toObject();
      const wanted = {};
      for (const name of Object.keys(given)) {
        wanted[{ weekNumber: 'weekNumber', weekYear: 'weekYear', weekday: 'weekday', ordinal: 'ordinal' }[name] ?? unitOf(name).slice(0, -1)] = Number(given[name]);
      }
      const byWeek = ['weekNumber', 'weekYear', 'weekday'].some((name) => wanted[name] !== undefined);
      if (byWeek) Object.assign(fields, { weekYear: this.weekYear, weekNumber: this.weekNumber, weekday: this.weekday });
      Object.assign(fields, wanted);
      if (!byWeek && wanted.ordinal === undefined && wanted.day === undefined) {
        fields.day = Math.min(fields.day, daysInMonth(fields.year, fields.month));
      }
      return DateTime.#of(fields, this.#zone);
    }
    plus(amount, unit) {
      return this.#shift(kit.durationOf(amount, unit).toObject(), 1);
    }
    minus(amount, unit) {
      return this.#shift(kit.durationOf(amount, unit).toObject(), -1);
    }
    #shift(fields, sign) {
      if (!this.isValid) return this;
      let rest = 0;
      const whole = {};
      for (const unit of UNITS) {
        const amount = (fields[unit] ?? 0) * sign;
        whole[unit] = CALENDAR.includes(unit) ? Math.trunc(amount) : 0;
        rest += Duration.fromObject({ [unit]: amount - whole[unit] }).toMillis();
      }
      let millis = this.#millis;
      if (CALENDAR.some((unit) => whole[unit] !== 0)) {
        const months = this.month - 1 + whole.months + whole.quarters * 3;
        const year = this.year + whole.years + Math.floor(months / 12);
        const month = (((months % 12) + 12) % 12) + 1;
        const day = Math.min(this.day, daysInMonth(year, month)) + whole.days + whole.weeks * 7;
        const local = utc(year, month, 1) + (day - 1) * MILLIS.days + (((this.hour * 60 + this.minute) * 60 + this.second) * 1000 + this.millisecond);
        const candidate = local - this.#offset * 60000;
        // Where a local time happens twice, stay on the side of the offset one comes from.
        millis = host.offset(this.#zone, candidate) === this.#offset ? candidate : host.instant(this.#zone, local);
      }
      return new DateTime(millis + rest, this.#zone);
    }
    startOf(unit) {
      if (!this.isValid) return this;
      const name = unitOf(unit).slice(0, -1);
      if (name === 'week') return this.startOf('day').#shift({ days: this.weekday - 1 }, -1);
      const fields = this.toObject();
      const from = name === 'quarter' ? 1 : FIELDS.indexOf(name);
      if (name === 'quarter') fields.month = this.quarter * 3 - 2;
      FIELDS.slice(from + 1).forEach((field) => {
        fields[field] = LOWEST[field];
      });
      if (from >= 3) return new DateTime(localOf(fields) - this.#offset * 60000, this.#zone);
      return DateTime.#of(fields, this.#zone);
    }
    endOf(unit) {
      return this.isValid ? this.startOf(unit).#shift({ [unitOf(unit)]: 1 }, 1).#shift({ milliseconds: 1 }, -1) : this;
    }
    diff(other, units = 'milliseconds') {
      const that = kit.dateTimeOf(other);
      const wanted = UNITS.filter((unit) => [units].flat().map(unitOf).includes(unit));
      if (!this.isValid || !that.isValid) return Duration.fromObject(Object.fromEntries(wanted.map((unit) => [unit, NaN])));
      return that <= this ? DateTime.#between(that, this, wanted) : DateTime.#between(this, that, wanted).negate();
    }
    static #between(earlier, later, wanted) {
      const results = {};
      let cursor = earlier;
      let beyond = earlier;
      let last;
      for (const unit of CALENDAR.filter((name) => wanted.includes(name))) {
        last = unit;
        // Averages are a good guess; the calendar has the last word.
        let count = Math.max(0, Math.floor((later - cursor) / Duration.fromObject({ [unit]: 1 }).toMillis()) - 2);
        const at = (n) => earlier.plus({ ...results, [unit]: n });
        while (at(count) > later) count -= 1;
        while (at(count + 1) <= later) count += 1;
        results[unit] = count;
        cursor = at(count);
        beyond = at(count + 1);
      }
      const rest = later - cursor;
      const lower = wanted.filter((unit) => !CALENDAR.includes(unit));
      if (lower.length > 0) Object.assign(results, Duration.fromMillis(rest).shiftTo(...lower).toObject());
      else if (rest !== 0 && last) results[last] += rest / (beyond - cursor);
      return Duration.fromObject(results);
    }
    diffNow(units) {
      return this.diff(DateTime.now(), units);
    }
    until(other) {
      return Interval.fromDateTimes(this, other);
    }
    hasSame(other, unit) {
      if (!this.isValid) return false;
      const that = kit.dateTimeOf(other);
      const start = this.setZone(that.zoneName, { keepLocalTime: true });
      return start.startOf(unit) <= that && that <= start.endOf(unit);
    }
    equals(other) {
      return other instanceof DateTime && this.isValid && this.#millis === other.toMillis() && this.#zone === other.zoneName;
    }
    setZone(zone, { keepLocalTime = false } = {}) {
      const target = zoneOf(zone);
      if (!target) return DateTime.invalid('unsupported zone');
      if (!this.isValid) return this;
      return new DateTime(keepLocalTime ? host.instant(target, this.#local.getTime()) : this.#millis, target);
    }
    toUTC(offset = 0) {
      return this.setZone(offset === 0 ? 'UTC' : offset);
    }
    toLocal() {
      return this.setZone('local');
    }
    setLocale() {
      return this;
    }
    reconfigure() {
      return this;
    }

    toISO(options = {}) {
      return this.isValid ? `${this.toISODate(options)}T${this.toISOTime(options)}` : null;
    }
    toISODate({ format = 'extended' } = {}) {
      if (!this.isValid) return null;
      const year = this.year > 9999 || this.year < 0 ? `${this.year < 0 ? '-' : '+'}${pad(Math.abs(this.year), 6)}` : pad(this.year, 4);
      return [year, pad(this.month), pad(this.day)].join(format === 'basic' ? '' : '-');
    }
    toISOTime({ suppressMilliseconds = false, suppressSeconds = false, includeOffset = true, includePrefix = false, format = 'extended' } = {}) {
      if (!this.isValid) return null;
      const parts = [pad(this.hour), pad(this.minute)];
      if (!(suppressSeconds && this.second === 0 && this.millisecond === 0)) parts.push(pad(this.second));
      const time = parts.join(format === 'basic' ? '' : ':');
      const millis = (suppressMilliseconds && this.millisecond === 0) || parts.length < 3 ? '' : `.${pad(this.millisecond, 3)}`;
      const offset = this.#offset === 0 && this.#zone === 'UTC' ? 'Z' : kit.offsetText(this.#offset, format === 'basic' ? 'techie' : 'short');
      return `${includePrefix ? 'T' : ''}${time}${millis}${includeOffset ? offset : ''}`;
    }
    toISOWeekDate() {
      return this.isValid ? `${pad(this.weekYear, 4)}-W${pad(this.weekNumber)}-${this.weekday}` : null;
    }
    toSQL({ includeOffset = true } = {}) {
      return this.isValid ? `${this.toSQLDate()} ${this.toSQLTime({ includeOffset })}` : null;
    }
    toSQLDate() {
      return this.toISODate();
    }
    toSQLTime({ includeOffset = true } = {}) {
      return kit.format(this, includeOffset ? 'HH:mm:ss.SSS ZZ' : 'HH:mm:ss.SSS');
    }
    toHTTP() {
      return kit.format(this.toUTC(), "EEE, dd LLL yyyy HH:mm:ss 'GMT'");
    }
    toRFC2822() {
      return kit.format(this, 'EEE, dd LLL yyyy HH:mm:ss ZZZ');
    }
    toFormat(format) {
      return this.isValid ? kit.format(this, format) : 'Invalid DateTime';
    }
    toLocaleString(options) {
      if (!this.isValid) return 'Invalid DateTime';
      const chosen = typeof options === 'string' ? arguments[1] : options;
      const here = chosen?.timeZone ? this.setZone(chosen.timeZone) : this;
      return kit.format(here, kit.localeFormat(chosen));
    }
    toRelative({ base = DateTime.now() } = {}) {
      if (!this.isValid) return null;
      const unit = ['years', 'quarters', 'months', 'weeks', 'days', 'hours', 'minutes', 'seconds']
        .filter((name) => name !== 'quarters' && name !== 'weeks')
        .find((name) => Math.abs(this.diff(base, name).as(name)) >= 1) ?? 'seconds';
      const count = Math.trunc(this.diff(base, unit).as(unit));
      const shown = `${Math.abs(count)} ${Math.abs(count) === 1 ? unit.slice(0, -1) : unit}`;
      return this < base ? `${shown} ago` : `in ${shown}`;
    }
    toMillis() {
      return this.#millis;
    }
    toSeconds() {
      return this.#millis / 1000;
    }
    toUnixInteger() {
      return Math.floor(this.#millis / 1000);
    }
    toJSDate() {
      return new RealDate(this.#millis);
    }
    toBSON() {
      return this.toJSDate();
    }
    valueOf() {
      return this.#millis;
    }
    toJSON() {
      return this.toISO();
    }
    toString() {
      return this.isValid ? this.toISO() : 'Invalid DateTime';
    }
  }
  for (const name of Object.keys(kit.presets)) {
    DateTime[name] = Object.freeze({ preset: name });
  }

  kit.DateTime = DateTime;
  kit.now = () => DateTime.now();
  kit.isDateLike = (value) => value instanceof DateTime || value instanceof Duration || value instanceof Interval;
  // A DateTime of what people call a date.
  kit.dateTimeOf = (value) => {
    if (value instanceof DateTime) return value;
    if (value instanceof RealDate) return DateTime.fromJSDate(value);
    if (typeof value === 'number') return DateTime.fromMillis(value);
    if (typeof value === 'string') return kit.parseDate(value);
    throw new Error(`'${value}' is no date.`);
  };
  // ISO 8601 first, then what Date.parse knows.
  kit.parseDate = (text) => {
    const iso = DateTime.fromISO(text.trim());
    if (iso.isValid) return iso;
    const millis = RealDate.parse(text);
    if (Number.isNaN(millis)) throw new Error(`'${text}' is no date. Use a text like 2026-11-20T10:00:00Z.`);
    return DateTime.fromMillis(millis);
  };
  kit.hide(globalThis, 'DateTime', DateTime);
})
