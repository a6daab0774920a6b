//! What expressions cannot do: escape, persist, or take the process with them.

use std::time::Duration;

use expr::testing::scope;
use expr::{Scope, Template};
use kernel::{Value, codes};
use serde_json::json;

fn outcome(scope: &Scope, script: &str) -> Result<Value, kernel::Problem> {
    Template::parse(&format!("={{{{ {script} }}}}"))?.evaluate(scope, 0)
}

/// Ways out that were tried elsewhere, each with the values it may give without harm.
const ATTEMPTS: &[(&str, &[&str])] = &[
    ("(() => {}).constructor('return globalThis')()", &[]),
    ("[].map.constructor('return 1')()", &[]),
    ("(function* () {}).constructor('yield 1')().next().value", &[]),
    ("(async () => {}).constructor('return 1')()", &[]),
    ("(async function* () {}).constructor('yield 1')()", &[]),
    ("$json.constructor.constructor('return 1')()", &[]),
    ("''.constructor.constructor('return 1')()", &[]),
    ("Object.getPrototypeOf(function () {}).constructor('return 1')()", &[]),
    ("$input.first.constructor('return 1')()", &[]),
    ("$('Start').first.constructor('return 1')()", &[]),
    ("DateTime.now.constructor('return 1')()", &[]),
    ("$jmespath.constructor('return 1')()", &[]),
    ("new Function('return 1')()", &[]),
    ("Function('return 1')()", &[]),
    ("eval('1')", &[]),
    ("(0, eval)('1')", &[]),
    ("globalThis.eval('1')", &[]),
    ("Reflect.ownKeys(globalThis)", &[]),
    ("new Proxy({}, {})", &[]),
    ("Promise.resolve(1)", &[]),
    ("typeof process + typeof require + typeof module", &["\"undefinedundefinedundefined\""]),
    (
        "typeof fetch + typeof setTimeout + typeof XMLHttpRequest",
        &["\"undefinedundefinedundefined\""],
    ),
    ("typeof std + typeof os + typeof console", &["\"undefinedundefinedundefined\""]),
    ("import('fs')", &["{}"]),
    ("this", &["{}"]),
    ("(function () { return this })()", &[]),
    ("[].filter.call(1, function () { return this })", &["[]"]),
    ("(() => { globalThis.leak = 1; return globalThis.leak })()", &[]),
    ("(() => { leak = 1; return leak })()", &[]),
    ("(() => { Object.prototype.leak = 1; return ({}).leak })()", &[]),
    ("(() => { Array.prototype.map = () => 'owned'; return [].map() })()", &[]),
    ("(() => { String.prototype.toUpperCase = () => 'owned'; return 'a'.toUpperCase() })()", &[]),
    ("(() => { JSON.stringify = () => 'owned'; return JSON.stringify(1) })()", &[]),
    ("(() => { Math.random = () => 4; return Math.random() })()", &[]),
    ("(() => { DateTime.now = () => 'owned'; return DateTime.now() })()", &[]),
    ("(() => { $input.leak = 1; return $input.leak })()", &[]),
    ("(() => { $now.leak = 1; return $now.leak })()", &[]),
    ("(() => { $json = 1; return $workflow.leak })()", &[]),
    ("(() => { $workflow = 1; return $workflow })()", &[]),
    ("Object.defineProperty(Array.prototype, 'leak', { value: 1 })", &[]),
    (
        "Object.setPrototypeOf([].values().__proto__ ?? Object.getPrototypeOf([].values()), null)",
        &[],
    ),
    ("Object.setPrototypeOf(globalThis, { leak: 1 }).leak", &[]),
    ("Object.assign(Object.prototype, { toString: () => 'owned' })", &[]),
    ("({}).__proto__", &[]),
    ("(() => { ({}).__proto__.leak = 1 })()", &[]),
    ("({}).__defineGetter__('x', () => 1)", &[]),
    ("Error.captureStackTrace($json)", &[]),
    (
        "(() => { Error.prepareStackTrace = (e, s) => s; return new Error('x').stack[0].getThis() })()",
        &[],
    ),
    ("(() => { function f() { return f.caller } return f() })()", &[]),
    ("(() => { return arguments.callee })()", &[]),
    ("(function () { return arguments.callee })()", &[]),
    ("delete globalThis.JSON", &[]),
    (
        "Object.getOwnPropertyNames(globalThis).filter(n => /eval|Reflect|Proxy|Promise|std|os|load|print/.test(n))",
        &["[]"],
    ),
    (
        "(() => { try { null.x } catch (e) { return e.constructor.constructor('return 1')() } })()",
        &[],
    ),
    ("`${{ toString: (() => {}).constructor('return 1') }}`", &[]),
    ("JSON.parse('{\"__proto__\": {\"leak\": 1}}').leak", &[]),
    ("$node.constructor.constructor('return 1')()", &[]),
    ("$node.__proto__.leak", &[]),
    ("Symbol.iterator.constructor.constructor('return 1')()", &[]),
    ("Iterator.from([]).constructor.constructor('return 1')()", &[]),
    ("new (class extends Array { constructor() { super(); return globalThis } })().process", &[]),
];

/// Every attempt must throw, or give null, or give one of the harmless values beside it.
#[test]
fn no_escape_reaches_anything() {
    let scope = scope(json!([{ "a": 1, "list": [1, 2] }]));
    assert!(ATTEMPTS.len() >= 25);
    for (script, harmless) in ATTEMPTS {
        if let Ok(value) = outcome(&scope, script) {
            let text = value.to_string();
            assert!(value.is_null() || harmless.contains(&text.as_str()), "{script} gave {text}");
        }
        let clean = "[typeof leak, ({}).leak, [3].map(x => x + 1)[0], 'a'.toUpperCase(), \
                     JSON.stringify([1]), `${{}}`, $json.a, $json.list.length, typeof DateTime.now()]";
        assert_eq!(
            outcome(&scope, clean).unwrap(),
            json!(["undefined", null, 4, "A", "[1]", "[object Object]", 1, 2, "object"]),
            "after {script}"
        );
    }
}

#[test]
fn changes_to_items_are_seen_by_nobody_else() {
    let scope = scope(json!([{ "a": 1, "list": [3, 1, 2], "o": { "x": 1 } }]));
    for (script, expected) in [
        ("$json.list.sort()", json!([1, 2, 3])),
        ("$json.list.reverse()", json!([2, 1, 3])),
        ("[$json.list.push(9), $json.list.length]", json!([4, 4])),
        ("Object.assign($json.o, { y: 2 })", json!({ "x": 1, "y": 2 })),
        ("(() => { $json.a = 5; return $json.a })()", json!(5)),
        ("(() => { $input.first().json.a = 6; return $json.a })()", json!(6)),
        (
            "(() => { $('Start').all()[0].json.o.x = 7; return $('Start').first().json.o.x })()",
            json!(7),
        ),
        ("delete $json.a", json!(true)),
        ("$json['li' + 'st'].splice(0, 2)", json!([3, 1])),
        ("[0].map($json.list.pop, $json.list)", json!([2])),
        ("Array.from.call(function () { return $json.list }, [9])", json!([9])),
    ] {
        assert_eq!(outcome(&scope, script).unwrap(), expected, "{script}");
        let after = outcome(&scope, "[$json.a, $json.list.concat(), $json.o, $input.all().length]");
        assert_eq!(after.unwrap(), json!([1, [3, 1, 2], { "x": 1 }, 1]), "after {script}");
    }
}

#[test]
fn own_objects_may_have_fields_with_the_names_of_methods() {
    let scope = scope(json!([{ "keys": 1, "values": [2], "first": "f", "constructor": "c" }]));
    let script = "(() => { const o = {}; o.keys = 1; o.values = 2; o.isEmpty = 3; o.toString = 4; \
                  o.constructor = 5; return o })()";
    let expected = json!({ "keys": 1, "values": 2, "isEmpty": 3, "toString": 4, "constructor": 5 });
    assert_eq!(outcome(&scope, script).unwrap(), expected);
    let script = "[$json.keys, $json.values[0], $json.first, ($json).constructor]";
    assert_eq!(outcome(&scope, script).unwrap(), json!([1, 2, "f", "c"]));
    let script =
        "(() => { const e = new Error('x'); e.message = 'y'; e.name = 'Z'; return `${e}` })()";
    assert_eq!(outcome(&scope, script).unwrap(), json!("Z: y"));
}

/// Queries that would overflow the stack of a native parser or take the heap of a native search.
const QUERIES: &[(&str, kernel::Code)] = &[
    ("$jmespath({}, '('.repeat(1e5))", codes::EXPRESSION_FAILED),
    ("$jmespath({}, '('.repeat(4000))", codes::EXPRESSION_FAILED),
    ("$jmespath({}, '!'.repeat(4000) + 'a')", codes::EXPRESSION_FAILED),
    ("$jmespath({}, 'a' + '.a'.repeat(2000))", codes::EXPRESSION_FAILED),
    ("$jmespath({}, 'a' + '[*]'.repeat(1000))", codes::EXPRESSION_FAILED),
    ("$jmespath({}, Array(40).fill('[@,@]').join('|'))", codes::EXPRESSION_MEMORY),
    (
        "$jmespath({}, Array(40).fill('[@,@]').join('|') + '|length(to_string(@))')",
        codes::EXPRESSION_MEMORY,
    ),
];

#[test]
fn endless_loops_bombs_and_recursion_are_stopped_and_the_next_expression_works() {
    let scope = scope(json!([{ "a": 1 }]));
    let stopped = [
        ("(() => { while (true); })()", codes::EXPRESSION_DEADLINE),
        ("(() => { for (;;) { try { while (true); } catch {} } })()", codes::EXPRESSION_DEADLINE),
        (
            "(() => { try { while (true); } finally { while (true); } })()",
            codes::EXPRESSION_DEADLINE,
        ),
        ("/^(a+)+$/.test('a'.repeat(60) + 'b')", codes::EXPRESSION_DEADLINE),
        ("'a'.repeat(80).match(/(.*)*(.*)*(.*)*x/)", codes::EXPRESSION_DEADLINE),
        ("Array.from({ length: 1e9 }, () => 0).length", codes::EXPRESSION_DEADLINE),
        ("[...(function* () { for (;;) yield; })()].length", codes::EXPRESSION_MEMORY),
        ("[].indexOf.call({ length: 2 ** 53 - 1 }, 1)", codes::EXPRESSION_DEADLINE),
        ("[].lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)", codes::EXPRESSION_DEADLINE),
        ("[].includes.call({ length: 2 ** 53 - 1 }, 1)", codes::EXPRESSION_DEADLINE),
        ("[].join.call({ length: 2 ** 53 - 1 }, '')", codes::EXPRESSION_FAILED),
        ("[].reverse.call({ length: 2 ** 53 - 1 })", codes::EXPRESSION_FAILED),
        ("[].some.call({ length: 2 ** 53 - 1 }, x => x)", codes::EXPRESSION_DEADLINE),
        ("[].copyWithin.call({ length: 2 ** 53 - 1 }, 1, 0)", codes::EXPRESSION_FAILED),
        ("[].shift.call({ length: 2 ** 53 - 1 })", codes::EXPRESSION_FAILED),
        ("String(Array(4294967295)).length", codes::EXPRESSION_FAILED),
        (
            "(() => { const a = Array(4e6); for (;;) try { a.join('') } catch {} })()",
            codes::EXPRESSION_DEADLINE,
        ),
        (
            "(() => { const s = `\"${'x'.repeat(1e6)}\"`; for (;;) try { JSON.parse(s) } catch {} })()",
            codes::EXPRESSION_DEADLINE,
        ),
        ("'a'.repeat(1e7).replaceAll('a'.repeat(5e6) + 'b', '')", codes::EXPRESSION_FAILED),
        ("JSON.stringify(Array(4294967295)).length", codes::EXPRESSION_MEMORY),
        (
            "(() => { const l = []; for (;;) l.push('x'.repeat(1000) + l.length) })()",
            codes::EXPRESSION_MEMORY,
        ),
        ("(() => { let s = 'x'; for (;;) s += s; })()", codes::EXPRESSION_MEMORY),
        ("'x'.repeat(2 ** 29).length", codes::EXPRESSION_MEMORY),
        ("new Uint8Array(2 ** 30).length", codes::EXPRESSION_MEMORY),
        ("(() => { const f = () => f() + 1; return f() })()", codes::EXPRESSION_FAILED),
        (
            "(() => { let o = {}; for (let i = 0; i < 1e5; i++) o = { o }; return o })()",
            codes::EXPRESSION_FAILED,
        ),
        ("(() => { const o = {}; o.o = o; return o })()", codes::EXPRESSION_FAILED),
        (
            "(() => { let o = {}; for (let i = 0; i < 60; i++) o = [o, o]; return o })()",
            codes::EXPRESSION_DEADLINE,
        ),
        (
            "(() => { let o = {}; for (let i = 0; i < 60; i++) o = { o, p: o }; return JSON.stringify(o) })()",
            codes::EXPRESSION_DEADLINE,
        ),
        (
            "(() => { let o = {}; for (let i = 0; i < 60; i++) o = { o, p: o }; return JSON.stringify(o, ['o', 'p']) })()",
            codes::EXPRESSION_DEADLINE,
        ),
    ];
    for (script, code) in stopped.into_iter().chain(QUERIES.iter().copied()) {
        let template = Template::parse(&format!("={{{{ {script} }}}}")).unwrap();
        let problem = template.evaluate_within(&scope, 0, Duration::from_millis(300));
        let problem = problem.expect_err(script);
        // Which of its two limits a bomb reaches first depends on the machine.
        let limits = [codes::EXPRESSION_DEADLINE, codes::EXPRESSION_MEMORY];
        let by_limit = limits.contains(&code) && limits.contains(&problem.code);
        assert!(problem.code == code || by_limit, "{script}: {problem}");
        assert_eq!(outcome(&scope, "$json.a + 1").unwrap(), json!(2), "after {script}");
    }
}

#[test]
fn being_stopped_at_any_moment_leaves_a_context_that_works() {
    let scope = scope(json!([{ "a": 1, "list": [3, 1, 2] }]));
    let busy = "(() => { const out = []; for (let i = 0; ; i++) { \
                const text = JSON.stringify($json.list.map(n => ({ n, s: `${n}`.repeat(50) }))); \
                out.push(JSON.parse(text).sort((a, b) => a.n - b.n)); if (i % 50 === 0) out.length = 0; \
                /(\\d+)-\\1/.test(text); $now.plus({ days: i }).toFormat('yyyy LLL dd'); 'x'.hash('sha1'); \
                try { null.x } catch (e) { e.stack } } })()";
    let template = Template::parse(&format!("={{{{ {busy} }}}}")).unwrap();
    for step in 0..150 {
        let deadline = Duration::from_micros(step * 37);
        let problem = template.evaluate_within(&scope, 0, deadline).unwrap_err();
        assert_eq!(problem.code, codes::EXPRESSION_DEADLINE);
        let value =
            outcome(&scope, "[$json.list.sum(), $now.toISODate(), JSON.stringify($json.a)]");
        assert_eq!(value.unwrap(), json!([6, "2026-11-20", "1"]));
    }
}

#[test]
fn an_expression_too_slow_for_the_first_try_is_repeated_with_a_longer_one() {
    let scope = scope(json!([{}]));
    let script = "(() => { let n = 0; for (let i = 0; i < 300000; i++) n += i % 7; return n })()";
    let template = Template::parse(&format!("={{{{ {script} }}}}")).unwrap();
    let first = template.evaluate_within(&scope, 0, Duration::from_micros(50)).unwrap_err();
    assert_eq!(first.code, codes::EXPRESSION_DEADLINE);
    assert_eq!(template.evaluate(&scope, 0).unwrap(), json!(899997));
}

#[test]
fn promises_left_behind_do_not_pile_up() {
    let scope = scope(json!([{ "a": 1 }]));
    for _ in 0..50 {
        assert_eq!(outcome(&scope, "(async () => { await 1; return 2 })()").unwrap(), json!({}));
    }
    assert_eq!(outcome(&scope, "$json.a").unwrap(), json!(1));
}

#[test]
fn workspaces_and_scopes_share_nothing() {
    let one = scope(json!([{ "a": 1 }]));
    let mut other = scope(json!([{ "a": 2 }]));
    other.workspace = kernel::WorkspaceId(uuid::Uuid::from_u128(99));
    for _ in 0..3 {
        assert_eq!(outcome(&one, "$json.a + 0").unwrap(), json!(1));
        assert_eq!(outcome(&other, "$json.a + 0").unwrap(), json!(2));
    }
    for workspace in 100..140 {
        other.workspace = kernel::WorkspaceId(uuid::Uuid::from_u128(workspace));
        assert_eq!(outcome(&other, "$json.a + 0").unwrap(), json!(2));
    }
    assert_eq!(outcome(&one, "$json.a + 0").unwrap(), json!(1));
}
