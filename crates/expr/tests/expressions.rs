//! What templates evaluate to.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use expr::testing::{Run, items, paired, scope};
use expr::{Scope, Template};
use kernel::{Value, codes};
use serde_json::json;

fn eval(scope: &Scope, template: &str) -> Value {
    Template::parse(template).unwrap().evaluate(scope, 0).unwrap()
}

fn fails(scope: &Scope, template: &str) -> kernel::Problem {
    Template::parse(template).unwrap().evaluate(scope, 0).unwrap_err()
}

fn text(json: &str) -> Value {
    kernel::json::parse_str(json).unwrap()
}

#[test]
fn a_lone_expression_keeps_its_type_and_mixed_text_is_text() {
    let scope = scope(json!([{ "n": 1.5, "t": true, "s": "x", "none": null,
        "o": { "a": [1] }, "l": [1, "b", null] }]));
    for (template, expected) in [
        ("={{ $json.n }}", json!(1.5)),
        ("={{ $json.n * 2 }}", json!(3)),
        ("={{ $json.t }}", json!(true)),
        ("={{ $json.o }}", json!({ "a": [1] })),
        ("={{ $json.missing }}", json!(null)),
        ("={{ $json.missing.deeper }}", json!(null)),
        ("={{ undefined }}", json!(null)),
        ("={{}}", json!(null)),
        ("={{ NaN }}", json!(null)),
        ("={{ new Date(0) }}", json!("1970-01-01T00:00:00.000Z")),
        ("={{ () => 1 }}", json!(null)),
        ("=a", json!("a")),
        ("=", json!("")),
        ("=n is {{ $json.n }}", json!("n is 1.5")),
        ("={{ $json.s }}{{ $json.s }}", json!("xx")),
        ("= {{ $json.n }}", json!(" 1.5")),
        (
            "=[{{ $json.none }}|{{ $json.missing }}|{{ null }}|{{ undefined }}|{{ NaN }}]",
            json!("[||||]"),
        ),
        ("=<{{ false }} {{ 0 }} {{ $json.t }}>", json!("<false 0 true>")),
        ("=<{{ $json.o }} {{ ({a: 1}) }}>", json!("<{\"a\":[1]} {\"a\":1}>")),
        ("=<{{ $json.l }} {{ [1, [2, 3]] }}>", json!("<1,b, 1,2,3>")),
        ("=<{{ $now.toUTC() }}>", json!("<2026-11-20T10:30:00.123Z>")),
    ] {
        assert_eq!(eval(&scope, template), expected, "{template}");
    }
}

#[test]
fn braces_in_strings_templates_comments_and_objects_do_not_end_the_script() {
    let scope = scope(json!([{ "a": 1 }]));
    for (template, expected) in [
        ("={{ '}}' }}", json!("}}")),
        ("={{ `${ { a: { b: 2 } }.a.b }}}` }}", json!("2}}")),
        ("={{ { a: { b: 3 } }.a.b }}", json!(3)),
        ("={{ {a:{b:3}}}}", json!({ "a": { "b": 3 } })),
        ("={{ 1 /* }} */ + 1 }}", json!(2)),
        ("={{ /}}/.test('}}') }}", json!(true)),
        ("={{ $json.a; }}", json!(1)),
        ("={{ [1,2].map(x => { return {x} })}} and {{ '}' }}", json!("{\"x\":1},{\"x\":2} and }")),
        ("=a }} b", json!("a }} b")),
    ] {
        assert_eq!(eval(&scope, template), expected, "{template}");
    }
}

#[test]
fn an_expression_that_does_not_parse_is_refused_with_its_place() {
    for (template, place) in [
        ("={{ $json. }}", "character 11"),
        ("=abc {{ 1 + }}", "character"),
        ("={{ a b }}", "character 7"),
        ("=text {{ $json.a", "character 7"),
        ("={{ 1) }); ({ a: (2 }}", "character 8"),
        ("={{ 1]; throw 1; [2 }}", "character"),
        ("={{ let a = 1 }}", "character"),
        ("={{ import.meta }}", "character"),
        ("={{ \n  foo( }}", "character"),
    ] {
        let problem = Template::parse(template).unwrap_err();
        assert_eq!(problem.code, codes::EXPRESSION_INVALID, "{template}");
        assert!(problem.detail.contains(place), "{template}: {}", problem.detail);
    }
}

#[test]
fn numbers_beyond_two_to_the_53_pass_natively_with_all_their_digits() {
    let list = text(
        r#"[{"n":9007199254740993,"d":0.10000000000000000001,"o":{"x":[12345678901234567890]}}]"#,
    );
    let scope = scope(list);
    assert_eq!(eval(&scope, "={{ $json.n }}").to_string(), "9007199254740993");
    assert_eq!(eval(&scope, "={{ $json.d }}").to_string(), "0.10000000000000000001");
    assert_eq!(eval(&scope, "={{ $json.o.x[0] }}").to_string(), "12345678901234567890");
    assert_eq!(eval(&scope, "={{ $json }}")["o"]["x"][0].to_string(), "12345678901234567890");
    assert_eq!(eval(&scope, "=id {{ $json.n }}"), json!("id 9007199254740993"));
    assert_eq!(eval(&scope, "={{ 9007199254740993n + 2n }}").to_string(), "9007199254740995");
}

#[test]
fn plain_paths_are_walked_natively_and_agree_with_javascript() {
    let mut run = Run::new();
    run.ran("Start", &[], vec![items(json!([{ "id": 7, "a b": { "c": [{ "d": "x" }] } }]))]);
    run.ran(
        "Mid dle",
        &[("Start", 0)],
        vec![items(json!([{ "v": [1, "two", { "k": null }], "s": "héllo" }]))],
    );
    let scope = run.at("Here", &[("Mid dle", 0)]);
    for path in [
        "$json.v[1]",
        "$json.v.length",
        "$json['v'][0]",
        "$json.v[\"2\"].k",
        "$json.v[9].k",
        "$json.s.length",
        "$json.s[1]",
        "$json?.v?.[2]?.k",
        "$json.missing.deep.er",
        "$json",
        "$('Start').item.json['a b'].c[0].d",
        "$('Start').first().json.id",
        "$('Mid dle').last().json.s",
        "$node[\"Start\"].json.id",
        "$node.Start.json.id",
        "$input.item.json.s",
        "$input.first().json.s",
        "$input.last().json.s",
        "$itemIndex",
        "$runIndex",
        "$workflow.id",
        "$workflow.name",
        "$workflow.active",
        "$execution.id",
        "$execution.mode",
    ] {
        let native = Template::parse(&format!("={{{{ {path} }}}}")).unwrap();
        let script = Template::parse(&format!("={{{{ ({path}) }}}}")).unwrap();
        assert!(native.is_native() && !script.is_native(), "{path}");
        let (native, script) = (native.evaluate(&scope, 0), script.evaluate(&scope, 0));
        assert_eq!(native.unwrap(), script.unwrap(), "{path}");
    }
}

#[test]
fn a_type_error_is_null_and_every_other_error_stops() {
    let scope = scope(json!([{ "a": 1 }]));
    assert_eq!(eval(&scope, "={{ $json.x.y.z() }}"), json!(null));
    assert_eq!(eval(&scope, "={{ $json.a.nothing() }}"), json!(null));
    assert_eq!(eval(&scope, "=<{{ null.x }}>"), json!("<>"));
    for (template, part) in [
        ("={{ (() => { throw new Error('no luck') })() }}", "no luck"),
        ("={{ (() => { throw 'bare' })() }}", "bare"),
        ("={{ unknown }}", "unknown"),
        ("={{ $('Nobody').first() }}", "no node named 'Nobody'"),
        ("={{ $('Here').first() }}", "has not run yet"),
        ("={{ 'x'.parseJson() }}", "no JSON"),
        ("={{ 1n / 0n }}", "RangeError"),
        ("={{ 'x'.repeat(-1) }}", "RangeError"),
    ] {
        let problem = fails(&scope, template);
        assert_eq!(problem.code, codes::EXPRESSION_FAILED, "{template}");
        assert!(problem.detail.contains(part), "{template}: {}", problem.detail);
        assert!(problem.detail.contains(template), "names the expression: {}", problem.detail);
    }
}

#[test]
fn a_template_tells_which_nodes_it_names() {
    let template = Template::parse(
        "={{ $('A b').item.json.x + $node[\"C\"].json.y }} {{ $items('D')[0] }} {{ $('A b') }} \
         {{ $node.E.json }} {{ $(name) }} {{ $('It\\'s').first() }}",
    );
    let names: Vec<String> =
        template.unwrap().references().iter().map(|name| name.to_string()).collect();
    assert_eq!(names, ["A b", "C", "D", "E", "It's"]);
}

#[test]
fn the_variables_tell_the_run_the_input_and_the_past() {
    let mut run = Run::new();
    run.parameters("Ask", json!({ "path": "quakes" }));
    run.ran("Ask", &[], vec![items(json!([{ "q": 1 }, { "q": 2 }]))]);
    run.ran(
        "Split",
        &[("Ask", 0)],
        vec![items(json!([{ "left": 1 }])), items(json!([{ "right": 1 }, { "right": 2 }]))],
    );
    run.node("Never");
    run.edge("Split", 0, "Other");
    let scope = run.at("Here", &[("Split", 1)]);
    for (script, expected) in [
        ("$input.all().length", json!(2)),
        ("$input.all().map(x => x.json.right)", json!([1, 2])),
        ("$input.first().json.right + $input.last().json.right", json!(3)),
        ("$input.item.json.right", json!(1)),
        ("$prevNode", json!({ "name": "Split", "outputIndex": 1, "runIndex": 0 })),
        ("$('Split').all().length", json!(2)),
        ("$('Split').all(0).length", json!(1)),
        ("$('Split').first(0, 0).json.left", json!(1)),
        ("$('Ask').all().map(i => i.json.q).sum()", json!(3)),
        ("$('Ask').isExecuted", json!(true)),
        ("$('Never').isExecuted", json!(false)),
        ("$('Ask').params.path", json!("quakes")),
        ("$('Ask').item.json.q", json!(1)),
        ("$('Ask').pairedItem().json.q", json!(1)),
        ("$('Ask').pairedItem(1).json.q", json!(2)),
        ("$('Ask').itemMatching(1).json.q", json!(2)),
        ("$node['Ask'].json.q + $node.Split.json.right", json!(2)),
        ("$items('Ask').length", json!(2)),
        ("$items('Split', 0).length", json!(1)),
        ("$items().length", json!(2)),
        ("$vars", json!({})),
        ("$binary", json!({})),
        ("$workflow.name + $execution.mode", json!("Exampleproduction")),
        ("$if($json.right > 0, 'yes', 'no')", json!("yes")),
        ("$ifEmpty('', 'none') + $ifEmpty([], 1) + $ifEmpty(0, 2)", json!("none10")),
        ("$min(3, 1, 2) + $max(3, 1, 2) + $average(1, 2)", json!(5.5)),
        ("$not(1)", json!(false)),
        ("$jmespath({ a: [{ b: 1 }, { b: 2 }] }, 'a[*].b')", json!([1, 2])),
        ("$jmesPath([{ n: 'x', v: 1 }, { n: 'y', v: 2 }], \"[?n=='y'].v | [0]\")", json!(2)),
    ] {
        assert_eq!(eval(&scope, &format!("={{{{ {script} }}}}")), expected, "{script}");
    }
    for script in
        ["$input.first(1)", "$jmespath('x', 'a')", "$('Never').first()", "$('Ask').first('x')"]
    {
        assert_eq!(fails(&scope, &format!("={{{{ {script} }}}}")).code, codes::EXPRESSION_FAILED);
    }
}

#[test]
fn pair_tracing_follows_every_way_back_and_says_why_there_is_none() {
    let mut run = Run::new();
    run.ran("Ask", &[], vec![items(json!([{ "q": 1 }, { "q": 2 }, { "q": 3 }]))]);
    let swapped = vec![
        paired(items(json!([{ "s": 1 }])).remove(0), &[2]),
        paired(items(json!([{ "s": 2 }])).remove(0), &[0]),
    ];
    run.ran("Swap", &[("Ask", 0)], vec![swapped]);
    let both = vec![
        paired(items(json!([{ "b": 1 }])).remove(0), &[0, 1]),
        paired(items(json!([{ "b": 2 }])).remove(0), &[1, 1]),
        paired(items(json!([{ "b": 3 }])).remove(0), &[]),
    ];
    run.ran("Group", &[("Swap", 0)], vec![both]);
    run.ran("Aside", &[("Ask", 0)], vec![items(json!([{ "x": 1 }]))]);
    let scope = run.at("Here", &[("Group", 0)]);
    let at = |template: &str, item| Template::parse(template).unwrap().evaluate(&scope, item);
    assert_eq!(at("={{ $('Ask').item.json.q }}", 1).unwrap(), json!(1));
    assert_eq!(at("={{ $('Swap').item.json.s }}", 1).unwrap(), json!(2));
    for (template, item, part) in [
        ("={{ $('Ask').item.json.q }}", 0, "multiple matches"),
        ("={{ $('Ask').item.json.q }}", 2, "'Group' did not say"),
        ("={{ $('Aside').item.json.x }}", 1, "no path back"),
        ("={{ $('Nobody').item.json.x }}", 1, "no node named"),
        ("={{ $('Here').item.json.x }}", 1, "has not run yet"),
    ] {
        for template in [template.to_owned(), template.replace("$(", "1 && $(")] {
            let problem = at(&template, item).unwrap_err();
            assert_eq!(problem.code, codes::EXPRESSION_FAILED);
            assert!(problem.detail.contains(part), "{template}: {}", problem.detail);
        }
    }
}

#[test]
fn tracing_through_a_long_loop_needs_no_stack() {
    let mut run = Run::new();
    run.ran("Start", &[], vec![items(json!([{ "n": 0 }]))]);
    run.ran("Step", &[("Start", 0)], vec![items(json!([{ "n": 0 }]))]);
    for _ in 0..20_000 {
        run.ran("Step", &[("Step", 0)], vec![items(json!([{ "n": 1 }]))]);
    }
    run.ran("After", &[("Step", 0)], vec![items(json!([{ "n": 1 }]))]);
    let scope = run.at("Here", &[("After", 0)]);
    assert_eq!(eval(&scope, "={{ $('Start').item.json.n }}"), json!(0));
    assert_eq!(eval(&scope, "={{ $('Step').item.json.n }}"), json!(1));
}

#[test]
fn time_and_chance_stand_still_for_one_activation() {
    let scope = scope(json!([{}, {}]));
    assert_eq!(eval(&scope, "={{ Date.now() === $now.toMillis() }}"), json!(true));
    assert_eq!(eval(&scope, "={{ new Date().toISOString() }}"), json!("2026-11-20T10:30:00.123Z"));
    assert_eq!(eval(&scope, "={{ new Date() instanceof Date }}"), json!(true));
    let template = Template::parse("={{ [Math.random(), Math.random()] }}").unwrap();
    let first = template.evaluate(&scope, 0).unwrap();
    assert_eq!(first, template.evaluate(&scope, 0).unwrap());
    assert_ne!(first, template.evaluate(&scope, 1).unwrap());
    assert_ne!(first[0], first[1]);
    let moved = scope.clone();
    let other = std::thread::spawn(move || template.evaluate(&moved, 0).unwrap()).join().unwrap();
    assert_eq!(first, other, "a repetition on another thread gives the same");
}

#[test]
fn json_text_with_expressions_spliced_in_stays_json() {
    let scope = scope(json!([{ "o": { "a": 1 }, "l": [1, "x"], "s": "t" }]));
    let template = Template::parse(
        "={\"o\": {{ $json.o }}, \"l\": {{ $json.l.slice(0) }}, \"s\": \"{{ $json.s }}\", \"n\": {{ null }} }",
    );
    assert_eq!(
        template.unwrap().evaluate_json_text(&scope, 0).unwrap(),
        r#"{"o": {"a":1}, "l": [1,"x"], "s": "t", "n": null }"#
    );
}
