//! Where items go: the nodes that route, join, wait, call, answer and stop.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{
    fails, items, json as data, pairing, prepare, refused, run, run_items, steer,
};
use kernel::item::BinaryRef;
use kernel::{Item, Items, Value};
use node::{CallMode, Directive, Hook, Reply, ReplyBody, TriggerKind};
use serde_json::json;

fn test(field: &str, value: i64) -> Value {
    let left = format!("={{{{ $json.{field} }}}}");
    json!({"all": [{"left": left, "operator": "number.gte", "right": value}]})
}

#[test]
fn switch_sends_items_to_the_first_rule_they_fit_or_to_all() {
    let rules = json!([
        {"name": "big", "conditions": test("n", 10)}, {"conditions": test("n", 5)}
    ]);
    let input = json!([{"n": 1}, {"n": 7}, {"n": 12}]);
    let (one, seven, twelve) = (json!([{"n": 1}]), json!([{"n": 7}]), json!([{"n": 12}]));
    let both = json!([{"n": 7}, {"n": 12}]);
    for (more, ports, expected) in [
        (json!({}), vec!["big", "1"], vec![twelve.clone(), seven.clone()]),
        (
            json!({"fallback": "output"}),
            vec!["big", "1", "fallback"],
            vec![twelve.clone(), seven.clone(), one],
        ),
        (json!({"fallback": "big"}), vec!["big", "1"], vec![json!([{"n": 1}, {"n": 12}]), seven]),
        (json!({"all_matching": true}), vec!["big", "1"], vec![twelve, both]),
    ] {
        let mut parameters = json!({"mode": "rules", "rules": rules});
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(prepare("core.switch", parameters.clone()).outputs(), ports);
        let outputs = run("core.switch", parameters.clone(), std::slice::from_ref(&input));
        assert_eq!(outputs, expected, "{parameters}");
    }
}

#[test]
fn switch_takes_the_output_from_an_expression() {
    let parameters = json!({"mode": "expression", "output": "={{ $json.n }}", "outputs": 3});
    assert_eq!(prepare("core.switch", parameters.clone()).outputs(), ["0", "1", "2"]);
    let input = json!([{"n": 2}, {"n": 0}, {"n": "2"}]);
    assert_eq!(
        run("core.switch", parameters.clone(), &[input]),
        [json!([{"n": 0}]), json!([]), json!([{"n": 2}, {"n": "2"}])]
    );
    for wrong in [json!(3), json!(-1), json!(0.5), json!("x"), json!(null)] {
        let message = fails("core.switch", parameters.clone(), &[json!([{ "n": wrong }])]);
        assert!(message.contains("0 to 2"), "{message}");
    }
}

#[test]
fn switch_refuses_names_that_mean_something_else() {
    let rule = |name: &str| json!({"name": name, "conditions": {"all": []}});
    let rules = |list: Value| json!({"rules": list});
    for name in ["", "none", "output", "fallback", "error"] {
        refused("core.switch", rules(json!([rule(name)])), "/rules/0/name", "name");
    }
    refused("core.switch", rules(json!([rule("a"), rule("a")])), "/rules/1/name", "two outputs");
    refused(
        "core.switch",
        json!({"rules": [rule("large")], "fallback": "lrge"}),
        "/fallback",
        "Did you mean \"large\"?",
    );
    refused("core.switch", rules(json!([])), "/rules", "at least 1");
}

#[test]
fn merge_appends_inputs_in_their_order() {
    let inputs = [items(json!([{"n": 1}])), items(json!([])), items(json!([{"n": 2}, {"n": 3}]))];
    assert_eq!(
        prepare("core.merge", json!({"inputs": 3})).inputs(),
        ["input_1", "input_2", "input_3"]
    );
    let outputs = run_items("core.merge", json!({"inputs": 3}), &inputs).unwrap();
    assert_eq!(data(&outputs[0]), json!([{"n": 1}, {"n": 2}, {"n": 3}]));
    assert_eq!(pairing(&outputs[0]), json!([0, {"item": 0, "input": 2}, {"item": 1, "input": 2}]));
    assert!(Arc::ptr_eq(&outputs[0][0].json, &inputs[0][0].json));
    // An input that never came is as good as an empty one.
    assert_eq!(run("core.merge", json!({"mode": "append"}), &[json!([{"n": 1}])]).len(), 1);
    refused("core.merge", json!({"inputs": 11}), "/inputs", "from 2 to 10");
    refused("core.merge", json!({"mode": "sql"}), "/mode", "\"by_fields\"");
}

#[test]
fn merge_by_position_puts_items_side_by_side() {
    let one = json!([{"a": 1, "x": {"p": 1, "q": [1, 2]}}, {"a": 2}]);
    let two = json!([{"b": 3, "x": {"p": 2, "q": [9]}}]);
    let merged = |more: Value| {
        let mut parameters = json!({"mode": "by_position"});
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        run("core.merge", parameters, &[one.clone(), two.clone()])[0].clone()
    };
    assert_eq!(merged(json!({})), json!([{"a": 1, "b": 3, "x": {"p": 2, "q": [9, 2]}}]));
    assert_eq!(
        merged(json!({"clash": {"prefer": "input_1"}})),
        json!([{"a": 1, "b": 3, "x": {"p": 1, "q": [1, 2]}}])
    );
    assert_eq!(
        merged(json!({"clash": {"merge": "shallow"}})),
        json!([{"a": 1, "b": 3, "x": {"p": 2, "q": [9]}}])
    );
    assert_eq!(merged(json!({"include_unpaired": true}))[1], json!({"a": 2}));
    assert_eq!(
        merged(json!({"clash": {"prefer": "suffix"}})),
        json!([{
            "a_1": 1, "x_1": {"p": 1, "q": [1, 2]}, "b_2": 3, "x_2": {"p": 2, "q": [9]}
        }])
    );
    let outputs =
        run_items("core.merge", json!({"mode": "by_position"}), &[items(one), items(two)]).unwrap();
    assert_eq!(pairing(&outputs[0]), json!([[{"item": 0}, {"item": 0, "input": 1}]]));
    refused(
        "core.merge",
        json!({"mode": "by_position", "clash": {"prefer": "input_3"}}),
        "/clash/prefer",
        "this merge has 2",
    );
}

#[test]
fn a_winner_without_a_value_wins_nothing_when_asked_so() {
    let parameters = json!({"mode": "by_position", "clash": {"keep_filled": true}});
    let outputs = run(
        "core.merge",
        parameters,
        &[json!([{"a": 1, "b": 2, "c": 3}]), json!([{"a": null, "b": "", "c": 0}])],
    );
    assert_eq!(outputs[0], json!([{"a": 1, "b": 2, "c": 0}]));
}

fn joined(more: Value) -> Value {
    let one = json!([
        {"id": 1, "l": "a"}, {"id": 2, "l": "b"}, {"l": "c"}, {"id": "3", "l": "d"}
    ]);
    let two = json!([{"id": 2, "r": "x"}, {"id": 1.0, "r": "y"}, {"id": 2, "r": "z"}, {"id": 3, "r": "w"}]);
    let mut parameters = json!({"mode": "by_fields", "fields": ["id"]});
    parameters
        .as_object_mut()
        .expect("an object")
        .extend(more.as_object().expect("an object").clone());
    run("core.merge", parameters, &[one, two])[0].clone()
}

#[test]
fn merge_by_fields_joins_in_every_way() {
    let matches = json!([
        {"id": 1.0, "l": "a", "r": "y"}, {"id": 2, "l": "b", "r": "x"}, {"id": 2, "l": "b", "r": "z"}
    ]);
    let (c, d) = (json!({"l": "c"}), json!({"id": "3", "l": "d"}));
    let w = json!({"id": 3, "r": "w"});
    let and = |more: &[&Value]| -> Value {
        matches.as_array().unwrap().iter().chain(more.iter().copied()).cloned().collect()
    };
    assert_eq!(joined(json!({})), matches);
    assert_eq!(joined(json!({"multiple": "first"})), json!([matches[0], matches[1]]));
    assert_eq!(
        joined(json!({"output": "input_1"})),
        json!([{"id": 1, "l": "a"}, {"id": 2, "l": "b"}])
    );
    assert_eq!(
        joined(json!({"output": "input_2"})),
        json!([{"id": 2, "r": "x"}, {"id": 1.0, "r": "y"}, {"id": 2, "r": "z"}])
    );
    assert_eq!(
        joined(json!({"join": "keep_non_matches"})),
        json!([
            {"l": "c", "_source": "input1"}, {"id": "3", "l": "d", "_source": "input1"},
            {"id": 3, "r": "w", "_source": "input2"}
        ])
    );
    assert_eq!(joined(json!({"join": "keep_non_matches", "output": "input_1"})), json!([c, d]));
    assert_eq!(joined(json!({"join": "keep_non_matches", "output": "input_2"})), json!([w]));
    assert_eq!(joined(json!({"join": "keep_everything"})), and(&[&c, &d, &w]));
    assert_eq!(joined(json!({"join": "enrich_input_1"})), and(&[&c, &d]));
    let right = joined(json!({"join": "enrich_input_2"}));
    assert_eq!(right[3], w);
    assert_eq!(right[0], json!({"id": 1, "l": "a", "r": "y"}));
    assert_eq!(
        joined(json!({"join": "enrich_input_1", "fuzzy": true}))[3],
        json!({"id": 3, "l": "d", "r": "w"})
    );
    assert_eq!(
        joined(json!({"join": "enrich_input_1", "clash": {"prefer": "suffix"}}))[3],
        json!({"l_1": "c"})
    );
}

#[test]
fn merge_by_fields_matches_paths_of_different_names_and_says_who_met() {
    let inputs = [
        items(json!([{"user": {"id": 1}}, {"user": {"id": null}}])),
        items(json!([{"owner": 1}, {"owner": null}, {}])),
    ];
    let parameters = json!({
        "mode": "by_fields", "fields": [{"input_1": "user.id", "input_2": "owner"}],
        "join": "keep_everything"
    });
    let outputs = run_items("core.merge", parameters, &inputs).unwrap();
    assert_eq!(
        pairing(&outputs[0]),
        json!([
            [{"item": 0}, {"item": 0, "input": 1}], [{"item": 1}, {"item": 1, "input": 1}],
            {"item": 2, "input": 1}
        ])
    );
    refused("core.merge", json!({"mode": "by_fields", "fields": []}), "/fields", "at least 1");
    refused("core.merge", json!({"mode": "by_fields"}), "/fields", "is missing");
}

#[test]
fn merge_combines_all_or_chooses_one() {
    let (one, two) = (json!([{"a": 1}, {"a": 2}]), json!([{"b": 1}, {"b": 2}]));
    let inputs = [one.clone(), two.clone()];
    assert_eq!(
        run("core.merge", json!({"mode": "all_combinations"}), &inputs)[0],
        json!([{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 1}, {"a": 2, "b": 2}])
    );
    assert_eq!(run("core.merge", json!({"mode": "choose", "input": 2}), &inputs)[0], two);
    assert_eq!(run("core.merge", json!({"mode": "choose"}), &inputs)[0], one);
    assert_eq!(
        run("core.merge", json!({"mode": "choose", "output": "empty"}), &inputs)[0],
        json!([{}])
    );
    refused("core.merge", json!({"mode": "choose", "input": 3}), "/input", "this merge has 2");
    let many: Value = (0..1_001).map(|n| json!({ "n": n })).collect();
    let message = fails("core.merge", json!({"mode": "all_combinations"}), &[many.clone(), many]);
    assert!(message.starts_with("node.limit"), "{message}");
}

#[test]
fn wait_asks_for_an_interval() {
    let wait = |duration: &str| steer("core.wait", json!({ "duration": duration }), &[]).unwrap();
    assert_eq!(wait("250ms"), Directive::Wait(Duration::from_millis(250)));
    assert_eq!(wait("={{ '2' + 'h' }}"), Directive::Wait(Duration::from_secs(7_200)));
    refused("core.wait", json!({"duration": "5 minutes"}), "/duration", "such as 250ms");
    refused("core.wait", json!({"duration": 5}), "/duration", "a text, not a number");
    refused("core.wait", json!({"mode": "until"}), "/mode", "\"interval\"");
}

#[test]
fn execute_workflow_names_the_workflow_and_the_manner() {
    assert_eq!(
        steer("core.execute_workflow", json!({"workflow": "A"}), &[]).unwrap(),
        Directive::Call { workflow: "A".into(), mode: CallMode::Once, wait: true }
    );
    let parameters = json!({"workflow": "={{ $json.w }}", "mode": "each_item", "wait": false});
    assert_eq!(
        steer("core.execute_workflow", parameters, &[items(json!([{"w": "B"}]))]).unwrap(),
        Directive::Call { workflow: "B".into(), mode: CallMode::EachItem, wait: false }
    );
    let each = json!({"workflow": "={{ $json.w }}", "mode": "each_item"});
    let call = |list| steer("core.execute_workflow", each.clone(), &[items(list)]);
    let workflow = vec!["B".to_owned(), "C".to_owned(), "B".to_owned()].into();
    assert_eq!(
        call(json!([{"w": "B"}, {"w": "C"}, {"w": "B"}])).unwrap(),
        Directive::Call { workflow, mode: CallMode::EachItem, wait: true }
    );
    let missing = call(json!([{"w": "B"}, {"w": " "}])).unwrap_err();
    assert!(missing.to_string().contains("name or the id"), "{missing}");
    refused("core.execute_workflow", json!({"workflow": " "}), "/workflow", "name or the id");
}

#[test]
fn stop_and_error_fails_with_its_own_words() {
    let input = [json!([{"id": 7}])];
    let message = |parameters: Value| fails("core.stop_and_error", parameters, &input);
    assert_eq!(message(json!({"message": "=No {{ $json.id }}"})), "run.stopped: No 7");
    assert_eq!(message(json!({"error": {"message": "late", "code": 1}})), "run.stopped: late");
    assert_eq!(message(json!({"error": {"code": 1}})), "run.stopped: {\"code\":1}");
    refused("core.stop_and_error", json!({"mesage": "x"}), "/mesage", "Did you mean \"message\"?");
}

#[test]
fn webhook_listens_to_its_path_and_methods() {
    let kind = |parameters: Value| prepare("core.webhook", parameters).trigger().unwrap();
    let hook = |path: &str, methods: &[&str]| {
        let methods = methods.iter().map(ToString::to_string).collect();
        Box::new(Hook { path: path.to_owned(), methods, ..Hook::default() })
    };
    assert_eq!(kind(json!({"path": "a"})), TriggerKind::Webhook(hook("a", &["GET"])));
    assert_eq!(
        kind(json!({"path": "/a/:id/", "method": ["POST", "PUT"], "auth": "none"})),
        TriggerKind::Webhook(hook("a/:id", &["POST", "PUT"]))
    );
    for (path, says) in [
        ("", "must not be empty"),
        ("/", "must not be empty"),
        ("a//b", "empty segment"),
        ("a/../b", "\"..\""),
        ("a b", "' '"),
        ("a?b=1", "'?'"),
        ("a/:", "names no parameter"),
        ("a/:x-y", "names no parameter"),
        (":id/:id", "twice"),
    ] {
        refused("core.webhook", json!({ "path": path }), "/path", says);
    }
    let with = |method: Value| json!({"path": "a", "method": method});
    refused("core.webhook", with(json!("FETCH")), "/method", "\"PATCH\"");
    refused("core.webhook", with(json!([])), "/method", "at least 1");
    refused("core.webhook", with(json!(["GET", "GET"])), "/method/1", "twice");
    refused("core.webhook", json!({"path": "={{ 1 }}"}), "/path", "cannot be an expression");
    refused("core.webhook", json!({"path": "a", "respond": "now"}), "/respond", "immediately");
}

fn reply(parameters: Value, inputs: &[Items]) -> Reply {
    match steer("core.respond", parameters, inputs).expect("a directive") {
        Directive::Respond(reply) => reply,
        other => panic!("{other:?} is no reply"),
    }
}

#[test]
fn respond_answers_in_each_way() {
    let input = [items(json!([{"n": 1}, {"n": 2}]))];
    let json = |value: Value| ReplyBody::Json(value);
    assert_eq!(reply(json!({}), &input), Reply::json(json!({"n": 1})));
    assert_eq!(reply(json!({"with": "first_item"}), &[]), Reply::json(json!({})));
    assert_eq!(
        reply(json!({"with": "all_items"}), &input),
        Reply::json(json!([{"n": 1}, {"n": 2}]))
    );
    for (body, expected) in [
        (json!({"sum": "={{ $json.n + 1 }}"}), json!({"sum": 2})),
        (json!("={\"n\": {{ $json.n }}}"), json!({"n": 1})),
        (
            json!("={\"all\": {{ $input.all().map(i => i.json) }}}"),
            json!({"all": [{"n": 1}, {"n": 2}]}),
        ),
        (json!("={{ [1, 2] }}"), json!([1, 2])),
        (json!("plain"), json!("plain")),
        (json!("{broken"), json!("{broken")),
        (json!(null), json!(null)),
    ] {
        let made = reply(json!({"with": "json", "body": body, "status": 201}), &input);
        assert_eq!((made.status, made.body), (201, json(expected)));
    }
    let text = reply(
        json!({"with": "text", "body": "=n is {{ $json.n }}", "headers": {"X-Count": 2}}),
        &input,
    );
    assert_eq!(text.body, ReplyBody::Text("n is 1".to_owned()));
    assert_eq!(
        text.headers,
        [("x-count", "2"), ("content-type", "text/plain; charset=utf-8")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    let redirect = reply(json!({"with": "redirect", "url": "https://example.com/"}), &input);
    assert_eq!((redirect.status, redirect.headers[0].1.as_str()), (302, "https://example.com/"));
    let nothing = reply(json!({"with": "nothing", "status": "={{ 200 + 4 }}"}), &input);
    assert_eq!((nothing.status, nothing.body), (204, ReplyBody::Empty));
}

#[test]
fn what_is_spliced_between_quotes_of_a_json_answer_stays_between_them() {
    let name = "A \"quoted\"\\ name\n\",\"admin\":true,\"x\":\"";
    let input = [items(json!([{ "name": name, "o": { "a": "\"" }, "n": 2 }]))];
    let body = "={\"name\": \"Hello {{ $json.name }}!\", \"as\": [{{ $json.n }}, {{ $json.o }}], \
                \"text\": \"{{ $json.o }}\", \"own\": {{ JSON.stringify($json.name) }}}";
    let made = reply(json!({ "with": "json", "body": body }), &input);
    let whole = json!({
        "name": format!("Hello {name}!"), "as": [2, { "a": "\"" }],
        "text": "{\"a\":\"\\\"\"}", "own": name,
    });
    assert_eq!(made.body, ReplyBody::Json(whole));
    for body in ["={\"name\": {{ $json.name }}}", "=[{{ $json.name }}"] {
        let error = steer("core.respond", json!({ "with": "json", "body": body }), &input);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("\"body\" is not JSON"), "{body}: {error}");
    }
    let data = [items(json!([{ "text": "[urgent] call" }]))];
    let made = reply(json!({ "with": "json", "body": "={{ $json.text }}" }), &data);
    assert_eq!(made.body, ReplyBody::Json(json!("[urgent] call")));
}

#[test]
fn respond_sends_a_file_with_its_type() {
    let file = BinaryRef {
        blob: "ab".to_owned(),
        mime_type: "image/png".to_owned(),
        file_name: Some("a.png".to_owned()),
        size: 3,
    };
    let binary = Some(Arc::new([("picture".to_owned(), file.clone())].into()));
    let item = Item { binary, ..Item::default() };
    let input: [Items; 1] = [vec![item].into()];
    let made = reply(json!({"with": "binary", "property": "picture"}), &input);
    assert_eq!(made.body, ReplyBody::Blob(file));
    assert_eq!(made.headers, [("content-type".to_owned(), "image/png".to_owned())]);
    let error = steer("core.respond", json!({"with": "binary"}), &input).unwrap_err();
    assert!(error.to_string().contains("it has picture"), "{error}");
}

#[test]
fn respond_refuses_what_no_answer_can_carry() {
    for (parameters, says) in [
        (json!({"status": 99}), "200 to 599"),
        (json!({"headers": {"bad name": "x"}}), "cannot be the name"),
        (json!({"headers": {"x": "a\r\nset-cookie: b"}}), "control character"),
        (json!({"with": "redirect", "url": ""}), "is empty"),
        (json!({"with": "redirect", "url": "/", "status": 200}), "does not redirect"),
    ] {
        let error = steer("core.respond", parameters.clone(), &[]).unwrap_err();
        assert!(error.to_string().contains(says), "{parameters}: {error}");
    }
    refused("core.respond", json!({"with": "jsn"}), "/with", "Did you mean \"json\"?");
    refused("core.respond", json!({"with": "json"}), "/body", "is missing");
    refused("core.respond", json!({"status": "200"}), "/status", "a whole number");
}

#[test]
fn no_op_passes_items_on_without_copying_them() {
    let input = items(json!([{"a": 1}, {"b": 2}]));
    let outputs = run_items("core.no_op", json!({}), std::slice::from_ref(&input)).unwrap();
    assert!(Arc::ptr_eq(&outputs[0][1].json, &input[1].json));
    assert_eq!(pairing(&outputs[0]), json!([0, 1]));
}
