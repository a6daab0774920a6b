// The variables: $input, $('X'), $node, $items, $now and the rest, as readers of the host.
(function (host, kit) {
  'use strict';
  const define = (name, value) => kit.hide(globalThis, name, value);
  const lazy = (name, get) =>
    Object.defineProperty(globalThis, name, {
      get,
      set(own) {
        if (host.frozen) throw new TypeError(`'${name}' is read-only`);
        kit.hide(globalThis, name, own);
      },
      configurable: true,
    });
  const nothing = (name, given) => {
    if (given.length > 0) throw new Error(`$input.${name}() takes no arguments. Did you mean .all()[n]?`);
  };
  const needInput = () => {
    if (host.inputCount() === 0) throw new Error('The node has no input items.');
  };
  const whole = (name, value) => {
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'number' && Number.isInteger(value)) return value;
    throw new Error(`${name} takes whole numbers.`);
  };

  lazy('$json', () => host.json());
  lazy('$binary', () => host.binary());
  lazy('$itemIndex', () => host.itemIndex());
  lazy('$runIndex', () => host.fact('runIndex'));
  for (const name of ['prevNode', 'parameter', 'workflow', 'execution']) {
    lazy(`$${name}`, () => host.fact(name));
  }
  lazy('$vars', () => ({}));
  lazy('$now', () => kit.now());
  lazy('$today', () => kit.now().startOf('day'));

  define('$input', {
    get item() {
      return host.inputItem(host.itemIndex());
    },
    first(...given) {
      nothing('first', given);
      needInput();
      return host.inputItem(0);
    },
    last(...given) {
      nothing('last', given);
      needInput();
      return host.inputItem(host.inputCount() - 1);
    },
    all(...given) {
      nothing('all', given);
      return host.inputAll();
    },
    get params() {
      const { name } = host.fact('prevNode');
      return name === undefined ? {} : host.nodeParameters(name);
    },
  });

  define('$', (name) => {
    if (typeof name !== 'string') throw new Error("$('Node') takes the name of a node.");
    host.nodeRuns(name);
    const paired = (index) => host.nodePaired(name, index === undefined ? host.itemIndex() : index);
    return {
      get item() {
        return paired(undefined);
      },
      pairedItem: (index) => paired(whole('.pairedItem()', index)),
      itemMatching: (index) => {
        if (index === undefined) throw new Error('.itemMatching() takes the index of an input item.');
        return paired(whole('.itemMatching()', index));
      },
      first: (branch, run) => host.nodeFirst(name, whole('.first()', branch), whole('.first()', run)),
      last: (branch, run) => host.nodeLast(name, whole('.last()', branch), whole('.last()', run)),
      all: (branch, run) => host.nodeAll(name, whole('.all()', branch), whole('.all()', run)),
      get isExecuted() {
        return host.nodeRuns(name) > 0;
      },
      get params() {
        return host.nodeParameters(name);
      },
    };
  });

  const view = (name) => {
    const at = () => host.nodeAt(name, host.itemIndex());
    return {
      get json() {
        return at().json;
      },
      get binary() {
        return at().binary ?? {};
      },
      get parameter() {
        return host.nodeParameters(name);
      },
      get runIndex() {
        return host.nodeRuns(name) - 1;
      },
    };
  };
  const noNames = Object.freeze(Object.create(null));
  define('$node', new kit.Proxy(noNames, {
    get(target, name) {
      if (typeof name === 'symbol' || name === 'toJSON') return undefined;
      host.nodeRuns(name);
      return view(name);
    },
  }));

  define('$items', (name, output, run) =>
    name === undefined
      ? host.inputAll()
      : host.nodeAll(name, whole('$items()', output) ?? 0, whole('$items()', run)));

  define('$if', (condition, yes, no) => (condition ? yes : no));
  define('$ifEmpty', (value, otherwise) => (kit.isEmpty(value) ? otherwise : value));
  define('$not', (value) => !value);
  define('$min', (...numbers) => Math.min(...numbers));
  define('$max', (...numbers) => Math.max(...numbers));
  define('$average', (...numbers) => kit.average(numbers));

  const jmespath = (object, query) => {
    if (typeof object !== 'object' || object === null || typeof query !== 'string') {
      throw new Error('$jmespath() takes an object or a list, and a query as text.');
    }
    return kit.jmespath(object, query);
  };
  define('$jmespath', jmespath);
  define('$jmesPath', jmespath);

  // How a value stands in mixed text: what is missing is empty, objects are JSON.
  const shown = (value) => {
    if (value === undefined || value === null || Number.isNaN(value)) return '';
    if (typeof value === 'function' || typeof value === 'symbol') return '';
    if (Array.isArray(value)) return value.map(shown).join(',');
    if (typeof value !== 'object') return String(value);
    if (value instanceof kit.RealDate || kit.isDateLike(value)) return String(value);
    return JSON.stringify(value) ?? '';
  };
  kit.text = shown;
})
