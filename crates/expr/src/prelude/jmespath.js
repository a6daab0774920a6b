// JMESPath (https://jmespath.org/specification.html) for $jmespath(). It is written in JavaScript, not
// native, so that the limits of every expression (stack, memory, deadline) hold for queries too.
(function (host, kit) {
  'use strict';
  const NESTING_MAX = 64;
  const QUERY_MAX = 4096;
  // How strongly an operator binds what stands left of it; below 10 it ends a projection.
  const POWER = {
    '|': 1, '||': 2, '&&': 3, '==': 5, '!=': 5, '<': 5, '<=': 5, '>': 5, '>=': 5,
    '[]': 9, '*': 20, '[?': 21, '.': 40, '!': 45, '{': 50, '[': 55, '(': 60,
  };
  const TOKEN = new RegExp(
    '\\s+|([A-Za-z_][A-Za-z0-9_]*)|(-?[0-9]+)|("(?:[^"\\\\]|\\\\[^])*")|(\'(?:[^\'\\\\]|\\\\[^])*\')' +
      '|(`(?:[^`\\\\]|\\\\[^])*`)|(\\[\\?|\\[\\]|\\|\\||&&|==|!=|<=|>=|[|<>.*!{}[\\](),:@&])', 'y');
  const fault = (what) => new Error(`JMESPath: ${what}`);
  const misplaced = (token) =>
    fault(`parse error at character ${token.at + 1}: ${token.type === 'end' ? 'the query ends here too early.' : `'${token.text}' cannot stand here.`}`);

  const literal = (text) => {
    const inside = text.slice(1, -1).replaceAll('\\`', '`').trim();
    try {
      return JSON.parse(inside);
    } catch {
      return inside;
    }
  };
  const quoted = (text, at) => {
    try {
      return JSON.parse(text);
    } catch {
      throw fault(`parse error at character ${at + 1}: ${text} is not a JSON text.`);
    }
  };

  const tokens = (query) => {
    if (query.length > QUERY_MAX) throw fault(`the query is longer than ${QUERY_MAX} characters.`);
    const found = [];
    TOKEN.lastIndex = 0;
    for (let at = 0; at < query.length; at = TOKEN.lastIndex) {
      const match = TOKEN.exec(query);
      if (match === null) throw misplaced({ at, text: query[at] });
      const [text, name, number, double, single, back, sign] = match;
      if (name !== undefined) found.push({ type: 'name', value: name, text, at });
      else if (number !== undefined) found.push({ type: 'number', value: Number(number), text, at });
      else if (double !== undefined) found.push({ type: 'quoted', value: quoted(double, at), text, at });
      else if (single !== undefined) found.push({ type: 'value', value: single.slice(1, -1).replaceAll("\\'", "'"), text, at });
      else if (back !== undefined) found.push({ type: 'value', value: literal(back), text, at });
      else if (sign !== undefined) found.push({ type: sign, text, at });
    }
    found.push({ type: 'end', text: '', at: query.length });
    return found;
  };

  // A Pratt parser: what a query is, as nested lists that begin with their kind.
  const parse = (query) => {
    const list = tokens(query);
    let at = 0;
    let depth = 0;
    const type = (ahead = 0) => list[Math.min(at + ahead, list.length - 1)].type;
    const take = (wanted) => {
      const token = list[at];
      if (wanted !== undefined && token.type !== wanted) throw misplaced(token);
      if (token.type !== 'end') at += 1;
      return token;
    };
    const expression = (power) => {
      depth += 1;
      if (depth > NESTING_MAX) throw fault(`the query is nested more than ${NESTING_MAX} levels deep.`);
      let left = prefix(take());
      while (power < (POWER[type()] ?? 0)) left = infix(take(), left);
      depth -= 1;
      return left;
    };
    const until = (end, one) => {
      const all = [];
      for (;;) {
        all.push(one());
        if (type() === end) return take(), all;
        take(',');
      }
    };
    const pair = () => {
      const key = take();
      if (key.type !== 'name' && key.type !== 'quoted') throw misplaced(key);
      take(':');
      return [key.value, expression(0)];
    };
    // What applies to each element of a projection.
    const each = (power) => {
      if ((POWER[type()] ?? 0) < 10) return ['current'];
      if (type() === '.') return take(), afterDot(power);
      if (type() === '[' || type() === '[?') return expression(power);
      throw misplaced(list[at]);
    };
    const afterDot = (power) => {
      if (type() === '[') return take(), ['list', until(']', () => expression(0))];
      if (['name', 'quoted', '*', '{'].includes(type())) return expression(power);
      throw misplaced(list[at]);
    };
    const index = (left) => {
      const parts = [null, null, null];
      let part = 0;
      while (type() !== ']') {
        if (type() === ':' && part < 2) part += 1, take();
        else if (parts[part] === null) parts[part] = take('number').value;
        else throw misplaced(list[at]);
      }
      take(']');
      if (part === 0) return ['then', left, ['index', parts[0]]];
      return ['each', ['then', left, ['slice', ...parts]], each(20)];
    };
    const filter = (left) => {
      const condition = expression(0);
      take(']');
      return ['filter', left, condition, type() === '[]' ? ['current'] : each(21)];
    };
    const prefix = (token) => {
      switch (token.type) {
        case 'value': return ['value', token.value];
        case 'name': return ['field', token.value];
        case 'quoted':
          if (type() === '(') throw misplaced(list[at]);
          return ['field', token.value];
        case '@': return ['current'];
        case '!': return ['not', expression(POWER['!'])];
        case '&': return ['reference', expression(0)];
        case '*': return ['values', ['current'], each(20)];
        case '[?': return filter(['current']);
        case '[]': return ['each', ['flat', ['current']], each(9)];
        case '{': return ['object', until('}', pair)];
        case '(': {
          const inside = expression(0);
          take(')');
          return inside;
        }
        case '[':
          if (type() === 'number' || type() === ':') return index(['current']);
          if (type() === '*' && type(1) === ']') return take(), take(), ['each', ['current'], each(20)];
          return ['list', until(']', () => expression(0))];
        default: throw misplaced(token);
      }
    };
    const infix = (token, left) => {
      switch (token.type) {
        case '.':
          if (type() === '*') return take(), ['values', left, each(20)];
          return ['then', left, afterDot(POWER['.'])];
        case '|': return ['then', left, expression(POWER['|'])];
        case '||': return ['or', left, expression(POWER['||'])];
        case '&&': return ['and', left, expression(POWER['&&'])];
        case '(':
          if (left[0] !== 'field') throw misplaced(token);
          if (type() === ')') return take(), ['call', left[1], []];
          return ['call', left[1], until(')', () => expression(0))];
        case '[?': return filter(left);
        case '[]': return ['each', ['flat', left], each(9)];
        case '[':
          if (type() === 'number' || type() === ':') return index(left);
          take('*');
          take(']');
          return ['each', left, each(20)];
        case '==': case '!=': case '<': case '<=': case '>': case '>=':
          return ['compare', token.type, left, expression(5)];
        default: throw misplaced(token);
      }
    };
    const tree = expression(0);
    if (type() !== 'end') throw misplaced(list[at]);
    return tree;
  };

  class Reference {
    constructor(tree) {
      this.tree = tree;
    }
  }
  const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Reference);
  const kind = (value) => {
    if (value === null) return 'null';
    if (Array.isArray(value)) return 'array';
    return value instanceof Reference ? 'expression' : typeof value;
  };
  const isTrue = (value) => {
    if (value === null || value === false || value === '') return false;
    if (Array.isArray(value)) return value.length > 0;
    return !isObject(value) || Object.keys(value).length > 0;
  };
  const same = (one, two) => {
    if (one === two) return true;
    if (Array.isArray(one) && Array.isArray(two)) {
      return one.length === two.length && one.every((value, n) => same(value, two[n]));
    }
    if (!isObject(one) || !isObject(two)) return false;
    const keys = Object.keys(one);
    return keys.length === Object.keys(two).length &&
      keys.every((key) => Object.hasOwn(two, key) && same(one[key], two[key]));
  };
  const slice = (list, start, stop, step) => {
    if (step === 0) throw fault('the step of a slice cannot be 0.');
    const by = step ?? 1;
    const size = list.length;
    const bound = (value, otherwise) => {
      if (value === null) return otherwise;
      const from = value < 0 ? value + size : value;
      return Math.min(Math.max(from, by < 0 ? -1 : 0), by < 0 ? size - 1 : size);
    };
    const end = bound(stop, by < 0 ? -1 : size);
    const found = [];
    for (let n = bound(start, by < 0 ? size - 1 : 0); by < 0 ? n > end : n < end; n += by) found.push(list[n]);
    return found;
  };

  const find = (data, tree) => {
    switch (tree[0]) {
      case 'current': return data;
      case 'value': return tree[1];
      case 'field': return isObject(data) && Object.hasOwn(data, tree[1]) ? data[tree[1]] : null;
      case 'then': return find(find(data, tree[1]), tree[2]);
      case 'index': return Array.isArray(data) ? data.at(tree[1]) ?? null : null;
      case 'slice': return Array.isArray(data) ? slice(data, tree[1], tree[2], tree[3]) : null;
      case 'not': return !isTrue(find(data, tree[1]));
      case 'reference': return new Reference(tree[1]);
      case 'or': {
        const left = find(data, tree[1]);
        return isTrue(left) ? left : find(data, tree[2]);
      }
      case 'and': {
        const left = find(data, tree[1]);
        return isTrue(left) ? find(data, tree[2]) : left;
      }
      case 'each': return project(find(data, tree[1]), tree[2]);
      case 'values': {
        const object = find(data, tree[1]);
        return isObject(object) ? project(Object.values(object), tree[2]) : null;
      }
      case 'filter': {
        const list = find(data, tree[1]);
        return Array.isArray(list) ? project(list.filter((value) => isTrue(find(value, tree[2]))), tree[3]) : null;
      }
      case 'flat': {
        const list = find(data, tree[1]);
        return Array.isArray(list) ? list.flat(1) : null;
      }
      case 'list': return data === null ? null : tree[1].map((one) => find(data, one));
      case 'object':
        return data === null ? null : Object.fromEntries(tree[1].map(([key, one]) => [key, find(data, one)]));
      case 'compare': return compare(tree[1], find(data, tree[2]), find(data, tree[3]));
      default: return call(tree[1], tree[2].map((one) => find(data, one)));
    }
  };
  const project = (list, tree) =>
    Array.isArray(list) ? list.map((value) => find(value, tree)).filter((value) => value !== null) : null;
  const compare = (operator, one, two) => {
    if (operator === '==') return same(one, two);
    if (operator === '!=') return !same(one, two);
    if (typeof one !== 'number' || typeof two !== 'number') return null;
    switch (operator) {
      case '<': return one < two;
      case '<=': return one <= two;
      case '>': return one > two;
      default: return one >= two;
    }
  };

  const order = (one, two) => (one < two ? -1 : one > two ? 1 : 0);
  // The keys by which a list is put in order: numbers only, or texts only.
  const keyed = (name, list, by) => {
    const all = list.map((value) => ({ value, key: by === undefined ? value : find(value, by.tree) }));
    const first = all.length > 0 ? kind(all[0].key) : 'number';
    const odd = all.find(({ key }) => kind(key) !== first || (first !== 'number' && first !== 'string'));
    if (odd) throw fault(`${name}() puts numbers in order, or texts: it met ${kind(odd.key)}.`);
    return all;
  };
  const sorted = (name, list, by) =>
    keyed(name, list, by).sort((one, two) => order(one.key, two.key)).map(({ value }) => value);
  const extreme = (name, list, by, sign) => {
    const all = keyed(name, list, by);
    if (all.length === 0) return null;
    return all.reduce((best, next) => (order(next.key, best.key) * sign > 0 ? next : best)).value;
  };
  const sum = (list) => list.reduce((total, number) => total + number, 0);
  const toNumber = (value) => {
    if (typeof value === 'number') return value;
    return typeof value === 'string' && /^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$/.test(value) ? Number(value) : null;
  };
  // Each function with the kinds its arguments may have; 'numbers' and 'texts' are lists of such.
  const FUNCTIONS = {
    abs: [['number'], (n) => Math.abs(n)],
    avg: [['numbers'], (list) => (list.length > 0 ? sum(list) / list.length : null)],
    ceil: [['number'], (n) => Math.ceil(n)],
    contains: [['array string', 'any'], (all, one) => (Array.isArray(all) ? all.some((value) => same(value, one)) : typeof one === 'string' && all.includes(one))],
    ends_with: [['string', 'string'], (text, end) => text.endsWith(end)],
    floor: [['number'], (n) => Math.floor(n)],
    join: [['string', 'texts'], (glue, list) => list.join(glue)],
    keys: [['object'], (object) => Object.keys(object)],
    length: [['string array object'], (value) => (typeof value === 'string' ? [...value].length : Object.keys(value).length)],
    map: [['expression', 'array'], (by, list) => list.map((value) => find(value, by.tree))],
    max: [['array'], (list) => extreme('max', list, undefined, 1)],
    max_by: [['array', 'expression'], (list, by) => extreme('max_by', list, by, 1)],
    merge: [['object...'], (...all) => Object.fromEntries(all.flatMap((object) => Object.entries(object)))],
    min: [['array'], (list) => extreme('min', list, undefined, -1)],
    min_by: [['array', 'expression'], (list, by) => extreme('min_by', list, by, -1)],
    not_null: [['any...'], (...all) => all.find((value) => value !== null) ?? null],
    reverse: [['string array'], (value) => (Array.isArray(value) ? [...value].reverse() : [...value].reverse().join(''))],
    sort: [['array'], (list) => sorted('sort', list)],
    sort_by: [['array', 'expression'], (list, by) => sorted('sort_by', list, by)],
    starts_with: [['string', 'string'], (text, start) => text.startsWith(start)],
    sum: [['numbers'], sum],
    to_array: [['any'], (value) => (Array.isArray(value) ? value : [value])],
    to_number: [['any'], toNumber],
    to_string: [['any'], (value) => (typeof value === 'string' ? value : JSON.stringify(value))],
    type: [['any'], kind],
    values: [['object'], (object) => Object.values(object)],
  };
  const fits = (value, wanted) =>
    wanted.split(' ').some((one) => {
      if (one === 'any') return !(value instanceof Reference);
      if (one === 'numbers') return Array.isArray(value) && value.every((n) => typeof n === 'number');
      if (one === 'texts') return Array.isArray(value) && value.every((n) => typeof n === 'string');
      return kind(value) === one;
    });
  const call = (name, given) => {
    if (!Object.hasOwn(FUNCTIONS, name)) throw fault(`there is no function ${name}().`);
    const [wanted, work] = FUNCTIONS[name];
    const many = wanted[0].endsWith('...');
    if (many ? given.length === 0 : given.length !== wanted.length) {
      throw fault(`${name}() takes ${many ? 'at least one argument' : `${wanted.length} argument(s)`}, not ${given.length}.`);
    }
    given.forEach((value, n) => {
      const kinds = many ? wanted[0].slice(0, -3) : wanted[n];
      if (!fits(value, kinds)) throw fault(`${name}() takes ${kinds.replaceAll(' ', ' or ')}, not ${kind(value)}, as argument ${n + 1}.`);
    });
    return work(...given);
  };

  // JSON in between gives both sides plain values of their own: the query's data and its result.
  kit.jmespath = (data, query) => {
    const found = find(JSON.parse(JSON.stringify(data)), parse(query));
    return found instanceof Reference ? null : JSON.parse(JSON.stringify(found));
  };
})
