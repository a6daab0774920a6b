// The methods that expressions add to texts.
(function (host, kit) {
  'use strict';
  const { DateTime } = kit;
  const words = (text) =>
    text.replace(/([a-z0-9])([A-Z])/g, '$1 $2').split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  const EMAIL = /[\p{L}\p{N}._%+-]+@[\p{L}\p{N}](?:[\p{L}\p{N}.-]*[\p{L}\p{N}])?\.[\p{L}]{2,63}/u;
  const DOMAIN = /(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.)+[\p{L}][\p{L}\p{N}-]{0,61}[\p{L}\p{N}]/u;
  const URL = /(?:https?|ftp|file):\/\/(?:[^\s/?#@]*@)?(\[[0-9a-f:.]+\]|[^\s/?#:@]+)(?::\d{1,5})?([/?#][^\s]*)?/iu;
  const only = (pattern) => new RegExp(`^(?:${pattern.source})$`, pattern.flags);
  const [WHOLE_EMAIL, WHOLE_DOMAIN, WHOLE_URL] = [only(EMAIL), only(DOMAIN), only(URL)];

  const LETTERS = {
    ß: 'ss', ẞ: 'SS', æ: 'ae', Æ: 'AE', œ: 'oe', Œ: 'OE', ø: 'o', Ø: 'O', ł: 'l', Ł: 'L', đ: 'd', Đ: 'D',
    ð: 'd', Ð: 'D', þ: 'th', Þ: 'TH', ı: 'i',
  };
  const plainLetters = (text) =>
    text.normalize('NFD').replace(/\p{M}+/gu, '').replace(/[^\x00-\x7f]/g, (letter) => LETTERS[letter] ?? letter);

  const removeMarkdown = (text) =>
    text
      .replace(/^(?:-\s*?|\*\s*?|_\s*?){3,}\s*$/gm, '')
      .replace(/^[ \t]*(?:[*+-]|\d+\.)[ \t]+/gm, '')
      .replace(/^[ \t]*>[ \t]?/gm, '')
      .replace(/^(?:`{3,}|~{3,}).*$\n?/gm, '')
      .replace(/^[=-]{2,}\s*$/gm, '')
      .replace(/^[ \t]{0,3}#{1,6}[ \t]*(.*?)[ \t]*#*$/gm, '$1')
      .replace(/!\[([^\]]*)\][([][^\])]*[\])]/g, '$1')
      .replace(/\[([^\]]*)\][([][^\])]*[\])]/g, '$1')
      .replace(/<[^<>]*>/g, '')
      .replace(/(\*\*\*|___|\*\*|__|\*|_|~~)(?=\S)([^]*?\S)\1/g, '$2')
      .replace(/`([^`]+)`/g, '$1')
      .trim();

  const toBoolean = (text) => !['false', 'no', '0', 'off', 'null', 'undefined', ''].includes(text.trim().toLowerCase());
  const toNumber = (text) => {
    const number = text.trim() === '' ? NaN : Number(text.replace(/(?<=\d),(?=\d{3}\b)/g, ''));
    if (Number.isNaN(number)) throw new Error(`'${text}' is no number.`);
    return number;
  };
  const toDateTime = (text, format) => {
    if (format === undefined) return kit.parseDate(text);
    const number = Number(text);
    const named = { ms: number, s: number * 1000, us: number / 1000, excel: (number - 25569) * 86400000 }[format];
    const date = named === undefined ? DateTime.fromFormat(text, format) : DateTime.fromMillis(named);
    if (!date.isValid) throw new Error(`'${text}' is no date of the format ${format}.`);
    return date;
  };

  kit.extend(String.prototype, {
    hash(algorithm = 'md5') {
      return host.hash(String(this), String(algorithm));
    },
    removeMarkdown() {
      return removeMarkdown(String(this));
    },
    removeTags() {
      return this.replace(/<[^>]*>?/g, '');
    },
    toDateTime(format) {
      return toDateTime(String(this), format);
    },
    toDate() {
      return kit.parseDate(String(this)).toJSDate();
    },
    toBoolean() {
      return toBoolean(String(this));
    },
    toNumber() {
      return toNumber(String(this));
    },
    toInt(radix) {
      const number = parseInt(this.replace(/(?<=\d),(?=\d{3}\b)/g, ''), radix);
      if (Number.isNaN(number)) throw new Error(`'${this}' is no whole number.`);
      return number;
    },
    toWholeNumber(radix) {
      return this.toInt(radix);
    },
    toFloat() {
      const number = parseFloat(this.replace(/(?<=\d),(?=\d{3}\b)/g, ''));
      if (Number.isNaN(number)) throw new Error(`'${this}' is no number.`);
      return number;
    },
    toDecimalNumber() {
      return this.toFloat();
    },
    toSentenceCase() {
      return this.toLowerCase().replace(/(^\s*|[.!?]\s+)(\p{L})/gu, (all, before, letter) => before + letter.toUpperCase());
    },
    toSnakeCase() {
      return words(String(this)).map((word) => word.toLowerCase()).join('_');
    },
    toTitleCase() {
      return this.replace(/[\p{L}\p{N}'’]+/gu, (word) => word[0].toUpperCase() + word.slice(1).toLowerCase());
    },
    toCamelCase() {
      return words(String(this))
        .map((word, at) => (at === 0 ? word.toLowerCase() : word[0].toUpperCase() + word.slice(1).toLowerCase()))
        .join('');
    },
    urlEncode(whole = false) {
      return whole ? encodeURI(String(this)) : encodeURIComponent(String(this));
    },
    urlDecode(whole = false) {
      return whole ? decodeURI(String(this)) : decodeURIComponent(String(this));
    },
    quote(mark = '"') {
      return `${mark}${this.replaceAll('\\', '\\\\').replaceAll(mark, `\\${mark}`)}${mark}`;
    },
    replaceSpecialChars() {
      return plainLetters(String(this));
    },
    isDomain() {
      return WHOLE_DOMAIN.test(this);
    },
    isEmail() {
      return WHOLE_EMAIL.test(this);
    },
    isNumeric() {
      return !/\s/.test(this) && this.length > 0 && Number.isFinite(Number(this));
    },
    isUrl() {
      return WHOLE_URL.test(this);
    },
    isEmpty() {
      return this.length === 0;
    },
    isNotEmpty() {
      return this.length > 0;
    },
    toJsonString() {
      return JSON.stringify(String(this));
    },
    extractEmail() {
      return EMAIL.exec(this)?.[0];
    },
    extractDomain() {
      const url = URL.exec(this);
      if (url) return url[1];
      const email = EMAIL.exec(this);
      return email ? email[0].slice(email[0].indexOf('@') + 1) : DOMAIN.exec(this)?.[0];
    },
    extractUrl() {
      return URL.exec(this)?.[0].replace(/[.,;:!?)\]}'"]+$/, '');
    },
    extractUrlPath() {
      const url = URL.exec(this);
      if (!url) return undefined;
      const path = (url[2] ?? '').split(/[?#]/)[0];
      return path === '' ? '/' : path;
    },
    parseJson() {
      try {
        return JSON.parse(this);
      } catch (error) {
        throw new Error(`The text is no JSON: ${error.message}`);
      }
    },
    base64Encode() {
      return host.base64Encode(String(this));
    },
    base64Decode() {
      return host.base64Decode(String(this));
    },
  });
})
