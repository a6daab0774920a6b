//! `$jmespath()`: the language of JMESPath as its specification has it.

use expr::Template;
use expr::testing::scope;
use kernel::{Problem, Value, codes};
use serde_json::json;

fn search(data: &Value, query: &str) -> Result<Value, Problem> {
    let scope = scope(json!([{ "data": data, "query": query }]));
    Template::parse("={{ $jmespath($json.data, $json.query) }}")?.evaluate(&scope, 0)
}

/// What the queries look into.
fn people() -> Value {
    json!({
        "a": { "b": [1, 2, 3, 4], "c d": "x", "e": null },
        "people": [
            { "name": "Ada", "age": 36, "tags": ["x", "y"] },
            { "name": "Bo", "age": 18, "tags": [] },
            { "name": "Cy", "age": 52, "tags": ["z"], "boss": true },
        ],
        "nested": [[1, [2]], [3], 4],
        "words": ["b", "a", "C"],
    })
}

#[test]
fn queries_find_what_the_specification_says() {
    let data = people();
    for (query, found) in [
        ("a.b[0]", json!(1)),
        ("a.b[-1]", json!(4)),
        ("a.b[9]", json!(null)),
        ("a.\"c d\"", json!("x")),
        ("a.nothing.below", json!(null)),
        ("a.b[1:3]", json!([2, 3])),
        ("a.b[::2]", json!([1, 3])),
        ("a.b[::-1]", json!([4, 3, 2, 1])),
        ("a.b[-2:]", json!([3, 4])),
        ("a.b[:-3]", json!([1])),
        ("people[*].name", json!(["Ada", "Bo", "Cy"])),
        ("people[*].tags[]", json!(["x", "y", "z"])),
        ("people[*].tags[0]", json!(["x", "z"])),
        ("people[*].boss", json!([true])),
        ("people[].tags | [0]", json!(["x", "y"])),
        ("people[?age > `20`].name", json!(["Ada", "Cy"])),
        ("people[?age >= `18` && age < `40`].name | [1]", json!("Bo")),
        ("people[?name == 'Cy' || name == 'Bo'].age", json!([18, 52])),
        ("people[?!boss].name", json!(["Ada", "Bo"])),
        ("people[?contains(tags, 'z')] | [0].name", json!("Cy")),
        ("people[*].{who: name, old: age}| [0]", json!({ "who": "Ada", "old": 36 })),
        ("people[*].[name, age] | [2]", json!(["Cy", 52])),
        ("nested[]", json!([1, [2], 3, 4])),
        ("nested[][]", json!([1, 2, 3, 4])),
        ("a.*", json!([[1, 2, 3, 4], "x"])),
        ("*.b", json!([[1, 2, 3, 4]])),
        ("a.e || 'none'", json!("none")),
        ("a.b && 'some'", json!("some")),
        ("(a.e || a).b[0]", json!(1)),
        ("`{\"x\": [1]}`.x", json!([1])),
        ("'it\\'s'", json!("it's")),
        ("@.a.b | length(@)", json!(4)),
    ] {
        assert_eq!(search(&data, query).unwrap(), found, "{query}");
    }
}

#[test]
fn functions_give_what_the_specification_says() {
    let data = people();
    for (query, found) in [
        ("sum(a.b)", json!(10)),
        ("avg(people[*].age)", json!((36.0 + 18.0 + 52.0) / 3.0)),
        ("max_by(people, &age).name", json!("Cy")),
        ("min_by(people, &age).name", json!("Bo")),
        ("sort_by(people, &age)[*].name", json!(["Bo", "Ada", "Cy"])),
        ("sort(words)", json!(["C", "a", "b"])),
        ("map(&name, people)", json!(["Ada", "Bo", "Cy"])),
        ("map(&boss, people)", json!([null, null, true])),
        ("join(', ', people[*].name)", json!("Ada, Bo, Cy")),
        ("keys(a)", json!(["b", "c d", "e"])),
        ("values(people[1])", json!(["Bo", 18, []])),
        ("merge(`{\"x\": 1}`, `{\"x\": 2, \"y\": 3}`)", json!({ "x": 2, "y": 3 })),
        ("not_null(a.e, a.nothing, 'last')", json!("last")),
        ("reverse('abc')", json!("cba")),
        ("[abs(`-1`), ceil(`1.2`), floor(`1.8`), max(a.b), min(a.b)]", json!([1, 2, 1, 4, 1])),
        ("[to_number('1.5'), to_number('x'), to_string(`[1]`)]", json!([1.5, null, "[1]"])),
        (
            "[type(a), type(words), type('x'), type(`1`)]",
            json!(["object", "array", "string", "number"]),
        ),
        ("[starts_with('abc', 'ab'), ends_with('abc', 'ab')]", json!([true, false])),
        ("to_array('x')", json!(["x"])),
        ("a == {b: a.b, \"c d\": 'x', e: a.e}", json!(true)),
        ("'a' < 'b'", json!(null)),
        ("constructor", json!(null)),
        ("__proto__", json!(null)),
    ] {
        assert_eq!(search(&data, query).unwrap(), found, "{query}");
    }
}

#[test]
fn what_is_no_query_is_refused_with_the_place_or_the_function() {
    for (query, part) in [
        ("", "ends here too early"),
        ("a[", "ends here too early"),
        ("a.", "ends here too early"),
        ("a b", "character 3"),
        ("a[?b", "ends here too early"),
        ("a.#", "character 3"),
        ("nope(@)", "no function nope()"),
        ("constructor(@)", "no function constructor()"),
        ("sum('x')", "sum() takes numbers, not string"),
        ("length(@, @)", "takes 1 argument(s), not 2"),
        ("@[::0]", "cannot be 0"),
        ("sort(`[1, \"a\"]`)", "met string"),
        (&"a".repeat(4_097), "longer than 4096 characters"),
    ] {
        let problem = search(&json!([1]), query).unwrap_err();
        assert_eq!(problem.code, codes::EXPRESSION_FAILED, "{query}");
        assert!(problem.detail.contains(part), "{query}: {}", problem.detail);
    }
}

#[test]
fn a_query_may_be_nested_64_levels_and_no_deeper() {
    let nested = |levels: usize| format!("{}@{}", "(".repeat(levels), ")".repeat(levels));
    assert_eq!(search(&json!([1]), &nested(63)).unwrap(), json!([1]));
    let problem = search(&json!([1]), &nested(64)).unwrap_err();
    assert!(problem.detail.contains("more than 64 levels"), "{}", problem.detail);
}
