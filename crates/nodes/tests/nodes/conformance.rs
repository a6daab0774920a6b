//! What every node type must do, whoever wrote it.

use std::time::Duration;

use crate::support::items;
use kernel::{Item, Items, Object, Value};
use node::testing::context;
use node::{EffectClass, NodeError, NodeType, Shape};
use serde_json::json;

fn example(kind: &NodeType) -> Object {
    let text = kind.about.example;
    let value = kernel::json::parse_str(text)
        .unwrap_or_else(|error| panic!("{}: the example is not JSON: {error}", kind.about.name));
    value.as_object().expect("an example is an object").clone()
}

fn each(check: impl Fn(&NodeType, &str)) {
    let registry = nodes::registry();
    for kind in registry.iter() {
        check(kind, kind.about.name);
    }
}

#[test]
fn the_list_is_sorted_and_names_no_type_twice() {
    let names: Vec<_> = nodes::NODES.iter().map(|k| (k.about.name, k.about.version)).collect();
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
}

#[test]
fn names_and_ports_have_the_form_documents_rely_on() {
    each(|kind, name| {
        let about = kind.about;
        let parts: Vec<&str> = name.split('.').collect();
        assert!(parts.len() >= 2, "{name}");
        let plain = |part: &&str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        };
        assert!(parts.iter().all(plain), "{name}");
        assert!(about.version >= 1, "{name}");
        let groups = ["trigger", "flow", "data", "http", "file", "code"];
        assert!(groups.contains(&about.group), "{name}: {}", about.group);
        assert_eq!(about.inputs.is_empty(), kind.shape == Shape::Trigger, "{name}");
        let ports = about.inputs.iter().chain(about.outputs);
        assert!(ports.into_iter().all(|port| !port.is_empty() && *port != "error"), "{name}");
        assert!(
            about.effect == EffectClass::Pure || matches!(kind.shape, Shape::Each | Shape::All),
            "{name}: only nodes that do the work themselves have effects"
        );
    });
}

#[test]
fn every_example_is_accepted() {
    each(|kind, name| {
        let node = (kind.prepare)(&example(kind)).unwrap_or_else(|f| panic!("{name}: {f:?}"));
        assert_eq!(node.about().name, name);
        assert_eq!(node.shape(), kind.shape, "{name}");
        assert!(node.inputs().len() <= 10 && node.outputs().len() <= 101, "{name}");
        assert_eq!(node.trigger().is_some(), kind.shape == Shape::Trigger, "{name}");
    });
}

#[test]
fn every_type_and_every_parameter_is_documented() {
    fn undocumented(root: &Value, schema: &Value, path: &str, missing: &mut Vec<String>) {
        let followed = schema.get("$ref").and_then(Value::as_str);
        let target = followed.and_then(|pointer| root.pointer(pointer.trim_start_matches('#')));
        let described = |schema: &Value| schema.get("description").is_some();
        // Recursion ends because only what stands in the document itself is walked.
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            for (name, property) in properties {
                // The text of an externally tagged variant stands on the variant.
                let variant = properties.len() == 1
                    && described(schema)
                    && (!path.is_empty() || schema.get("additionalProperties").is_some());
                if property.get("const").is_none() && !described(property) && !variant {
                    missing.push(format!("{path}/{name}"));
                }
                undocumented(root, property, &format!("{path}/{name}"), missing);
            }
        }
        for key in ["oneOf", "anyOf", "allOf"] {
            for one in schema.get(key).and_then(Value::as_array).into_iter().flatten() {
                undocumented(root, one, path, missing);
            }
        }
        if let Some(each) = schema.get("items") {
            undocumented(root, each, &format!("{path}[]"), missing);
        }
        if followed.is_some() {
            assert!(target.is_some(), "{path}: a reference that leads nowhere");
        }
    }
    each(|kind, name| {
        let schema = (kind.schema)();
        let description = schema["description"].as_str().unwrap_or_default();
        assert!(description.ends_with('.'), "{name}: {description:?} is no sentence");
        let mut missing = Vec::new();
        undocumented(&schema, &schema, "", &mut missing);
        for (definition, part) in schema["$defs"].as_object().into_iter().flatten() {
            undocumented(&schema, part, definition, &mut missing);
        }
        assert!(missing.is_empty(), "{name}: no description at {missing:?}");
    });
}

#[test]
fn an_unknown_parameter_is_refused_with_a_suggestion() {
    each(|kind, name| {
        let mut parameters = example(kind);
        parameters.insert("surprise_xyz".to_owned(), json!(1));
        let Err(faults) = (kind.prepare)(&parameters) else {
            panic!("{name} accepts parameters it does not know");
        };
        assert!(faults.iter().any(|fault| fault.pointer == "/surprise_xyz"), "{name}: {faults:?}");
        let Some(known) = example(kind).keys().find(|key| key.len() > 3).cloned() else { return };
        let mut parameters = example(kind);
        let value = parameters.shift_remove(&known).unwrap();
        let slip = format!("{known}e");
        parameters.insert(slip.clone(), value);
        let Err(faults) = (kind.prepare)(&parameters) else { panic!("{name} accepts {slip}") };
        let meant = format!("Did you mean \"{known}\"?");
        assert!(
            faults.iter().any(|f| f.pointer == format!("/{slip}") && f.detail.contains(&meant)),
            "{name}: {faults:?}"
        );
    });
}

#[test]
fn parameters_of_the_wrong_kind_are_refused_where_they_are() {
    each(|kind, name| {
        for key in example(kind).keys() {
            let mut parameters = example(kind);
            // No parameter takes a list of lists of lists.
            parameters.insert(key.clone(), json!([[[[]]]]));
            let Err(faults) = (kind.prepare)(&parameters) else {
                // A parameter may take any JSON; then its schema says so.
                let schema = (kind.schema)().to_string();
                assert!(schema.contains("x-expression") || schema.contains("true"), "{name} {key}");
                continue;
            };
            let place = format!("/{key}");
            assert!(faults.iter().all(|f| f.pointer.starts_with(&place)), "{name}: {faults:?}");
            assert!(faults.iter().all(|f| f.detail.ends_with(['.', '?'])), "{name}: {faults:?}");
        }
    });
}

#[test]
fn an_expression_that_stands_where_none_may_is_refused_by_nodes_made_once() {
    each(|kind, name| {
        let once = kind.about.effect == EffectClass::Pure && kind.shape != Shape::Each;
        let parameters = example(kind);
        let Some((key, _)) = parameters.iter().find(|(_, value)| value.is_string()) else { return };
        let mut expression = parameters.clone();
        expression.insert(key.clone(), json!("={{ $json.x }}"));
        let schema = (kind.schema)();
        let variants = schema["oneOf"].as_array().into_iter().flatten();
        let declared = variants
            .chain([&schema])
            .any(|one| one["properties"][key].get("x-expression").is_some());
        match (kind.prepare)(&expression) {
            Ok(_) => assert!(!once || declared, "{name}: {key}"),
            Err(faults) => assert!(once && !declared, "{name}: {key}: {faults:?}"),
        }
    });
}

#[test]
fn no_node_does_more_than_its_type_declares() {
    each(|kind, name| {
        let node = (kind.prepare)(&example(kind)).unwrap();
        let cx = context(&[items(json!([{"a": 1}]))]);
        let resolved = node.resolve(&cx.scope, 0).unwrap_or(Value::Null);
        assert!(node.effect(&resolved) <= kind.about.effect, "{name}");
    });
}

/// Runs an example whatever its shape; the JSON of what came out.
fn run(kind: &NodeType, inputs: &[Items], cancelled: bool) -> Option<Result<Value, NodeError>> {
    let node = (kind.prepare)(&example(kind)).expect("the example is accepted");
    let cx = context(inputs);
    if cancelled {
        cx.cancel.cancel();
    }
    let resolved = match node.resolve(&cx.scope, 0) {
        Ok(resolved) => resolved,
        Err(problem) => return Some(Err(problem.into())),
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let work = async {
        match kind.shape {
            Shape::Each => {
                let item = inputs.first().and_then(|items| items.first()).cloned();
                let item = item.unwrap_or_else(|| Item::new(Object::new()));
                let made = node.run_item(&cx, resolved, &item).await;
                Some(made.map(|items| serde_json::to_value(items).expect("items are plain data")))
            }
            Shape::All => {
                let made = node.run_all(&cx, resolved, inputs).await;
                Some(made.map(|outputs| {
                    assert_eq!(outputs.len(), node.outputs().len(), "{}", kind.about.name);
                    serde_json::to_value(outputs).expect("items are plain data")
                }))
            }
            Shape::Steer => {
                let made = node.steer(&cx, inputs);
                Some(made.map(|directive| Value::from(format!("{directive:?}"))))
            }
            Shape::Trigger => None,
        }
    };
    let limited = async { tokio::time::timeout(Duration::from_secs(20), work).await };
    runtime.block_on(limited).unwrap_or_else(|_| panic!("{} hangs", kind.about.name))
}

/// Whether running it in a test reaches out of the process.
fn stays_inside(kind: &NodeType) -> bool {
    kind.about.effect == EffectClass::Pure
}

#[test]
fn nothing_to_work_on_is_no_reason_to_panic() {
    each(|kind, name| {
        let ports = kind.about.inputs.len();
        for inputs in [vec![], vec![Items::default(); ports], vec![items(json!([{}])); ports]] {
            if let Some(Err(error)) = run(kind, &inputs, false) {
                let problem = error.problem();
                assert!(!problem.detail.is_empty(), "{name}");
                assert_ne!(problem.code, kernel::codes::INTERNAL, "{name}: {problem}");
            }
        }
    });
}

#[test]
fn a_cancelled_run_ends_at_once() {
    each(|kind, name| {
        let inputs = vec![items(json!([{"a": 1}])); kind.about.inputs.len()];
        match (kind.shape, run(kind, &inputs, true)) {
            (Shape::Each | Shape::All, Some(result)) => {
                assert_eq!(result, Err(NodeError::Cancelled), "{name}");
            }
            (Shape::Steer, _) | (Shape::Trigger, None) => {}
            (shape, result) => panic!("{name}: {shape:?} gave {result:?}"),
        }
    });
}

#[test]
fn pure_nodes_give_the_same_items_for_the_same_items() {
    let data = json!([
        {"name": "a", "first": "A", "last": "B", "zip": 1, "age": 20, "price": 3, "size": 5,
         "country": "DE", "orders": [1, 2], "customer": {"id": 7}, "email": "a@example.com",
         "tags": [], "id": 1, "user_id": 1, "total": 1},
        {"name": "b", "first": "C", "last": "D", "zip": 2, "age": 10, "price": 4, "size": 50,
         "country": "FR", "orders": [3], "customer": {"id": 8}, "email": "b@example.org",
         "tags": ["vip"], "id": 2, "user_id": 2, "total": 2}
    ]);
    each(|kind, name| {
        if !stays_inside(kind) {
            return;
        }
        let inputs = vec![items(data.clone()); kind.about.inputs.len()];
        let (one, two) = (run(kind, &inputs, false), run(kind, &inputs, false));
        assert_eq!(one, two, "{name}");
        let paired = |value: &Value| {
            let outputs = value.as_array().into_iter().flatten().filter_map(Value::as_array);
            outputs.flatten().all(|item| !item["paired_item"].is_null())
        };
        if let (Shape::All, Some(Ok(outputs))) = (kind.shape, &one) {
            assert!(paired(outputs), "{name}: every item says where it is from: {outputs}");
        }
    });
}

#[test]
fn what_is_said_of_a_wrong_secret_never_repeats_it() {
    let secret = "hunter2-do-not-print";
    each(|kind, name| {
        let schema = (kind.schema)().to_string();
        for word in ["password", "token", "secret", "api_key"] {
            if !schema.contains(&format!("\"{word}\"")) {
                continue;
            }
            // Wherever the parameter stands, a text there must not come back in a message.
            for place in [json!({ word: secret }), json!({"auth": { word: [secret] }})] {
                let mut parameters = example(kind);
                parameters.extend(place.as_object().unwrap().clone());
                if let Err(faults) = (kind.prepare)(&parameters) {
                    assert!(!format!("{faults:?}").contains(secret), "{name}: {faults:?}");
                }
            }
        }
    });
}
