//! Scripts of code nodes.

use std::time::Duration;

use expr::script::{FailureKind, Limits, Mode, Script, run};
use expr::testing::{Run, items};
use serde_json::json;

fn script(code: &str, mode: Mode) -> Script {
    let mut past = Run::new();
    past.ran("Ask", &[], vec![items(json!([{ "q": 1 }, { "q": 2 }]))]);
    past.ran("Shape", &[("Ask", 0)], vec![items(json!([{ "n": 1 }, { "n": 2 }]))]);
    let scope = past.at("Code", &[("Shape", 0)]);
    Script {
        code: code.to_owned(),
        mode,
        items: scope.inputs[0].clone(),
        globals: vec![("extra".to_owned(), json!({ "k": [1] }))],
        scope,
        limits: Limits {
            memory_bytes: 16 << 20,
            deadline: Duration::from_millis(500),
            ..Limits::default()
        },
    }
}

#[test]
fn a_script_for_all_items_sees_them_and_returns_what_it_likes() {
    for (code, expected) in [
        (
            "return items.map(i => ({ json: { n: i.json.n * 10 } }))",
            json!([{ "json": { "n": 10 } }, { "json": { "n": 20 } }]),
        ),
        ("return $input.all().length + extra.k[0]", json!(3)),
        (
            "for (const item of items) item.json.seen = true;\nreturn items",
            json!([
            { "json": { "n": 1, "seen": true }, "pairedItem": { "item": 0 } },
            { "json": { "n": 2, "seen": true }, "pairedItem": { "item": 1 } }]),
        ),
        ("return $('Ask').all().map(i => i.json.q).sum()", json!(3)),
        ("return $('Ask').itemMatching(1).json.q", json!(2)),
        (
            "return [$json.n, $itemIndex, $now.toFormat('yyyy'), $workflow.name]",
            json!([1, 0, "2026", "Example"]),
        ),
        ("", json!(null)),
        ("return new Date()", json!("2026-11-20T10:30:00.123Z")),
        ("const later = await Promise.all([1, Promise.resolve(2)]); return later", json!([1, 2])),
        ("return await new Promise(done => done(5)) // the end", json!(5)),
        ("x = 1; var y = 2; return x + y", json!(3)),
    ] {
        assert_eq!(run(&script(code, Mode::AllItems)).unwrap().value, expected, "{code}");
    }
}

#[test]
fn a_script_for_each_item_is_called_once_for_each() {
    let code = "if ($itemIndex === 1) return; return { json: { twice: $json.n * 2, q: $('Ask').item.json.q, i: item.json.n } }";
    let outcome = run(&script(code, Mode::EachItem)).unwrap();
    assert_eq!(outcome.value, json!([{ "json": { "twice": 2, "q": 1, "i": 1 } }, null]));
}

#[test]
fn a_script_for_each_item_cannot_ask_for_the_whole_input() {
    for call in ["first()", "last()", "all()", "itemMatching(0)"] {
        let code = format!("return {{ json: {{ n: $input.{call} }} }}");
        let failure = run(&script(&code, Mode::EachItem)).unwrap_err();
        assert!(failure.message.contains("runs once with all items"), "{}", failure.message);
        assert_eq!(failure.item, Some(0));
    }
    let code = "return { json: { n: $input.item.json.n } }";
    assert!(run(&script(code, Mode::EachItem)).is_ok());
}

#[test]
fn the_console_is_kept_up_to_its_limit() {
    let mut noisy = script(
        "console.log('a', 1, { b: [2] }, undefined); console.error(new Error('bad')); for (let i = 0; i < 1e4; i++) console.info('x'.repeat(10)); return 1",
        Mode::AllItems,
    );
    noisy.limits.console_bytes = 1000;
    let outcome = run(&noisy).unwrap();
    assert_eq!(outcome.console[0].text, "a 1 {\"b\":[2]} undefined");
    assert_eq!(
        (outcome.console[1].level.as_str(), outcome.console[1].text.as_str()),
        ("error", "Error: bad")
    );
    assert!(outcome.console.iter().map(|line| line.text.len()).sum::<usize>() <= 1000);
}

#[test]
fn a_script_that_fails_says_why_and_where() {
    for (code, mode, kind, line, part) in [
        (
            "const a = 1;\nthrow new Error('no luck')",
            Mode::AllItems,
            FailureKind::Threw,
            Some(2),
            "no luck",
        ),
        ("\n\nreturn nothing.here", Mode::AllItems, FailureKind::Threw, Some(3), "ReferenceError"),
        ("return $json.x.y", Mode::AllItems, FailureKind::Threw, Some(1), "TypeError"),
        ("const a = 1;\nreturn a +", Mode::AllItems, FailureKind::Invalid, None, "SyntaxError"),
        ("while (true);", Mode::AllItems, FailureKind::Deadline, None, "longer than allowed"),
        ("await new Promise(() => {})", Mode::AllItems, FailureKind::Deadline, None, "promise"),
        ("for (;;) await 1", Mode::AllItems, FailureKind::Deadline, None, "longer"),
        (
            "const l = []; for (;;) l.push('x'.repeat(1e4) + l.length)",
            Mode::AllItems,
            FailureKind::Memory,
            None,
            "memory",
        ),
        (
            "const f = () => f() + 1; return f()",
            Mode::AllItems,
            FailureKind::Threw,
            Some(1),
            "stack",
        ),
        ("const o = {}; o.o = o; return o", Mode::AllItems, FailureKind::Threw, None, "circular"),
        ("throw 'bare'", Mode::AllItems, FailureKind::Threw, None, "bare"),
        (
            "return $('Nobody').first()",
            Mode::AllItems,
            FailureKind::Threw,
            Some(1),
            "no node named",
        ),
        (
            "if ($itemIndex === 1) throw new Error('second'); return 1",
            Mode::EachItem,
            FailureKind::Threw,
            Some(1),
            "second",
        ),
    ] {
        let failure = run(&script(code, mode)).unwrap_err();
        assert_eq!(failure.kind, kind, "{code}: {failure:?}");
        assert!(failure.message.contains(part), "{code}: {failure:?}");
        if line.is_some() {
            assert_eq!(failure.line, line, "{code}: {failure:?}");
        }
        let item = (mode == Mode::EachItem).then_some(1);
        assert_eq!(failure.item, item, "{code}");
    }
}

#[test]
fn what_one_run_leaves_behind_is_gone_in_the_next() {
    run(&script("globalThis.leak = 1; Array.prototype.leak = 2; return 1", Mode::AllItems))
        .unwrap();
    let outcome = run(&script("return [typeof leak, typeof [].leak]", Mode::AllItems)).unwrap();
    assert_eq!(outcome.value, json!(["undefined", "undefined"]));
}
