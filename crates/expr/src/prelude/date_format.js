// Dates as text and back: ISO 8601, format tokens, the usual presets. Names are English.
(function (host, kit) {
  'use strict';
  const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
  const WEEKDAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
  const pad = (number, width = 2) => `${number < 0 ? '-' : ''}${String(Math.abs(number)).padStart(width, '0')}`;
  const hour12 = (date) => date.hour % 12 || 12;

  const offsetText = (minutes, style) => {
    const sign = minutes < 0 ? '-' : '+';
    const hours = Math.floor(Math.abs(minutes) / 60);
    const rest = Math.floor(Math.abs(minutes) % 60);
    if (style === 'narrow') return `${sign}${hours}${rest ? `:${pad(rest)}` : ''}`;
    return `${sign}${pad(hours)}${style === 'techie' ? '' : ':'}${pad(rest)}`;
  };

  const PRESETS = {
    D: 'M/d/yyyy', DD: 'MMM d, yyyy', DDD: 'MMMM d, yyyy', DDDD: 'EEEE, MMMM d, yyyy',
    t: 'h:mm a', tt: 'h:mm:ss a', ttt: 'h:mm:ss a ZZZZ', T: 'HH:mm', TT: 'HH:mm:ss', TTT: 'HH:mm:ss ZZZZ',
    f: 'M/d/yyyy, h:mm a', ff: 'MMM d, yyyy, h:mm a', fff: "MMMM d, yyyy 'at' h:mm a ZZZZ", ffff: "EEEE, MMMM d, yyyy 'at' h:mm a ZZZZ",
    F: 'M/d/yyyy, h:mm:ss a', FF: 'MMM d, yyyy, h:mm:ss a', FFF: "MMMM d, yyyy 'at' h:mm:ss a ZZZZ", FFFF: "EEEE, MMMM d, yyyy 'at' h:mm:ss a ZZZZ",
  };
  const TOKENS = {
    y: (d) => String(d.year), yy: (d) => pad(d.year % 100), yyyy: (d) => pad(d.year, 4), yyyyyy: (d) => pad(d.year, 6),
    M: (d) => String(d.month), MM: (d) => pad(d.month), MMM: (d) => MONTHS[d.month - 1].slice(0, 3), MMMM: (d) => MONTHS[d.month - 1], MMMMM: (d) => MONTHS[d.month - 1][0],
    d: (d) => String(d.day), dd: (d) => pad(d.day),
    E: (d) => String(d.weekday), EEE: (d) => WEEKDAYS[d.weekday - 1].slice(0, 3), EEEE: (d) => WEEKDAYS[d.weekday - 1], EEEEE: (d) => WEEKDAYS[d.weekday - 1][0],
    h: (d) => String(hour12(d)), hh: (d) => pad(hour12(d)), H: (d) => String(d.hour), HH: (d) => pad(d.hour),
    m: (d) => String(d.minute), mm: (d) => pad(d.minute), s: (d) => String(d.second), ss: (d) => pad(d.second),
    S: (d) => String(d.millisecond), SSS: (d) => pad(d.millisecond, 3), u: (d) => pad(d.millisecond, 3),
    uu: (d) => pad(Math.floor(d.millisecond / 10)), uuu: (d) => String(Math.floor(d.millisecond / 100)),
    a: (d) => (d.hour < 12 ? 'AM' : 'PM'),
    Z: (d) => offsetText(d.offset, 'narrow'), ZZ: (d) => offsetText(d.offset, 'short'), ZZZ: (d) => offsetText(d.offset, 'techie'),
    ZZZZ: (d) => d.offsetNameShort, z: (d) => d.zoneName,
    W: (d) => String(d.weekNumber), WW: (d) => pad(d.weekNumber), kk: (d) => pad(d.weekYear % 100), kkkk: (d) => pad(d.weekYear, 4),
    o: (d) => String(d.ordinal), ooo: (d) => pad(d.ordinal, 3), q: (d) => String(d.quarter), qq: (d) => pad(d.quarter),
    G: (d) => (d.year > 0 ? 'AD' : 'BC'), GG: (d) => (d.year > 0 ? 'Anno Domini' : 'Before Christ'),
    X: (d) => String(Math.floor(d.toSeconds())), x: (d) => String(d.toMillis()),
  };
  for (const [alias, token] of [['L', 'M'], ['c', 'E']]) {
    for (let count = 1; count <= 5; count += 1) {
      const known = TOKENS[token.repeat(count)];
      if (known) TOKENS[alias.repeat(count)] = known;
    }
  }

  // 'quoted text', a run of one letter, or anything else.
  const RUNS = /'([^']*)'|([A-Za-z])\2*|[^]/g;
  kit.format = (date, format) =>
    String(format).replace(RUNS, (all, quoted, letter) => {
      if (quoted !== undefined) return quoted;
      if (!letter) return all;
      if (PRESETS[all]) return kit.format(date, PRESETS[all]);
      return TOKENS[all] ? TOKENS[all](date) : all;
    });

  const ISO_DATE = /^([+-]\d{6}|\d{4})(?:-?(\d\d)(?:-?(\d\d))?|-?W(\d\d)(?:-?([1-7]))?|-?(\d{3}))?$/;
  const ISO_TIME = /^(\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d{1,30}))?)?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?(?:\[([^\]]+)\])?$/i;

  // The fields of an ISO text, with `offset` in minutes or `zone` when it names one.
  kit.parseIso = (text) => {
    const [date, time, more] = String(text).trim().split(/[Tt ]/);
    const match = ISO_DATE.exec(date);
    if (!match || more !== undefined) return undefined;
    const fields = { year: Number(match[1]), month: Number(match[2] ?? 1), day: Number(match[3] ?? 1) };
    if (match[4]) Object.assign(fields, { weekNumber: Number(match[4]), weekday: Number(match[5] ?? 1) });
    if (match[6]) fields.ordinal = Number(match[6]);
    if (time === undefined) return fields;
    const clock = ISO_TIME.exec(time);
    if (!clock) return undefined;
    fields.hour = Number(clock[1]);
    fields.minute = Number(clock[2] ?? 0);
    fields.second = Number(clock[3] ?? 0);
    fields.millisecond = Math.floor(Number(`0.${clock[4] ?? 0}`) * 1000);
    if (clock[5]) fields.offset = kit.offsetOf(clock[5]);
    if (clock[6]) fields.zone = clock[6];
    return fields;
  };
  kit.offsetOf = (text) => {
    if (/^z$/i.test(text)) return 0;
    const [, sign, hours, minutes] = /^([+-])(\d{1,2}):?(\d\d)?$/.exec(text);
    return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes ?? 0));
  };

  const name = (names, length) => (text) => names.findIndex((known) => known.slice(0, length).toLowerCase() === text.toLowerCase()) + 1;
  const either = (names, length) => `(${names.map((known) => known.slice(0, length)).join('|')})`;
  const century = (year) => year + (year > 60 ? 1900 : 2000);
  const number = (pattern, field) => [`(${pattern})`, field, Number];
  const PARSERS = {
    y: number('\\d{1,6}', 'year'), yy: ['(\\d\\d)', 'year', (text) => century(Number(text))], yyyy: number('\\d{4}', 'year'),
    M: number('\\d\\d?', 'month'), MM: number('\\d\\d', 'month'),
    MMM: [either(MONTHS, 3), 'month', name(MONTHS, 3)], MMMM: [either(MONTHS), 'month', name(MONTHS)],
    d: number('\\d\\d?', 'day'), dd: number('\\d\\d', 'day'),
    E: number('[1-7]', 'weekday'), EEE: [either(WEEKDAYS, 3), 'ignored', String], EEEE: [either(WEEKDAYS), 'ignored', String],
    h: number('\\d\\d?', 'hour'), hh: number('\\d\\d', 'hour'), H: number('\\d\\d?', 'hour'), HH: number('\\d\\d', 'hour'),
    m: number('\\d\\d?', 'minute'), mm: number('\\d\\d', 'minute'), s: number('\\d\\d?', 'second'), ss: number('\\d\\d', 'second'),
    S: number('\\d{1,3}', 'millisecond'), SSS: number('\\d{3}', 'millisecond'),
    u: ['(\\d{1,9})', 'millisecond', (text) => Math.floor(Number(`0.${text}`) * 1000)],
    a: ['(am|pm|a\\.m\\.|p\\.m\\.)', 'half', (text) => text[0].toLowerCase()],
    Z: ['(Z|[+-]\\d{1,2}(?::\\d\\d)?)', 'offset', (text) => kit.offsetOf(text)], ZZ: ['(Z|[+-]\\d\\d:\\d\\d)', 'offset', (text) => kit.offsetOf(text)],
    ZZZ: ['(Z|[+-]\\d{4})', 'offset', (text) => kit.offsetOf(text)], z: ['([A-Za-z_+\\-/0-9]+)', 'zone', String],
    o: number('\\d{1,3}', 'ordinal'), ooo: number('\\d{3}', 'ordinal'), W: number('\\d\\d?', 'weekNumber'), WW: number('\\d\\d', 'weekNumber'),
    kkkk: number('\\d{4}', 'year'), q: number('[1-4]', 'quarter'),
    X: ['(-?\\d+)', 'instant', (text) => Number(text) * 1000], x: ['(-?\\d+)', 'instant', Number],
  };
  Object.assign(PARSERS, { L: PARSERS.M, LL: PARSERS.MM, LLL: PARSERS.MMM, LLLL: PARSERS.MMMM, ccc: PARSERS.EEE, cccc: PARSERS.EEEE });

  // The fields of a text written in a format.
  kit.parseFormat = (text, format) => {
    const readers = [];
    const expanded = String(format).replace(RUNS, (all) => PRESETS[all] ?? all);
    const pattern = expanded.replace(RUNS, (all, quoted, letter) => {
      const parser = letter && PARSERS[all];
      if (parser) {
        readers.push(parser);
        return parser[0];
      }
      return (quoted ?? all).replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&').replace(/\s/g, '\\s');
    });
    const match = new RegExp(`^${pattern}$`, 'i').exec(String(text));
    if (!match) return undefined;
    const fields = {};
    readers.forEach(([, field, read], at) => {
      fields[field] = read(match[at + 1]);
    });
    if (fields.half !== undefined) {
      fields.hour = (fields.hour % 12) + (fields.half === 'p' ? 12 : 0);
      delete fields.half;
    }
    if (fields.quarter !== undefined) {
      fields.month ??= fields.quarter * 3 - 2;
      delete fields.quarter;
    }
    delete fields.ignored;
    return fields;
  };

  const preset = (date, time) => [date, time].filter(Boolean).join(', ');
  const DATES = { DATE_SHORT: 'M/d/yyyy', DATE_MED: 'MMM d, yyyy', DATE_MED_WITH_WEEKDAY: 'EEE, MMM d, yyyy', DATE_FULL: 'MMMM d, yyyy', DATE_HUGE: 'EEEE, MMMM d, yyyy' };
  const TIMES = { TIME_SIMPLE: 'h:mm a', TIME_WITH_SECONDS: 'h:mm:ss a', TIME_24_SIMPLE: 'HH:mm', TIME_24_WITH_SECONDS: 'HH:mm:ss' };
  kit.presets = { ...DATES, ...TIMES };
  for (const [suffix, time] of [['', 'h:mm a'], ['_WITH_SECONDS', 'h:mm:ss a']]) {
    kit.presets[`DATETIME_SHORT${suffix}`] = preset(DATES.DATE_SHORT, time);
    kit.presets[`DATETIME_MED${suffix}`] = preset(DATES.DATE_MED, time);
    kit.presets[`DATETIME_FULL${suffix}`] = `${DATES.DATE_FULL} 'at' ${time} ZZZZ`;
    kit.presets[`DATETIME_HUGE${suffix}`] = `${DATES.DATE_HUGE} 'at' ${time} ZZZZ`;
  }

  // The format that the options of toLocaleString ask for.
  kit.localeFormat = (options = {}) => {
    if (typeof options === 'string') return options;
    if (options.preset) return kit.presets[options.preset];
    const style = (width, numeric, long, short, two) =>
      ({ numeric, '2-digit': two ?? numeric, long, short, narrow: short })[width];
    const weekday = style(options.weekday, '', 'EEEE', 'EEE');
    const month = style(options.month, 'M', 'MMMM', 'MMM', 'MM');
    const day = style(options.day, 'd', 'd', 'd', 'dd');
    const year = style(options.year, 'yyyy', 'yyyy', 'yyyy', 'yy');
    const wordy = options.month === 'long' || options.month === 'short';
    const date = wordy
      ? [[month, day].filter(Boolean).join(' '), year].filter(Boolean).join(', ')
      : [month, day, year].filter(Boolean).join('/');
    const military = options.hour12 === false || options.hourCycle === 'h23';
    const hour = options.hour && style(options.hour, military ? 'HH' : 'h', '', '', military ? 'HH' : 'hh');
    const clock = [hour, options.minute && 'mm', options.second && 'ss'].filter(Boolean).join(':');
    const time = clock && clock + (hour && !military ? ' a' : '') + (options.timeZoneName ? ' ZZZZ' : '');
    return [weekday, date, time].filter(Boolean).join(', ') || DATES.DATE_SHORT;
  };
  Object.assign(kit, { MONTHS, WEEKDAYS, pad, offsetText });
})
