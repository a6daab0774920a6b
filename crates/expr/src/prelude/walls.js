// Takes away what leads out of an expression or makes it unrepeatable: the function constructors,
// the real clock and dice, and names that have no use here. The prelude keeps what it needs in
// `kit`.
(function (host, kit) {
  'use strict';
  const RealDate = Date;
  kit.RealDate = RealDate;
  kit.Proxy = Proxy;
  kit.apply = Reflect.apply;

  const hide = (object, name, value) =>
    Object.defineProperty(object, name, { value, writable: true, configurable: true });
  kit.hide = hide;

  // Adds methods to a prototype without showing them in loops. On Object.prototype an object of
  // the script may still get a property of the same name, although the prototype is frozen.
  kit.extend = (prototype, methods) => {
    for (const name of Object.keys(methods)) {
      const method = methods[name];
      if (prototype !== Object.prototype) {
        hide(prototype, name, method);
        continue;
      }
      kit.overridable(prototype, name, method);
    }
  };
  kit.overridable = (prototype, name, value) =>
    Object.defineProperty(prototype, name, {
      get() {
        return value;
      },
      set(own) {
        if (this === prototype) throw new TypeError(`'${name}' is read-only`);
        Object.defineProperty(this, name, {
          value: own, writable: true, enumerable: true, configurable: true,
        });
      },
      configurable: true,
    });

  // Time stands still during an activation.
  const construct = Reflect.construct;
  const FixedDate = function Date(...parts) {
    if (new.target === undefined) return new RealDate(host.now()).toString();
    return construct(RealDate, parts.length === 0 ? [host.now()] : parts, new.target);
  };
  FixedDate.prototype = RealDate.prototype;
  hide(FixedDate, 'now', () => host.now());
  hide(FixedDate, 'parse', RealDate.parse);
  hide(FixedDate, 'UTC', RealDate.UTC);
  hide(RealDate.prototype, 'constructor', FixedDate);
  hide(globalThis, 'Date', FixedDate);
  hide(Math, 'random', () => host.random());

  // No text becomes code.
  const NoFunction = function Function() {
    throw new EvalError('Code cannot be made from text here.');
  };
  for (const sample of [function () {}, function* () {}, async function () {}, async function* () {}]) {
    const prototype = Object.getPrototypeOf(sample);
    Object.defineProperty(prototype, 'constructor', { value: NoFunction, configurable: true });
  }
  NoFunction.prototype = Object.getPrototypeOf(function () {});
  hide(globalThis, 'Function', NoFunction);

  const away = ['eval', 'performance', 'navigator', 'gc', 'print', 'SharedArrayBuffer', 'Atomics'];
  if (host.frozen) {
    away.push(
      'Reflect', 'Proxy', 'Promise', 'WeakRef', 'WeakMap', 'WeakSet', 'FinalizationRegistry',
      'queueMicrotask', 'DisposableStack', 'AsyncDisposableStack', 'DOMException',
    );
  }
  for (const name of away) delete globalThis[name];
  for (const name of ['__proto__', '__defineGetter__', '__defineSetter__', '__lookupGetter__',
    '__lookupSetter__']) {
    delete Object.prototype[name];
  }
  delete Error.captureStackTrace;
})
