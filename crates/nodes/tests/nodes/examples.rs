//! The examples of every node type do what they say.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use kernel::{Item, Items, Value};
use node::testing::{InProcess, context_with, services};
use node::{Directive, Example, FileAccess, NodeError, NodeType, Services, Shape, TriggerKind};
use serde_json::json;

/// What an example led to.
#[derive(Debug)]
enum Outcome {
    Outputs(Vec<Items>),
    Does(Value),
    Fails(NodeError),
}

#[test]
fn every_example_of_every_type_does_what_it_says() {
    let mut wrong = Vec::new();
    for kind in nodes::registry().iter() {
        let name = kind.about.name;
        let examples = kind.examples();
        assert!(!examples.is_empty(), "{name} has no example");
        for example in examples {
            let folder = Folder::with(&example.files);
            let mut faults = compare(&example, run(kind, &example, &folder.0));
            for (path, text) in &example.writes {
                let written = std::fs::read_to_string(folder.0.join(path)).unwrap_or_default();
                if &written != text {
                    faults.push(format!("{path} holds {written:?}"));
                }
            }
            wrong.extend(faults.iter().map(|fault| format!("{name}: {}: {fault}", example.title)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What is not as the example says.
fn compare(example: &Example, outcome: Outcome) -> Vec<String> {
    let (got, wanted) = match outcome {
        Outcome::Outputs(outputs) => {
            let data = |items: &Items| items.iter().map(|item| (*item.json).clone()).collect();
            let got: Vec<Vec<kernel::Object>> = outputs.iter().map(data).collect();
            let other = example.does.clone().or(example.fails.clone().map(Value::from));
            let wanted = example.output.as_ref().map(|output| json!(output));
            (json!(got), other.or(wanted).unwrap_or_else(|| json!(got)))
        }
        Outcome::Does(does) => (does, json!(example.does)),
        Outcome::Fails(error) => {
            let problem = error.problem();
            let got = json!(problem.code.to_string());
            if Some(&problem.code.to_string()) != example.fails.as_ref() {
                return vec![format!("it fails: {problem}")];
            }
            (got.clone(), got)
        }
    };
    if got == wanted { Vec::new() } else { vec![format!("it gives {got}, not {wanted}")] }
}

fn run(kind: &NodeType, example: &Example, folder: &Path) -> Outcome {
    let mut parameters = Value::Object(example.parameters.clone());
    let service = example.answer.as_ref().map(service);
    if let Some(address) = &service {
        let text = parameters.to_string().replace("https://api.example.com", address);
        parameters = kernel::json::parse_str(&text).unwrap();
    }
    let parameters = parameters.as_object().unwrap();
    let node = (kind.prepare)(parameters)
        .unwrap_or_else(|faults| panic!("{}: {}: {faults:?}", kind.about.name, example.title));
    let inputs: Vec<Items> = example
        .input
        .iter()
        .map(|items| Arc::new(items.iter().cloned().map(Item::new).collect()))
        .collect();
    let cx = context_with(&inputs, outside(folder));
    if let Some(trigger) = node.trigger() {
        return Outcome::Does(match trigger {
            TriggerKind::Manual => json!("manual"),
            TriggerKind::Webhook(hook) => json!({ "webhook": {
                "path": hook.path,
                "methods": hook.methods,
                "respond": hook.respond,
                "raw_body": hook.raw_body,
            } }),
        });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match kind.shape {
            Shape::Trigger => unreachable!("a trigger was answered above"),
            Shape::Steer => match node.steer(&cx, &inputs) {
                Ok(directive) => told(directive),
                Err(error) => Outcome::Fails(error),
            },
            Shape::All => {
                let resolved = node.resolve(&cx.scope, 0).unwrap();
                match node.run_all(&cx, resolved, &inputs).await {
                    Ok(outputs) => Outcome::Outputs(outputs),
                    Err(error) => Outcome::Fails(error),
                }
            }
            Shape::Each => {
                let mut made = Vec::new();
                for (index, item) in inputs[0].iter().enumerate() {
                    let resolved = node.resolve(&cx.scope, index).unwrap();
                    match node.run_item(&cx, resolved, item).await {
                        Ok(items) => made.extend(items),
                        Err(error) => return Outcome::Fails(error),
                    }
                }
                Outcome::Outputs(vec![Arc::new(made)])
            }
        }
    })
}

fn told(directive: Directive) -> Outcome {
    match directive {
        Directive::Outputs(outputs) => Outcome::Outputs(outputs),
        Directive::Wait(time) => {
            Outcome::Does(json!({ "wait": kernel::duration::Span(time).to_string() }))
        }
        Directive::Respond(reply) => Outcome::Does(json!({ "respond": reply })),
        Directive::Call { workflow, mode, wait } => {
            Outcome::Does(json!({ "call": { "workflow": workflow, "mode": mode, "wait": wait } }))
        }
    }
}

fn outside(folder: &Path) -> Services {
    let settings =
        egress::EgressSettings { allow: vec!["127.0.0.1".to_owned()], ..Default::default() };
    Services {
        http: egress::Client::new(settings).unwrap(),
        files: FileAccess {
            allow: vec![folder.to_owned()],
            base: Some(folder.to_owned()),
            ..FileAccess::default()
        },
        code: Arc::new(InProcess),
        ..services()
    }
}

/// Answers one request with this JSON; its address.
fn service(answer: &Value) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let body = answer.to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while !seen.windows(4).any(|four| four == b"\r\n\r\n") {
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(count) => seen.extend_from_slice(&buffer[..count]),
            }
        }
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n"
        );
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        // What is not read yet would make the close a reset.
        let _ = stream.set_read_timeout(Some(std::time::Duration::from_millis(200)));
        while matches!(stream.read(&mut buffer), Ok(1..)) {}
    });
    address
}

/// A folder of its own, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn with(files: &BTreeMap<String, String>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("flowforge-node-example-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (path, text) in files {
            std::fs::write(folder.join(path), text).unwrap();
        }
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_form_shows_every_parameter_and_takes_its_own_defaults() {
    for kind in nodes::registry().iter() {
        let (name, form) = (kind.about.name, kind.form());
        let shown = serde_json::to_string(&form).unwrap();
        let schema = (kind.schema)();
        let mut objects = vec![&schema];
        objects.extend(schema["oneOf"].as_array().into_iter().flatten());
        for object in objects {
            for (parameter, property) in object["properties"].as_object().into_iter().flatten() {
                let there = shown.contains(&format!("\"name\":\"{parameter}\""));
                assert!(there, "{name}: the form lacks {parameter}: {shown}");
                let told = property.get("description").or(object.get("description")).is_some();
                assert!(property.get("const").is_some() || told, "{name}.{parameter}");
            }
        }
        let inner = form.forms.values().chain([&form.form]);
        for one in inner {
            let fields =
                one.variants.iter().flat_map(|v| &v.of).flat_map(|variant| &variant.fields);
            for field in fields.chain(&one.fields) {
                assert!(!field.label.is_empty() && !field.help.is_empty(), "{name}: {field:?}");
                if let node::Input::Form { form: inside } = &field.input {
                    assert!(form.forms.contains_key(inside), "{name}: no form {inside}");
                }
            }
        }
    }
}

#[test]
fn a_form_says_what_each_parameter_takes() {
    let registry = nodes::registry();
    let form = |name: &str| serde_json::to_value(registry.find(name).unwrap().form()).unwrap();
    let set = form("core.set");
    assert_eq!(
        (&set["variants"]["name"], &set["variants"]["default"]),
        (&json!("mode"), &json!("fields"))
    );
    let fields = &set["variants"]["of"][0]["fields"];
    assert_eq!(fields[0]["each"], json!({ "kind": "form", "form": "Field" }), "{fields}");
    assert_eq!(fields[1]["kind"], "choice", "{fields}");
    assert_eq!(form("core.code")["fields"][2]["language"], "javascript");
    assert_eq!(form("core.code")["fields"][3]["kind"], "duration");
    let http = form("core.http_request");
    assert_eq!(http["forms"]["Auth"]["variants"]["of"][1]["fields"][1]["secret"], true);
    assert_eq!(form("core.execute_workflow")["fields"][0]["options_from"], "workflow");
    // Groups of conditions hold groups of conditions.
    let filter = form("core.filter").to_string();
    assert!(filter.contains("\"Conditions\"") && filter.contains("\"operator\""), "{filter}");
}

#[test]
fn node_types_are_found_by_name_synonym_and_with_a_slip() {
    let registry = nodes::registry();
    let first = |text: &str| {
        let found = registry.search(text);
        found.first().map(|(_, kind)| kind.about.name)
    };
    for (text, wanted) in [
        ("http", "core.http_request"),
        ("HTTP request", "core.http_request"),
        ("reqest", "core.http_request"),
        ("javascript", "core.code"),
        ("javscript", "core.code"),
        ("sleep", "core.wait"),
        ("if", "core.if"),
        ("router", "core.switch"),
        ("group by", "core.summarize"),
        ("edit fields", "core.set"),
        ("webhok", "core.webhook"),
        ("sub workflow", "core.execute_workflow"),
        ("merge", "core.merge"),
        ("csv write", "core.csv_write"),
    ] {
        assert_eq!(first(text), Some(wanted), "{text}: {:?}", names(&registry.search(text)));
    }
    assert_eq!(first("zzzzzz"), None);
    assert_eq!(registry.search("").len(), registry.iter().count());
}

fn names(found: &[(u32, &NodeType)]) -> Vec<(u32, &'static str)> {
    found.iter().map(|(rank, kind)| (*rank, kind.about.name)).collect()
}
