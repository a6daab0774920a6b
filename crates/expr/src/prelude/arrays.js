// The methods that expressions add to lists. None changes the list.
(function (host, kit) {
  'use strict';
  // Two values are equal when their JSON is, whatever the order of keys.
  const identity = (value) => {
    if (value === null || typeof value !== 'object') return `${typeof value}:${String(value)}`;
    if (value instanceof kit.RealDate || kit.isDateLike(value)) return `date:${value.valueOf()}`;
    if (Array.isArray(value)) return `[${value.map(identity).join(',')}]`;
    return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${identity(value[key])}`).join(',')}}`;
  };
  const pick = (value, keys) => Object.fromEntries(keys.map((key) => [key, value?.[key]]));
  const distinct = (list, keys) => {
    const seen = new Set();
    return list.filter((value) => {
      const key = identity(keys.length > 0 ? pick(value, keys) : value);
      return !seen.has(key) && seen.add(key);
    });
  };
  const numbers = (list, what) =>
    list.map((value) => {
      const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
      if (typeof number !== 'number' || Number.isNaN(number)) {
        throw new Error(`${what}() needs a list of numbers: ${JSON.stringify(value)} is none.`);
      }
      return number;
    });
  const list = (value, what) => {
    if (!Array.isArray(value)) throw new Error(`${what}() takes a list.`);
    return value;
  };
  const plain = (value) => value !== null && typeof value === 'object' && !Array.isArray(value) && !kit.isDateLike(value) && !(value instanceof kit.RealDate);
  const isVoid = (value) => value === null || value === undefined || value === '' || value === 'nil';

  const compact = (value) => {
    if (Array.isArray(value)) return value.filter((one) => !isVoid(one) && !(plain(one) && Object.keys(one).length === 0)).map(compact);
    if (plain(value)) {
      return Object.fromEntries(Object.entries(value).filter(([, one]) => !isVoid(one)).map(([key, one]) => [key, compact(one)]));
    }
    return value;
  };
  kit.compact = compact;
  kit.plain = plain;
  kit.average = (given) => (given.length === 0 ? 0 : numbers(given, 'average').reduce((sum, one) => sum + one, 0) / given.length);
  kit.isEmpty = (value) => {
    if (value === undefined || value === null || value === '') return true;
    if (Array.isArray(value)) return value.length === 0;
    return plain(value) && Object.keys(value).length === 0;
  };

  kit.extend(Array.prototype, {
    removeDuplicates(...keys) {
      return distinct(this, keys.flat());
    },
    unique(...keys) {
      return distinct(this, keys.flat());
    },
    first() {
      return this[0];
    },
    last() {
      return this[this.length - 1];
    },
    pluck(...names) {
      const keys = names.flat();
      if (keys.length === 0) throw new Error('pluck() takes the names of fields.');
      if (keys.length === 1) return this.map((one) => one?.[keys[0]]).filter((one) => one !== undefined);
      return this.map((one) => pick(one, keys));
    },
    randomItem() {
      return this[Math.floor(Math.random() * this.length)];
    },
    sum() {
      return numbers(this, 'sum').reduce((sum, one) => sum + one, 0);
    },
    min() {
      return numbers(this, 'min').reduce((least, one) => Math.min(least, one), Infinity);
    },
    max() {
      return numbers(this, 'max').reduce((most, one) => Math.max(most, one), -Infinity);
    },
    average() {
      return kit.average(this);
    },
    compact() {
      return compact(this);
    },
    smartJoin(keyField, valueField) {
      if (!keyField || !valueField) throw new Error('smartJoin() takes the names of a key field and a value field.');
      return Object.fromEntries(
        this.filter((one) => plain(one) && keyField in one && valueField in one).map((one) => [one[keyField], one[valueField]]),
      );
    },
    chunk(size) {
      if (!Number.isInteger(size) || size < 1) throw new Error('chunk() takes a whole number above 0.');
      const parts = [];
      for (let at = 0; at < this.length; at += size) parts.push(this.slice(at, at + size));
      return parts;
    },
    renameKeys(...names) {
      if (names.length === 0 || names.length % 2 !== 0) throw new Error('renameKeys() takes pairs of an old and a new name.');
      const renamed = new Map();
      for (let at = 0; at < names.length; at += 2) renamed.set(names[at], names[at + 1]);
      return this.map((one) =>
        plain(one) ? Object.fromEntries(Object.entries(one).map(([key, value]) => [renamed.get(key) ?? key, value])) : one);
    },
    merge(other) {
      const others = other === undefined ? [] : list(other, 'merge');
      if (other === undefined) return Object.assign({}, ...this.filter(plain));
      const count = Math.max(this.length, others.length);
      return Array.from({ length: count }, (none, at) => ({ ...others[at], ...this[at] }));
    },
    union(other = []) {
      return distinct([...this, ...list(other, 'union')], []);
    },
    difference(other = []) {
      const theirs = new Set(list(other, 'difference').map(identity));
      return this.filter((one) => !theirs.has(identity(one)));
    },
    intersection(other = []) {
      const theirs = new Set(list(other, 'intersection').map(identity));
      return distinct(this.filter((one) => theirs.has(identity(one))), []);
    },
    append(...more) {
      return [...this, ...more];
    },
    isEmpty() {
      return this.length === 0;
    },
    isNotEmpty() {
      return this.length > 0;
    },
    toJsonString() {
      return JSON.stringify(this);
    },
  });
})
