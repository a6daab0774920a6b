// The methods that expressions add to objects. None changes the object.
(function (host, kit) {
  'use strict';
  const filtered = (object, keep) => Object.fromEntries(Object.entries(object).filter(keep));
  const holds = (value, part) => typeof value === 'string' && value.includes(part);
  const needed = (part, what) => {
    if (typeof part !== 'string' || part === '') throw new Error(`${what}() takes a text that is not empty.`);
    return part;
  };
  kit.extend(Object.prototype, {
    isEmpty() {
      return Object.keys(this).length === 0;
    },
    isNotEmpty() {
      return Object.keys(this).length > 0;
    },
    hasField(name) {
      return Object.hasOwn(this, name);
    },
    removeField(name) {
      return filtered(this, ([key]) => key !== name);
    },
    removeFieldsContaining(part) {
      needed(part, 'removeFieldsContaining');
      return filtered(this, ([, value]) => !holds(value, part));
    },
    keepFieldsContaining(part) {
      needed(part, 'keepFieldsContaining');
      return filtered(this, ([, value]) => holds(value, part));
    },
    compact() {
      return kit.compact(this);
    },
    urlEncode() {
      const encode = (text) => encodeURIComponent(String(text)).replace(/%20/g, '+')
        .replace(/[!'()~]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
      return Object.entries(this).map(([key, value]) => `${encode(key)}=${encode(value)}`).join('&');
    },
    keys() {
      return Object.keys(this);
    },
    values() {
      return Object.values(this);
    },
    toJsonString() {
      return JSON.stringify(this);
    },
  });
})
