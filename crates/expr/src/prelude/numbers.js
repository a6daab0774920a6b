// The methods that expressions add to numbers and booleans.
(function (host, kit) {
  'use strict';
  const { DateTime } = kit;
  // Away from zero at the half, by decimal digits: (1.005).round(2) is 1.01.
  const round = (number, digits) => {
    if (!Number.isFinite(number)) return number;
    const shifted = (value, by) => {
      const [mantissa, exponent = '0'] = String(value).split('e');
      return Number(`${mantissa}e${Number(exponent) + by}`);
    };
    const rounded = shifted(Math.round(shifted(Math.abs(number), digits)), -digits);
    return number < 0 ? -rounded : rounded;
  };
  const whole = (number, what) => {
    if (!Number.isInteger(number)) throw new Error(`${what}() needs a whole number, not ${number}.`);
  };
  const SEPARATORS = { de: ['.', ','], fr: ['\u202f', ','], es: ['.', ','], it: ['.', ','], pt: ['.', ','], nl: ['.', ','], pl: ['\u00a0', ','], 'de-CH': ['’', '.'] };
  const separators = (locale) => SEPARATORS[locale] ?? SEPARATORS[String(locale).split('-')[0]] ?? [',', '.'];

  // What Intl.NumberFormat prints, for its plain options.
  const format = (number, locale = 'en-US', options = {}) => {
    if (!Number.isFinite(number)) return String(number).replace('Infinity', '∞');
    const [group, point] = separators(locale);
    const percent = options.style === 'percent';
    const money = options.style === 'currency';
    const least = options.minimumFractionDigits ?? (money ? 2 : 0);
    const most = Math.max(least, options.maximumFractionDigits ?? (percent ? 0 : money ? 2 : 3));
    const scaled = round(Math.abs(number) * (percent ? 100 : 1), most);
    let [integer, fraction = ''] = scaled.toFixed(most).split('.');
    while (fraction.length > least && fraction.endsWith('0')) fraction = fraction.slice(0, -1);
    if (options.useGrouping !== false) integer = integer.replace(/\B(?=(\d{3})+$)/g, group);
    integer = integer.padStart(options.minimumIntegerDigits ?? 1, '0');
    const sign = number < 0 && scaled !== 0 ? '-' : '';
    const digits = fraction ? `${integer}${point}${fraction}` : integer;
    if (percent) return `${sign}${digits}%`;
    if (!money) return `${sign}${digits}`;
    const symbol = { USD: '$', EUR: '€', GBP: '£', JPY: '¥', INR: '₹' }[options.currency] ?? `${options.currency}\u00a0`;
    return point === '.' ? `${sign}${symbol}${digits}` : `${sign}${digits}\u00a0${symbol}`;
  };

  kit.extend(Number.prototype, {
    ceil() {
      return Math.ceil(this);
    },
    floor() {
      return Math.floor(this);
    },
    format(locale, options) {
      return format(Number(this), locale, options);
    },
    toLocaleString(locale, options) {
      return format(Number(this), locale, options);
    },
    round(digits = 0) {
      return round(Number(this), digits);
    },
    abs() {
      return Math.abs(this);
    },
    isInteger() {
      return Number.isInteger(Number(this));
    },
    isEven() {
      whole(Number(this), 'isEven');
      return this % 2 === 0;
    },
    isOdd() {
      whole(Number(this), 'isOdd');
      return Math.abs(this) % 2 === 1;
    },
    isEmpty() {
      return false;
    },
    isNotEmpty() {
      return true;
    },
    toBoolean() {
      return Number(this) !== 0;
    },
    toInt() {
      return Math.round(this);
    },
    toFloat() {
      return Number(this);
    },
    toNumber() {
      return Number(this);
    },
    toJsonString() {
      return JSON.stringify(Number(this));
    },
    toDateTime(unit = 'ms') {
      const scale = { ms: 1, s: 1000, us: 0.001 }[unit];
      if (unit === 'excel') return DateTime.fromMillis((this - 25569) * 86400000);
      if (scale === undefined) throw new Error(`toDateTime() knows ms, s, us and excel, not '${unit}'.`);
      return DateTime.fromMillis(this * scale);
    },
  });

  const asNumber = {
    toInt() {
      return Number(this);
    },
    toFloat() {
      return Number(this);
    },
    toNumber() {
      return Number(this);
    },
    toBoolean() {
      return this === true || this.valueOf() === true;
    },
    isEmpty() {
      return false;
    },
    isNotEmpty() {
      return true;
    },
    toJsonString() {
      return String(this);
    },
  };
  kit.extend(Boolean.prototype, asNumber);
})
