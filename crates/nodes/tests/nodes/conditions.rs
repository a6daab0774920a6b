//! What conditions hold on what values, asked through `core.if`.

use crate::support::{fails, faults, refused, run};
use kernel::Value;
use serde_json::json;

fn conditions(left: &Value, operator: &str, right: &Value, more: &Value) -> Value {
    let mut conditions = json!({"all": [{"left": left, "operator": operator, "right": right}]});
    let more = more.as_object().expect("an object").clone();
    conditions.as_object_mut().expect("an object").extend(more);
    json!({ "conditions": conditions })
}

fn holds(left: &Value, operator: &str, right: &Value, more: &Value) -> bool {
    let outputs = run("core.if", conditions(left, operator, right, more), &[json!([{}])]);
    outputs[0] == json!([{}])
}

#[test]
fn each_operator_holds_where_it_should_and_nowhere_else() {
    let null = json!(null);
    for (left, operator, right, expected) in [
        (json!("a"), "string.equals", json!("a"), true),
        (json!("a"), "string.equals", json!("A"), false),
        (json!("a"), "string.not_equals", json!("b"), true),
        (json!("abc"), "string.contains", json!("b"), true),
        (json!("abc"), "string.not_contains", json!("x"), true),
        (json!("abc"), "string.starts_with", json!("ab"), true),
        (json!("abc"), "string.not_starts_with", json!("ab"), false),
        (json!("abc"), "string.ends_with", json!("bc"), true),
        (json!("abc"), "string.not_ends_with", json!("x"), true),
        (json!("a12"), "string.regex", json!("^a\\d+$"), true),
        (json!("A12"), "string.regex", json!("/^a\\d+$/i"), true),
        (json!("b"), "string.not_regex", json!("a"), true),
        (null.clone(), "string.equals", json!(""), true),
        (null.clone(), "string.contains", json!("a"), false),
        (json!(5), "number.equals", json!(5.0), true),
        (json!(5), "number.not_equals", json!(6), true),
        (json!(5), "number.gt", json!(4.9), true),
        (json!(5), "number.gte", json!(5), true),
        (json!(5), "number.lt", json!(5), false),
        (json!(5), "number.lte", json!(5), true),
        (null.clone(), "number.lt", json!(5), false),
        (null.clone(), "number.gt", json!(-5), false),
        (null.clone(), "number.not_equals", json!(5), true),
        (json!(true), "boolean.is_true", null.clone(), true),
        (json!(false), "boolean.is_true", null.clone(), false),
        (json!(false), "boolean.is_false", null.clone(), true),
        (null.clone(), "boolean.is_false", null.clone(), true),
        (json!(true), "boolean.equals", json!(true), true),
        (json!(true), "boolean.not_equals", json!(false), true),
        (json!("2026-03-01"), "date.after", json!("2026-02-28T23:59:59"), true),
        (json!("2026-03-01T00:00:00+02:00"), "date.before", json!("2026-03-01T00:00:00Z"), true),
        (json!("2026-03-01T01:00:00Z"), "date.equals", json!("2026-03-01T02:00:00"), true),
        (json!("2026-03-01"), "date.after_or_equals", json!("2026-03-01"), true),
        (json!("2026-03-01"), "date.before_or_equals", json!("2026-03-01"), true),
        (json!("2026-03-01"), "date.not_equals", json!("2026-03-02"), true),
        (json!(""), "date.before", json!("2026-03-01"), false),
        (null.clone(), "date.not_equals", json!("2026-03-01"), false),
        (json!([1, "a"]), "array.contains", json!("a"), true),
        (json!([1, "a"]), "array.contains", json!("A"), false),
        (json!([1, "a"]), "array.contains", json!(1.0), true),
        (json!([1]), "array.not_contains", json!(2), true),
        (null.clone(), "array.contains", json!(2), false),
        (json!([1, 2]), "array.length_equals", json!(2), true),
        (json!([1, 2]), "array.length_not_equals", json!(2), false),
        (json!([1, 2]), "array.length_gt", json!(1), true),
        (json!([1, 2]), "array.length_gte", json!(2), true),
        (json!([1, 2]), "array.length_lt", json!(2), false),
        (json!([1, 2]), "array.length_lte", json!(2), true),
        (null.clone(), "array.length_equals", json!(0), true),
        (json!(0), "exists", null.clone(), true),
        (null.clone(), "exists", null.clone(), false),
        (null.clone(), "not_exists", null.clone(), true),
        (json!(""), "is_empty", null.clone(), true),
        (json!([]), "is_empty", null.clone(), true),
        (json!({}), "object.is_empty", null.clone(), true),
        (json!(0), "is_empty", null.clone(), false),
        (json!({"a": 1}), "is_not_empty", null.clone(), true),
        (json!("a"), "string.exists", null.clone(), true),
    ] {
        let held = holds(&left, operator, &right, &json!({}));
        assert_eq!(held, expected, "{left} {operator} {right}");
    }
}

#[test]
fn letters_of_either_case_are_equal_when_asked_for_but_never_in_a_pattern() {
    let folded = json!({"case_sensitive": false});
    for (left, operator, right, expected) in [
        (json!("ABC"), "string.equals", json!("abc"), true),
        (json!("ÄB"), "string.contains", json!("ä"), true),
        (json!(["A"]), "array.contains", json!("a"), true),
        (json!("ABC"), "string.regex", json!("ABC"), false),
        (json!("ABC"), "string.regex", json!("abc"), true),
    ] {
        assert_eq!(holds(&left, operator, &right, &folded), expected, "{left} {operator} {right}");
    }
}

#[test]
fn a_value_of_another_kind_is_refused_with_the_mend_unless_loose() {
    for (left, operator, right, expected) in [
        (json!("5"), "number.gt", json!(4), Some(true)),
        (json!(true), "number.equals", json!(1), Some(true)),
        (json!(""), "number.equals", json!(0), Some(false)),
        (json!([]), "number.lt", json!(1), Some(false)),
        (json!("five"), "number.gt", json!(4), None),
        (json!({}), "number.gt", json!(4), None),
        (json!("TRUE"), "boolean.is_true", json!(null), Some(true)),
        (json!(0), "boolean.is_false", json!(null), Some(true)),
        (json!("yes"), "boolean.is_true", json!(null), None),
        (json!(5), "string.equals", json!("5"), Some(true)),
        (json!({"a": 1}), "string.equals", json!("{\"a\":1}"), Some(true)),
        (json!("[1,2]"), "array.length_equals", json!("2"), Some(true)),
        (json!("x"), "array.contains", json!(1), None),
    ] {
        let strict = conditions(&left, operator, &right, &json!({}));
        let message = fails("core.if", strict, &[json!([{}])]);
        assert!(message.starts_with("node.input"), "{message}");
        assert!(message.contains("\"loose\": true"), "{message}");
        let loose = conditions(&left, operator, &right, &json!({"loose": true}));
        match expected {
            Some(expected) => {
                let held = holds(&left, operator, &right, &json!({"loose": true}));
                assert_eq!(held, expected, "{left} {operator} {right}");
            }
            None => {
                let message = fails("core.if", loose, &[json!([{}])]);
                assert!(message.contains("convert it"), "{message}");
            }
        }
    }
}

#[test]
fn groups_nest_and_stop_at_the_first_answer() {
    let yes = json!({"left": 1, "operator": "number.equals", "right": 1});
    let no = json!({"left": 1, "operator": "number.equals", "right": 2});
    let fault = json!({"left": "x", "operator": "number.equals", "right": 2});
    for (conditions, expected) in [
        (json!({"all": [yes, no]}), false),
        (json!({"any": [no, yes]}), true),
        (json!({"all": []}), true),
        (json!({"any": []}), false),
        (json!({"all": [yes, {"any": [no, {"all": [yes, yes]}]}]}), true),
        (json!({"all": [no, fault]}), false),
        (json!({"any": [yes, fault]}), true),
    ] {
        let parameters = json!({ "conditions": conditions });
        let outputs = run("core.if", parameters.clone(), &[json!([{}])]);
        assert_eq!(outputs[0] == json!([{}]), expected, "{parameters}");
    }
}

#[test]
fn faults_are_named_where_they_are() {
    let wrong = |clause: Value| json!({"conditions": {"all": [{"any": [clause]}]}});
    let at = |end: &str| format!("/conditions/all/0/any/0{end}");
    refused(
        "core.if",
        wrong(json!({"left": 1, "operator": "number.equal", "right": 1})),
        &at("/operator"),
        "Did you mean \"number.equals\"?",
    );
    refused(
        "core.if",
        wrong(json!({"left": 1, "operator": "number.gt"})),
        &at("/right"),
        "is missing",
    );
    refused(
        "core.if",
        wrong(json!({"left": "a", "operator": "string.regex", "right": "("})),
        &at("/right"),
        "not a pattern",
    );
    refused(
        "core.if",
        wrong(json!({"lefd": 1, "operator": "exists"})),
        &at("/lefd"),
        "Did you mean \"left\"?",
    );
    refused("core.if", wrong(json!({"operator": "exists"})), &at("/left"), "is missing");
    refused("core.if", json!({}), "/conditions", "is missing");
    refused("core.if", json!({"conditions": {}}), "/conditions", "all");
    refused(
        "core.if",
        json!({"conditions": {"all": [], "any": []}}),
        "/conditions/any",
        "either \"all\" or \"any\"",
    );
    refused("core.filter", json!({"conditions": []}), "/conditions", "an object, not a list");
    assert_eq!(faults("core.if", json!({"conditions": {"al": []}})).len(), 1);
}

#[test]
fn a_chain_of_groups_as_deep_as_json_may_be_is_read() {
    let mut clause = json!({"left": null, "operator": "exists"});
    for _ in 0..25 {
        clause = json!({ "all": [clause] });
    }
    let outputs = run("core.if", json!({ "conditions": clause }), &[json!([{}])]);
    assert_eq!(outputs, [json!([]), json!([{}])]);
}

#[test]
fn if_and_filter_look_at_each_item_by_expression() {
    let parameters = json!({"conditions": {"all": [
        {"left": "={{ $json.n }}", "operator": "number.gt", "right": 1}
    ]}});
    let input = json!([{"n": 1}, {"n": 2}, {"n": 3}, {}]);
    assert_eq!(
        run("core.if", parameters.clone(), std::slice::from_ref(&input)),
        [json!([{"n": 2}, {"n": 3}]), json!([{"n": 1}, {}])]
    );
    assert_eq!(run("core.filter", parameters, &[input]), [json!([{"n": 2}, {"n": 3}])]);
}
