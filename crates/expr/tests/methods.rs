//! The methods that expressions add to texts, numbers, booleans, lists and objects.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use expr::Template;
use expr::testing::scope;
use kernel::{Value, codes};
use serde_json::json;

fn check(cases: &[(&str, Value)]) {
    let scope = scope(json!([{}]));
    for (script, expected) in cases {
        let template = Template::parse(&format!("={{{{ {script} }}}}")).unwrap();
        assert_eq!(&template.evaluate(&scope, 0).unwrap(), expected, "{script}");
    }
}

#[test]
fn texts() {
    check(&[
        ("'hello'.hash()", json!("5d41402abc4b2a76b9719d911017c592")),
        ("'hello'.hash('sha1')", json!("aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d")),
        ("'hello'.hash('sha256').slice(0, 16)", json!("2cf24dba5fb0a30e")),
        ("'hello'.hash('sha384').length + 'hello'.hash('sha512').length", json!(224)),
        ("'hello'.hash('sha224').length + 'hello'.hash('sha3').length", json!(184)),
        (
            "'# Title\\n\\nSome **bold** and [link](http://x.y) `code`\\n- one\\n> quote'.removeMarkdown()",
            json!("Title\n\nSome bold and link code\none\nquote"),
        ),
        ("'<b>bold</b> text'.removeTags()", json!("bold text")),
        ("'2026-11-20'.toDateTime().toISODate()", json!("2026-11-20")),
        ("'20/11/2026'.toDateTime('dd/MM/yyyy').toISODate()", json!("2026-11-20")),
        ("'1763600000'.toDateTime('s').toUTC().toISO()", json!("2025-11-20T00:53:20.000Z")),
        (
            "['true', 'yes', '1', 'x', 'false', 'no', '0', ''].map(s => s.toBoolean())",
            json!([true, true, true, true, false, false, false, false]),
        ),
        ("'1,234.5'.toNumber()", json!(1234.5)),
        ("'12.9kg'.toInt()", json!(12)),
        ("'ff'.toInt(16)", json!(255)),
        ("'12.9kg'.toFloat()", json!(12.9)),
        ("'hello there. how ARE you?'.toSentenceCase()", json!("Hello there. How are you?")),
        ("'Hello bigWorld-now'.toSnakeCase()", json!("hello_big_world_now")),
        ("'hello big world'.toTitleCase()", json!("Hello Big World")),
        ("'hello big-world'.toCamelCase()", json!("helloBigWorld")),
        ("'a b&c/d'.urlEncode()", json!("a%20b%26c%2Fd")),
        ("'a b&c/d'.urlEncode(true)", json!("a%20b&c/d")),
        ("'a%20b%26'.urlDecode()", json!("a b&")),
        ("'say \"hi\"'.quote()", json!("\"say \\\"hi\\\"\"")),
        ("'hi'.quote(\"'\")", json!("'hi'")),
        ("'Crème Brûlée Straße Øre'.replaceSpecialChars()", json!("Creme Brulee Strasse Ore")),
        (
            "['example.com', 'not a domain', 'sub.example.co.uk', 'http://x.de'].map(s => s.isDomain())",
            json!([true, false, true, false]),
        ),
        (
            "['me@example.com', 'me@', 'a.b+c@x.org', 'x me@example.com'].map(s => s.isEmail())",
            json!([true, false, true, false]),
        ),
        (
            "['12', '-1.5', '1e3', 'x', '', ' 1'].map(s => s.isNumeric())",
            json!([true, true, true, false, false, false]),
        ),
        (
            "['https://x.de/a?b=1', 'x.de', 'ftp://h', 'http://'].map(s => s.isUrl())",
            json!([true, false, true, false]),
        ),
        (
            "[''.isEmpty(), 'a'.isEmpty(), ''.isNotEmpty(), 'a'.isNotEmpty()]",
            json!([true, false, false, true]),
        ),
        ("'a\"b'.toJsonString()", json!("\"a\\\"b\"")),
        ("'mail me@example.com now'.extractEmail()", json!("me@example.com")),
        ("'none'.extractEmail()", json!(null)),
        (
            "['me@example.com', 'see https://sub.x.de/a', 'at example.org.'].map(s => s.extractDomain())",
            json!(["example.com", "sub.x.de", "example.org"]),
        ),
        ("'see (https://x.de/a?b=1), ok'.extractUrl()", json!("https://x.de/a?b=1")),
        ("'https://x.de/a/b?c=1#d'.extractUrlPath()", json!("/a/b")),
        ("'{\"a\": [1]}'.parseJson()", json!({ "a": [1] })),
        ("'héllo'.base64Encode()", json!("aMOpbGxv")),
        ("'aMOpbGxv'.base64Decode()", json!("héllo")),
        ("'aGk'.base64Decode()", json!("hi")),
    ]);
}

#[test]
fn numbers_and_booleans() {
    check(&[
        ("(1.2).ceil()", json!(2)),
        ("(1.8).floor()", json!(1)),
        ("(1234567.891).format()", json!("1,234,567.891")),
        ("(1234.5).format('de-DE')", json!("1.234,5")),
        ("(0.256).format('en-US', { style: 'percent' })", json!("26%")),
        ("(1234.5).format('en-US', { style: 'currency', currency: 'USD' })", json!("$1,234.50")),
        ("(1.005).round(2)", json!(1.01)),
        ("(-2.5).round()", json!(-3)),
        ("(-3).abs()", json!(3)),
        ("[(2).isInteger(), (2.5).isInteger()]", json!([true, false])),
        (
            "[(2).isEven(), (3).isEven(), (2).isOdd(), (-3).isOdd()]",
            json!([true, false, false, true]),
        ),
        ("[(0).toBoolean(), (1).toBoolean(), (-2).toBoolean()]", json!([false, true, true])),
        ("(1763600000000).toDateTime().toUTC().toISO()", json!("2025-11-20T00:53:20.000Z")),
        ("(1763600000).toDateTime('s').toUTC().toISO()", json!("2025-11-20T00:53:20.000Z")),
        ("[true.toInt(), false.toFloat(), true.toNumber()]", json!([1, 0, 1])),
    ]);
}

#[test]
fn lists() {
    check(&[
        ("[1, 2, 1, '1', {a: 1}, {a: 1}].removeDuplicates()", json!([1, 2, "1", { "a": 1 }])),
        ("[{a: 1, b: 1}, {a: 1, b: 2}].unique('a')", json!([{ "a": 1, "b": 1 }])),
        ("[3, 4].first() + [3, 4].last()", json!(7)),
        ("[{a: 1, b: 2}, {a: 3}].pluck('a')", json!([1, 3])),
        ("[{a: 1, b: 2, c: 3}].pluck('a', 'b')", json!([{ "a": 1, "b": 2 }])),
        ("[1, 2, 3].includes([1, 2, 3].randomItem())", json!(true)),
        ("[1, '2', 3].sum()", json!(6)),
        ("[3, 1, 2].min() + [3, 1, 2].max()", json!(4)),
        ("[1, 2, 3, 4].average()", json!(2.5)),
        (
            "[1, null, '', undefined, 0, false, {}, {a: null, b: 1}].compact()",
            json!([1, 0, false, { "b": 1 }]),
        ),
        ("[{k: 'a', v: 1}, {k: 'b', v: 2}].smartJoin('k', 'v')", json!({ "a": 1, "b": 2 })),
        ("[1, 2, 3, 4, 5].chunk(2)", json!([[1, 2], [3, 4], [5]])),
        ("[{a: 1, b: 2}].renameKeys('a', 'x')", json!([{ "x": 1, "b": 2 }])),
        ("[{a: 1}, {b: 2}].merge([{a: 9, c: 3}])", json!([{ "a": 1, "c": 3 }, { "b": 2 }])),
        ("[1, 2].union([2, 3])", json!([1, 2, 3])),
        ("[1, 2, {a: 1}].difference([2, {a: 1}])", json!([1])),
        ("[1, 2, 2, {a: 1}].intersection([2, {a: 1}])", json!([2, { "a": 1 }])),
        ("[1].append(2, [3])", json!([1, 2, [3]])),
        (
            "[[].isEmpty(), [1].isEmpty(), [].isNotEmpty(), [1].isNotEmpty()]",
            json!([true, false, false, true]),
        ),
        ("[1, {a: 2}].toJsonString()", json!("[1,{\"a\":2}]")),
        ("[[1, [2, [3]]]].flat(2)", json!([1, 2, [3]])),
        ("[1].concat([2], 3).slice(1).reverse().join('-')", json!("3-2")),
    ]);
}

#[test]
fn objects() {
    check(&[
        ("[({}).isEmpty(), ({a: 1}).isEmpty(), ({a: 1}).isNotEmpty()]", json!([true, false, true])),
        (
            "[({a: 1}).hasField('a'), ({a: 1}).hasField('b'), ({}).hasField('keys')]",
            json!([true, false, false]),
        ),
        ("({a: 1, b: 2}).removeField('a')", json!({ "b": 2 })),
        ("({a: 'xy', b: 'z', c: 1}).removeFieldsContaining('x')", json!({ "b": "z", "c": 1 })),
        ("({a: 'xy', b: 'z', c: 1}).keepFieldsContaining('x')", json!({ "a": "xy" })),
        (
            "({a: null, b: '', c: 0, d: {e: null, f: 1}}).compact()",
            json!({ "c": 0, "d": { "f": 1 } }),
        ),
        ("({a: 'x y', b: 1}).urlEncode()", json!("a=x+y&b=1")),
        ("({a: 1, b: 2}).keys()", json!(["a", "b"])),
        ("({a: 1, b: 2}).values()", json!([1, 2])),
        ("({a: 1}).toJsonString()", json!("{\"a\":1}")),
        ("Object.keys({a: 1}).concat(Object.values({a: 2}))", json!(["a", 2])),
        (
            "(() => { const seen = []; for (const k in {a: 1}) seen.push(k); return seen })()",
            json!(["a"]),
        ),
    ]);
}

#[test]
fn what_a_method_cannot_do_is_an_error_that_says_so() {
    let scope = scope(json!([{}]));
    for (script, part) in [
        ("'x'.hash('nope')", "no digest 'nope'"),
        ("'x'.toNumber()", "no number"),
        ("'x'.toInt()", "no whole number"),
        ("'x'.toDateTime()", "no date"),
        ("'x'.toDateTime('yyyy')", "format yyyy"),
        ("['a'].sum()", "list of numbers"),
        ("[1].chunk(0)", "above 0"),
        ("[1].union(2)", "takes a list"),
        ("(1.5).isEven()", "whole number"),
        ("({}).keepFieldsContaining('')", "not empty"),
        ("$jmespath({}, 'a[')", "parse error"),
    ] {
        let template = Template::parse(&format!("={{{{ {script} }}}}")).unwrap();
        let problem = template.evaluate(&scope, 0).unwrap_err();
        assert_eq!(problem.code, codes::EXPRESSION_FAILED, "{script}");
        assert!(problem.detail.to_lowercase().contains(part), "{script}: {}", problem.detail);
    }
}
