// Loops inside native functions that the interpreter cannot interrupt get an end: lists longer than
// the memory could hold are refused, and so are searches that would take seconds; long work looks at
// the clock before it begins. `flat` is written anew, because it can reach one long list many times.
(function (host, kit) {
  'use strict';
  if (!host.frozen) return;
  const LENGTH_MAX = host.lengthMax;
  const STEPS_MAX = 2e9;
  const { apply } = kit;
  const refuse = (what) => {
    throw new RangeError(`${what} is too large for an expression.`);
  };
  const LONG = 20000;
  // For work on so many members or characters.
  const look = (length) => {
    if (length > LONG) host.tick();
  };
  const listed = ['join', 'reverse', 'copyWithin', 'shift', 'unshift', 'splice', 'slice', 'sort',
    'toLocaleString', 'toReversed', 'toSorted', 'toSpliced', 'with', 'fill'];
  for (const name of listed) {
    const native = Array.prototype[name];
    kit.hide(Array.prototype, name, {
      [name](...given) {
        if (this.length > LENGTH_MAX) refuse('The list');
        look(this.length);
        return apply(native, this, given);
      },
    }[name]);
  }
  const concat = Array.prototype.concat;
  kit.extend(Array.prototype, {
    concat(...given) {
      let length = this.length;
      for (const one of given) length += Array.isArray(one) ? one.length : 1;
      if (length > LENGTH_MAX) refuse('The list');
      look(length);
      return apply(concat, this, given);
    },
    flat(depth = 1) {
      const flat = [];
      const add = (list, left) => {
        for (let at = 0; at < list.length; at += 1) {
          if (!(at in list)) continue;
          if (left > 0 && Array.isArray(list[at])) add(list[at], left - 1);
          else flat.push(list[at]);
        }
      };
      add(this, Number(depth) || 0);
      return flat;
    },
  });

  // The searched text by its length times the other's: what a search costs at worst.
  for (const name of ['indexOf', 'lastIndexOf', 'includes', 'split', 'replace', 'replaceAll']) {
    const native = String.prototype[name];
    kit.hide(String.prototype, name, {
      [name](sought, more) {
        if (typeof sought === 'string' && this.length * sought.length > STEPS_MAX) refuse('The text');
        look(this.length);
        return more === undefined ? apply(native, this, [sought]) : apply(native, this, [sought, more]);
      },
    }[name]);
  }
  const { parse, stringify } = JSON;
  kit.hide(JSON, 'parse', (text, reviver) => {
    look(text?.length);
    return parse(text, reviver);
  });
  // A list that holds another twice, which holds a third twice, and so on, takes no memory but has no
  // end as JSON: a function that is called for each value lets it be stopped.
  const asIs = (key, value) => value;
  const only = (names) => {
    const known = new Set(names.map(String));
    return function (key, value) {
      return key === '' || Array.isArray(this) || known.has(key) ? value : undefined;
    };
  };
  kit.hide(JSON, 'stringify', (value, replacer, space) => {
    host.tick();
    if (typeof replacer === 'function') return stringify(value, replacer, space);
    return stringify(value, Array.isArray(replacer) ? only(replacer) : asIs, space);
  });
  const raw = String.raw;
  kit.hide(String, 'raw', (strings, ...given) => {
    if (strings.raw.length > LENGTH_MAX) refuse('The list');
    return raw(strings, ...given);
  });
})
