// Freezes everything that a script can reach, once: nothing it does outlives it.
(function (host, kit) {
  'use strict';
  if (!host.frozen) return;
  for (const prototype of [Object.prototype, Error.prototype]) {
    for (const name of Object.getOwnPropertyNames(prototype)) {
      const property = Object.getOwnPropertyDescriptor(prototype, name);
      if ('value' in property) kit.overridable(prototype, name, property.value);
    }
  }
  const iterators = [
    [].values(), new Map().entries(), new Set().values(), ''[Symbol.iterator](),
    'a'.matchAll(/a/g), [].values().map((x) => x), Iterator.from({ next() {} }),
  ];
  const kinds = [function () {}, function* () {}, async function () {}, async function* () {},
    (function* () {})(), (async function* () {})(), new Uint8Array(0)];
  const done = new Set();
  const open = [globalThis, ...iterators, ...kinds];
  const note = (value) => {
    const object = value !== null && (typeof value === 'object' || typeof value === 'function');
    if (object && !done.has(value)) {
      done.add(value);
      open.push(value);
    }
  };
  while (open.length > 0) {
    const object = open.pop();
    note(Object.getPrototypeOf(object));
    for (const name of [...Object.getOwnPropertyNames(object), ...Object.getOwnPropertySymbols(object)]) {
      const property = Object.getOwnPropertyDescriptor(object, name);
      note(property.value);
      note(property.get);
      note(property.set);
    }
    if (!ArrayBuffer.isView(object)) Object.freeze(object);
  }
})
