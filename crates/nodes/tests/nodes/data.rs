//! What the nodes that change items make of them.

use std::sync::Arc;

use crate::support::{fails, items, json as data, pairing, refused, run, run_items};
use kernel::item::BinaryRef;
use kernel::{Item, Items, Value};
use serde_json::json;

fn set(parameters: Value, item: Value) -> Value {
    run("core.set", parameters, &[json!([item])])[0][0].clone()
}

#[test]
fn set_writes_fields_and_keeps_what_it_is_told_to() {
    let item = json!({"a": 1, "b": {"c": 2, "d": 3}});
    let fields = json!([{"name": "n.x", "value": 5}]);
    for (keep, names, expected) in [
        ("none", json!([]), json!({"n": {"x": 5}})),
        ("all", json!([]), json!({"a": 1, "b": {"c": 2, "d": 3}, "n": {"x": 5}})),
        ("only", json!(["b.c", "zz"]), json!({"b": {"c": 2}, "n": {"x": 5}})),
        ("except", json!(["b.c"]), json!({"a": 1, "b": {"d": 3}, "n": {"x": 5}})),
    ] {
        let parameters = json!({"mode": "fields", "fields": fields, "keep": keep, "names": names});
        assert_eq!(set(parameters, item.clone()), expected, "{keep}");
    }
    let flat = json!({"fields": fields, "dot_notation": false});
    assert_eq!(set(flat, item), json!({"n.x": 5}));
}

#[test]
fn set_converts_values_to_the_type_of_their_field() {
    for (kind, value, expected) in [
        ("auto", json!({"x": [1]}), json!({"x": [1]})),
        ("string", json!({"x": [1]}), json!("{\"x\":[1]}")),
        ("string", json!(1.5), json!("1.5")),
        ("string", json!(null), json!(null)),
        ("number", json!("12"), json!(12)),
        ("number", json!(true), json!(1)),
        ("number", json!(null), json!(null)),
        ("boolean", json!("False"), json!(false)),
        ("boolean", json!(1), json!(true)),
        ("array", json!("[1,2]"), json!([1, 2])),
        ("object", json!("{\"a\":1}"), json!({"a": 1})),
    ] {
        let parameters = json!({"fields": [{"name": "v", "type": kind, "value": value}]});
        assert_eq!(set(parameters, json!({})), json!({"v": expected}), "{kind} {value}");
    }
    for (kind, value) in [
        ("number", json!("x")),
        ("number", json!("")),
        ("number", json!([])),
        ("boolean", json!("maybe")),
        ("boolean", json!(2)),
        ("array", json!({})),
        ("array", json!("{}")),
        ("object", json!([1])),
        ("object", json!("nothing")),
    ] {
        let field = json!([{"name": "v", "type": kind, "value": value}]);
        refused("core.set", json!({"fields": field}), "/fields/0/value", "cannot become");
        let ignored = json!({"fields": field, "ignore_conversion_errors": true});
        assert_eq!(set(ignored, json!({})), json!({"v": value}), "{kind} {value}");
    }
    let parameters =
        json!({"fields": [{"name": "v", "type": "number", "value": "={{ $json.text }}"}]});
    let message = fails("core.set", parameters, &[json!([{"text": "1"}, {"text": "x"}])]);
    assert!(message.contains("Field \"v\" of item 1"), "{message}");
}

#[test]
fn set_evaluates_expressions_for_each_item_and_keeps_their_types() {
    let parameters = json!({"fields": [
        {"name": "sum", "value": "={{ $json.a + $json.b }}"},
        {"name": "text", "value": "=a is {{ $json.a }}"},
        {"name": "same", "value": "={{ $json.list }}"},
        {"name": "deep", "value": {"inner": ["={{ $json.a }}", 2]}},
        {"name": "none", "value": "={{ $json.missing }}"}
    ]});
    let outputs =
        run("core.set", parameters, &[json!([{"a": 1, "b": 2, "list": [1]}, {"a": 5, "b": 6}])]);
    assert_eq!(
        outputs[0],
        json!([
            {"sum": 3, "text": "a is 1", "same": [1], "deep": {"inner": [1, 2]}, "none": null},
            {"sum": 11, "text": "a is 5", "same": null, "deep": {"inner": [5, 2]}, "none": null}
        ])
    );
}

#[test]
fn set_takes_a_whole_object_as_json() {
    let parameters = |json: Value| json!({"mode": "json", "json": json, "keep": "all"});
    assert_eq!(
        set(parameters(json!({"b.c": "={{ $json.a }}"})), json!({"a": 1})),
        json!({"a": 1, "b": {"c": 1}})
    );
    assert_eq!(
        set(parameters(json!("={\"b\": {{ $json.a }}}")), json!({"a": 1})),
        json!({"a": 1, "b": 1})
    );
    assert_eq!(
        set(
            parameters(json!("={\"l\": {{ $json.l }}, \"n\": {{ $json.n }}}")),
            json!({"l": [1, 2]})
        ),
        json!({"l": [1, 2], "n": null})
    );
    assert_eq!(
        set(parameters(json!("={{ $json.o }}")), json!({"o": {"x": 9007199254740993_i64}})),
        json!({"o": {"x": 9007199254740993_i64}, "x": 9007199254740993_i64})
    );
    for (wrong, says) in [("[1]", "a list"), ("{", "not JSON"), ("", "not JSON")] {
        let message = fails("core.set", parameters(json!(wrong)), &[json!([{}])]);
        assert!(message.contains("must be an object") && message.contains(says), "{message}");
    }
}

#[test]
fn set_says_what_is_wrong_and_where() {
    refused("core.set", json!({"mode": "field"}), "/mode", "Did you mean \"fields\"?");
    refused("core.set", json!({"fields": [{"value": 1}]}), "/fields/0/name", "is missing");
    refused("core.set", json!({"fields": [{"name": "a"}]}), "/fields/0/value", "is missing");
    refused("core.set", json!({"fields": [{"name": "", "value": 1}]}), "/fields/0/name", "empty");
    refused("core.set", json!({"keep": "some"}), "/keep", "\"except\"");
    refused("core.set", json!({"keep": "only"}), "/names", "which fields");
    refused("core.set", json!({"names": ["a"]}), "/names", "only");
    refused("core.set", json!({"fields": [], "fieldz": []}), "/fieldz", "Did you mean \"fields\"?");
    refused("core.set", json!({"keep": "={{ 1 }}"}), "/keep", "cannot be an expression");
    refused(
        "core.set",
        json!({"fields": [{"name": "a", "value": "={{ $json.a"}]}),
        "/fields/0/value",
        "",
    );
}

#[test]
fn set_shares_items_it_does_not_change_and_files_only_when_told() {
    let file = BinaryRef {
        blob: "ab".to_owned(),
        mime_type: "text/plain".to_owned(),
        file_name: None,
        size: 1,
    };
    let mut item = Item::new(json!({"a": 1}).as_object().unwrap().clone());
    item.binary = Some(Arc::new([("data".to_owned(), file)].into()));
    let input: Items = vec![item.clone()].into();
    let inputs = std::slice::from_ref(&input);
    let kept = run_items("core.set", json!({"keep": "all", "keep_binary": true}), inputs).unwrap();
    assert!(Arc::ptr_eq(&kept[0][0].json, &item.json));
    assert_eq!(kept[0][0].binary, item.binary);
    assert_eq!(pairing(&kept[0]), json!([0]));
    let dropped = run_items("core.set", json!({"keep": "all"}), inputs).unwrap();
    assert_eq!(dropped[0][0].binary, None);
}

#[test]
fn sort_orders_by_fields_in_turn_and_puts_what_is_absent_last() {
    let input = json!([
        {"n": "b", "v": 1}, {"n": "A", "v": 2}, {"n": "a", "v": 10}, {"v": 3}, {"n": null, "v": 4}
    ]);
    let sorted = |fields: Value| -> Vec<Value> {
        let outputs = run("core.sort", json!({ "fields": fields }), std::slice::from_ref(&input));
        outputs[0].as_array().unwrap().iter().map(|item| item["v"].clone()).collect()
    };
    assert_eq!(sorted(json!([{"field": "n"}])), [2, 10, 1, 3, 4]);
    assert_eq!(sorted(json!([{"field": "n", "order": "descending"}])), [1, 2, 10, 3, 4]);
    assert_eq!(
        sorted(json!([{"field": "n"}, {"field": "v", "order": "descending"}])),
        [10, 2, 1, 4, 3]
    );
    let outputs = run_items("core.sort", json!({"fields": [{"field": "v"}]}), &[items(input)]);
    assert_eq!(pairing(&outputs.unwrap()[0]), json!([0, 1, 3, 4, 2]));
    let message =
        fails("core.sort", json!({"fields": [{"field": "nme"}]}), &[json!([{"name": 1}])]);
    assert!(message.contains("Did you mean \"name\"?"), "{message}");
    refused("core.sort", json!({"fields": []}), "/fields", "at least 1");
}

#[test]
fn a_random_order_has_every_item_once() {
    let input: Value = (0..50).map(|n| json!({ "n": n })).collect();
    let outputs = run("core.sort", json!({"mode": "random"}), std::slice::from_ref(&input));
    assert_ne!(outputs[0], input);
    let back = run("core.sort", json!({"fields": [{"field": "n"}]}), &outputs);
    assert_eq!(back[0], input);
}

#[test]
fn limit_keeps_one_end() {
    let input = items(json!([{"n": 1}, {"n": 2}, {"n": 3}]));
    let limited = |parameters: Value| {
        let outputs = run_items("core.limit", parameters, std::slice::from_ref(&input)).unwrap();
        pairing(&outputs[0])
    };
    assert_eq!(limited(json!({})), json!([0]));
    assert_eq!(limited(json!({"count": 2})), json!([0, 1]));
    assert_eq!(limited(json!({"count": 2, "keep": "last"})), json!([1, 2]));
    assert_eq!(limited(json!({"count": 9, "keep": "last"})), json!([0, 1, 2]));
    assert_eq!(limited(json!({"count": 0})), json!([]));
    assert_eq!(limited(json!({"count": "={{ $json.n + 1 }}"})), json!([0, 1]));
    refused("core.limit", json!({"count": -1}), "/count", "at least 0");
    refused("core.limit", json!({"count": "3"}), "/count", "not a text");
}

#[test]
fn aggregate_gathers_fields_into_lists() {
    let input = json!([
        {"id": 1, "user": {"tags": ["a", null]}}, {"id": null, "user": {"tags": ["b"]}}, {"x": 1}
    ]);
    let gathered = |parameters: Value| {
        run("core.aggregate", parameters, std::slice::from_ref(&input))[0].clone()
    };
    assert_eq!(
        gathered(json!({"fields": ["id", "user.tags"]})),
        json!([{"id": [1], "tags": [["a", null], ["b"]]}])
    );
    assert_eq!(
        gathered(json!({"fields": [{"field": "user.tags", "as": "all"}], "merge_lists": true})),
        json!([{"all": ["a", "b"]}])
    );
    assert_eq!(
        gathered(json!({"fields": ["id"], "keep_missing": true})),
        json!([{"id": [1, null, null]}])
    );
    assert_eq!(
        gathered(json!({"mode": "all", "into": "rows", "keep": "only", "names": ["id"]})),
        json!([{"rows": [{"id": 1}, {"id": null}]}])
    );
    assert_eq!(gathered(json!({"mode": "all"})), json!([{ "data": input }]));
    refused("core.aggregate", json!({"fields": ["a.x", "b.x"]}), "/fields/1", "two lists \"x\"");
    assert_eq!(gathered(json!({"fields": ["absent"]})), json!([{"absent": []}]));
    let outputs = run_items("core.aggregate", json!({"fields": ["id"]}), &[items(input)]).unwrap();
    assert_eq!(pairing(&outputs[0]), json!([[{"item": 0}, {"item": 1}, {"item": 2}]]));
    assert_eq!(
        run("core.aggregate", json!({"mode": "all"}), &[json!([])]),
        [json!([{"data": []}])]
    );
}

#[test]
fn summarize_works_out_each_figure() {
    let input = json!([
        {"c": "x", "v": 3, "t": "b"}, {"c": "y", "v": 1}, {"c": "x", "v": 9007199254740993_i64, "t": "a"},
        {"c": "x", "v": null, "t": "a"}, {"c": "y", "v": 0.5, "t": ""}
    ]);
    let figure = |value: Value| {
        let parameters = json!({"by": ["c"], "values": [value]});
        let outputs = run("core.summarize", parameters, std::slice::from_ref(&input));
        outputs[0].clone()
    };
    let groups = |name: &str, x: Value, y: Value| json!([{"c": "x", name: x}, {"c": "y", name: y}]);
    for (value, name, x, y) in [
        (json!({"operation": "count"}), "count", json!(3), json!(2)),
        (json!({"operation": "count", "field": "v"}), "count_v", json!(2), json!(2)),
        (
            json!({"operation": "count", "field": "v", "include_empty": true}),
            "count_v",
            json!(3),
            json!(2),
        ),
        (json!({"operation": "count_unique", "field": "t"}), "unique_count_t", json!(2), json!(0)),
        (
            json!({"operation": "sum", "field": "v"}),
            "sum_v",
            json!(9007199254740996_i64),
            json!(1.5),
        ),
        (
            json!({"operation": "average", "field": "v", "as": "mean"}),
            "mean",
            json!(4503599627370498_i64),
            json!(0.75),
        ),
        (json!({"operation": "max", "field": "v"}), "max_v", json!(9007199254740993_i64), json!(1)),
        (json!({"operation": "min", "field": "v"}), "min_v", json!(3), json!(0.5)),
        (json!({"operation": "min", "field": "t"}), "min_t", json!("a"), json!(null)),
        (
            json!({"operation": "append", "field": "t"}),
            "appended_t",
            json!(["b", "a", "a"]),
            json!([]),
        ),
        (
            json!({"operation": "concatenate", "field": "t", "separator": "-"}),
            "concatenated_t",
            json!("b-a-a"),
            json!(""),
        ),
    ] {
        assert_eq!(figure(value.clone()), groups(name, x, y), "{value}");
    }
}

#[test]
fn groups_with_the_same_text_are_one_in_a_single_item() {
    let parameters = json!({
        "by": ["g"], "values": [{ "operation": "sum", "field": "n", "as": "n" }], "output": "single",
    });
    let input =
        json!([{"g": 1, "n": 1}, {"g": "1", "n": 2}, {"g": 1.0, "n": 4}, {"g": "x", "n": 8}]);
    let made = run("core.summarize", parameters, &[input]);
    assert_eq!(made[0][0], json!({ "1": { "n": 7 }, "x": { "n": 8 } }));
}

#[test]
fn sorting_numbers_near_two_to_the_53_keeps_one_order() {
    let text = "[9007199254740993, 9007199254740992.5, 9007199254740992, -1e400, 1e400]";
    let numbers = kernel::json::parse_str(text).unwrap();
    let mut given: Vec<Value> = Vec::new();
    for _ in 0..20 {
        given.extend(numbers.as_array().unwrap().iter().map(|n| json!({ "n": n })));
    }
    let made = run("core.sort", json!({ "fields": [{ "field": "n" }] }), &[json!(given)]);
    let sorted = made[0].as_array().unwrap();
    let texts: Vec<String> = sorted.iter().step_by(20).map(|item| item["n"].to_string()).collect();
    let wanted = ["-1e400", "9007199254740992", "9007199254740992.5", "9007199254740993", "1e400"];
    let number = |text: &str| kernel::json::parse_str(text).unwrap().to_string();
    assert_eq!(texts, wanted.map(number));
}

#[test]
fn summarize_groups_by_several_fields_and_nests_on_request() {
    let input = json!([
        {"a": 1, "b": {"c": "x"}, "v": 1}, {"a": 2, "b": {"c": "x"}, "v": 2},
        {"a": 1, "b": {"c": "y"}, "v": 4}, {"a": 1.0, "b": {"c": "x"}, "v": 8}, {"v": 16}
    ]);
    let parameters =
        json!({"by": ["a", "b.c"], "values": [{"field": "v", "operation": "sum", "as": "s"}]});
    let outputs = run_items("core.summarize", parameters.clone(), &[items(input.clone())]).unwrap();
    assert_eq!(
        data(&outputs[0]),
        json!([
            {"a": 1, "b.c": "x", "s": 9}, {"a": 1, "b.c": "y", "s": 4}, {"a": 2, "b.c": "x", "s": 2},
            {"a": null, "b.c": null, "s": 16}
        ])
    );
    assert_eq!(pairing(&outputs[0]), json!([[{"item": 0}, {"item": 3}], 2, 1, 4]));
    let mut single = parameters;
    single["output"] = json!("single");
    single["skip_missing"] = json!(true);
    assert_eq!(
        run("core.summarize", single, &[input]),
        [json!([{"1": {"x": {"s": 9}, "y": {"s": 4}}, "2": {"x": {"s": 2}}}])]
    );
    refused("core.summarize", json!({"values": []}), "/values", "at least 1");
    refused(
        "core.summarize",
        json!({"values": [{"operation": "sum"}]}),
        "/values/0/field",
        "without a field",
    );
    refused(
        "core.summarize",
        json!({"values": [{"operation": "summ", "field": "a"}]}),
        "/values/0/operation",
        "Did you mean \"sum\"?",
    );
}

#[test]
fn split_out_makes_an_item_of_each_element() {
    let input = json!([{"id": 1, "list": [{"a": 1}, {"a": 2}], "o": {"x": 5, "y": 6}, "s": 7}]);
    for (parameters, expected) in [
        (json!({"fields": ["list"]}), json!([{"a": 1}, {"a": 2}])),
        (
            json!({"fields": ["list"], "keep": "only", "names": ["id"]}),
            json!([{"id": 1, "list": {"a": 1}}, {"id": 1, "list": {"a": 2}}]),
        ),
        (
            json!({"fields": [{"field": "list", "as": "row"}], "keep": "except", "names": ["o", "s"]}),
            json!([{"id": 1, "row": {"a": 1}}, {"id": 1, "row": {"a": 2}}]),
        ),
        (json!({"fields": ["o"]}), json!([{"o": 5}, {"o": 6}])),
        (json!({"fields": ["s"]}), json!([{"s": 7}])),
        (json!({"fields": ["none"]}), json!([])),
        (json!({"fields": ["list", "s"]}), json!([{"list": {"a": 1}, "s": 7}, {"list": {"a": 2}}])),
    ] {
        let outputs = run("core.split_out", parameters.clone(), std::slice::from_ref(&input));
        assert_eq!(outputs[0], expected, "{parameters}");
    }
    let two = items(json!([{"l": [1, 2]}, {"l": []}, {"l": [3]}]));
    let outputs = run_items("core.split_out", json!({"fields": ["l"]}), &[two]).unwrap();
    assert_eq!(pairing(&outputs[0]), json!([0, 0, 2]));
}
