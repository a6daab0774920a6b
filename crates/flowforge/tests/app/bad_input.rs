//! Bad input gets a clear answer with a code and a place; nothing is lost and nothing half-written.
//!
//! Every line of what may go wrong, and the tests that hold it (those here go through the front door;
//! `crate:file` names one of that crate's own):
//!
//! | input | tests |
//! |---|---|
//! | malformed JSON, YAML | `documents_that_cannot_be_read_are_refused_with_their_place`, `a_request_that_is_no_json_…`; workflow:documents, function:request, gateway:hooks, nodes:io (files) |
//! | alias bombs, deep nesting | `bombs_and_towers_are_refused_…`; workflow:documents, kernel:json |
//! | wrong types, unknown fields | `documents_that_make_no_workflow_…`; gateway:registry, node:parameters, nodes:conformance |
//! | 100 MB body | `a_body_of_100_mb_is_refused_while_it_is_still_coming`; gateway:http |
//! | NUL, lone surrogates | `nul_and_lone_surrogates_are_stored_and_answered`; kernel:json, workflow:store, workflow:documents |
//! | duplicate names, cycle, unknown type, dangling | `documents_that_make_no_workflow_…`; workflow:validation |
//! | an expression that throws | failures.rs; expr:expressions, expr:walls (loops, memory, recursion) |
//! | ragged CSV, other encodings | `a_ragged_table_and_a_foreign_encoding_…`; nodes:io |
//! | files outside, also by link | `files_outside_the_allowed_folders_…`; node:files |
//! | HTTP into private ranges, also by DNS | `private_targets_are_not_reached_…`; egress:guard, egress:address |
//! | database gone at start, in the middle | server_process.rs; outages.rs; engine:storage (accidents) |
//! | full disk | disk.rs; db:private_server (at the first start), node:files (files of workflows) |
//! | port in use, second `up` | server_process.rs; gateway:http, db:private_server |
//! | forged or foreign ids, keys | `ids_and_keys_that_are_nobodys_…`; gateway:registry, identity:keys |

use std::os::unix::fs::symlink;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Outside, Reply, TestApp};

const YAML: &str = "application/yaml";
const JSON: &str = "application/json";

async fn no_workflow_is_there(app: &TestApp) {
    let listed = app.owner().get("/v1/workflows").await.expect(200);
    assert_eq!(listed.json["items"], json!([]));
}

#[testkit::test]
async fn documents_that_cannot_be_read_are_refused_with_their_place(app: &mut TestApp) {
    let cases = [
        (YAML, "format: 1\nname: [a\nnodes: []\n", "line 3"),
        (YAML, "format: 1\nname: a\n\tnodes: []\n", "line 2"),
        (YAML, "format: 1\nname: &a b\nother: *c\n", "line 3"),
        (JSON, "{\"format\": 1,\n \"name\": \"a\",,\n}", "line 2, column 14"),
        (JSON, "{\"format\": 1, \"name\": \"a", "line 1"),
        (JSON, "", "line 1, column 1: the text is empty"),
        (JSON, "format: 1\n", "application/yaml"),
    ];
    for (kind, text, place) in cases {
        let refused = app.owner().post_text("/v1/workflows", kind, text).await;
        let refused = refused.refused(400, "workflow.malformed");
        assert!(refused.detail().contains(place), "{text:?}: {}", refused.detail());
        assert!(refused.detail().contains("column"), "{text:?}: {}", refused.detail());
    }
    let cut_off = b"format: 1\nname: \xc3\xbc\xe2\x82\n";
    for kind in [YAML, JSON] {
        let request = app.owner().request(Method::POST, "/v1/workflows");
        let request = request.header("content-type", kind).body(&cut_off[..]);
        let refused = Reply::of(request).await.refused(400, "workflow.malformed");
        assert!(refused.detail().contains("line 2, column 8: the text is not UTF-8"), "{kind}");
    }
    no_workflow_is_there(app).await;
}

#[testkit::test]
async fn documents_are_read_with_a_byte_order_mark_and_any_line_ends(app: &mut TestApp) {
    let json = "\u{feff}{\"format\": 1, \"name\": \"Json\", \"nodes\": []}";
    let yaml = "\u{feff}format: 1\r\nname: Yaml\r\nnodes: []\r\n";
    for (kind, text) in [(JSON, json), (YAML, yaml)] {
        app.owner().post_text("/v1/workflows", kind, text).await.expect(201);
        // Without a media type the text says what it is.
        let other = text.replace("Json", "Json too").replace("Yaml", "Yaml too");
        let request = app.owner().request(Method::POST, "/v1/workflows").body(other);
        Reply::of(request).await.expect(201);
    }
}

#[testkit::test]
async fn a_request_that_is_no_json_starts_nothing(app: &mut TestApp) {
    let id = app.publish(crate::walks::DOUBLE).await;
    for (path, actor) in [
        (format!("/v1/workflows/{id}/runs"), app.owner()),
        ("/hooks/default/double".to_owned(), app.anon()),
    ] {
        let refused = actor.post_text(&path, JSON, "{\"n\":\n 1,, }").await;
        let refused = refused.refused(400, "request.malformed");
        assert!(refused.detail().contains("line 2"), "{}", refused.detail());
        assert!(refused.detail().contains("column"), "{}", refused.detail());
    }
    let wrong = app.owner().post(&format!("/v1/workflows/{id}/runs"), &json!({ "pins": 7 })).await;
    assert_eq!(wrong.refused(422, "request.invalid").json["errors"][0]["pointer"], "/pins");
    assert!(app.writes().await.is_empty());
}

#[testkit::test]
async fn bombs_and_towers_are_refused_and_the_member_lives(app: &mut TestApp) {
    let mut bomb = String::from("format: 1\nname: bomb\nx0: &x0 [lol, lol, lol, lol, lol]\n");
    for level in 1..12 {
        let before = level - 1;
        let aliases = vec![format!("*x{before}"); 9].join(", ");
        bomb.push_str(&format!("x{level}: &x{level} [{aliases}]\n"));
    }
    let tower = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let high = format!("format: 1\nname: {tower}\n");
    for (kind, text) in [(YAML, &bomb), (YAML, &high), (JSON, &tower)] {
        let refused = app.owner().post_text("/v1/workflows", kind, text).await;
        refused.refused(400, "workflow.malformed");
    }
    app.publish(crate::walks::DOUBLE).await;
    let refused = app.anon().post_text("/hooks/default/double", JSON, &tower).await;
    refused.refused(400, "request.malformed");
    app.hook("double", &json!({ "n": 1 })).await.expect(201);
}

/// A document with these nodes and connections.
fn document(nodes: &str, connections: &str) -> String {
    format!(
        "format: 1\nname: Wrong\nnodes:\n  - {{ name: Start, type: core.manual }}\n\
         {nodes}connections: [{connections}]\n"
    )
}

#[testkit::test]
async fn documents_that_make_no_workflow_are_refused_naming_node_field_and_mend(app: &mut TestApp) {
    let no_op = |name: &str| format!("  - {{ name: {name}, type: core.no_op }}\n");
    let set = |rest: &str| format!("  - {{ name: A, type: core.set, {rest} }}\n");
    let value = |value: &str| {
        set(&format!("parameters: {{ fields: [ {{ name: x, value: '{value}' }} ] }}"))
    };
    let cases = [
        (document(&(no_op("A") + &no_op("A")), ""), "workflow.duplicate_node", "A"),
        (
            document(&(no_op("A") + &no_op("B")), "Start -> A, A -> B, B -> A"),
            "workflow.cycle",
            "B",
        ),
        (document("  - { name: A, type: core.sett }\n", ""), "workflow.unknown_type", "core.set"),
        (document("", "Start -> Nowhere"), "workflow.dangling_connection", "Nowhere"),
        (document(&no_op("A"), "Start -> A, Start -> A"), "workflow.duplicate_connection", "A"),
        (document(&no_op("A"), "'Start:second -> A'"), "workflow.unknown_port", "second"),
        (document(&set("parameters: { field: [] }"), "Start -> A"), "node.parameter", "fields"),
        (document(&set("parameters: { fields: 7 }"), "Start -> A"), "node.parameter", "fields"),
        (document(&value("={{ 1 + }}"), "Start -> A"), "expression.invalid", "A"),
        (document(&set("retri: {}"), "Start -> A"), "workflow.invalid", "retry"),
        (document(&set("timeout: soon"), "Start -> A"), "workflow.invalid", "timeout"),
        (document(&set("position: [1e400, 0]"), "Start -> A"), "workflow.invalid", "1e+400"),
    ];
    for (text, code, word) in cases {
        let reply = app.owner().post_text("/v1/workflows", YAML, &text).await;
        assert!((400..500).contains(&reply.status), "{code}: {}", reply.text);
        let codes: Vec<_> = std::iter::once(&reply.json)
            .chain(reply.json["errors"].as_array().into_iter().flatten())
            .filter_map(|error| error["code"].as_str())
            .collect();
        assert!(codes.contains(&code), "{code}: {}", reply.text);
        assert!(reply.text.contains(word), "{code} without {word}: {}", reply.text);
    }
    no_workflow_is_there(app).await;
}

#[testkit::test]
async fn a_body_of_100_mb_is_refused_while_it_is_still_coming(app: &mut TestApp) {
    app.publish(crate::walks::DOUBLE).await;
    let hook = app.anon().request(Method::POST, "/hooks/default/double");
    let api = app.owner().request(Method::POST, "/v1/workflows");
    for request in [hook, api] {
        let body = vec![b' '; 100 * 1024 * 1024];
        let refused = Reply::of(request.header("content-type", JSON).body(body)).await;
        refused.refused(413, "request.body_too_large");
    }
    assert!(app.writes().await.is_empty());
}

#[testkit::test]
async fn nul_and_lone_surrogates_are_stored_and_answered(app: &mut TestApp) {
    let echo = "
format: 1
name: Echo
nodes:
  - { name: Ask, type: core.webhook, parameters: { path: echo, method: POST, respond: node } }
  - { name: Answer, type: core.respond, parameters: { with: json, body: '={{ $json.body }}' } }
connections: [ Ask -> Answer ]
";
    app.publish(echo).await;
    let text = r#"{"nul":"a\u0000b","lone":"x\ud800y","pair":"\ud83d\ude00","key\u0000":1}"#;
    let answer = app.anon().post_text("/hooks/default/echo", JSON, text).await.expect(200);
    let expected =
        json!({ "nul": "a\u{0}b", "lone": "x\u{fffd}y", "pair": "\u{1f600}", "key\u{0}": 1 });
    assert_eq!(answer.json, expected);
    let warning = answer.headers["warning"].to_str().unwrap();
    assert!(warning.contains("1 lone surrogate"), "{warning}");
    // The stored run says the same, from memory and from disk.
    let run = app.wait_run(&answer.run_id()).await;
    assert_eq!(run["nodes"]["Ask"][0]["outputs"][0][0]["json"]["body"], expected);
    app.restart().await;
    let run = app.find_run(&answer.run_id()).await;
    assert_eq!(run["nodes"]["Ask"][0]["outputs"][0][0]["json"]["body"], expected);
}

/// Start -> one node; its run's error.
async fn error_of(app: &TestApp, name: &str, node: &str) -> Value {
    let workflow = format!(
        "
format: 1
name: {name}
nodes:
  - {{ name: Start, type: core.manual }}
  - {{ name: Node, {node} }}
  - {{ name: Write, type: core.write_file, parameters: {{ path: written.txt, content: done }} }}
connections: [ Start -> Node, Node -> Write ]
"
    );
    let id = app.publish(&workflow).await;
    let run = app.run(&id, json!({})).await;
    assert_eq!(run["status"], "failed", "{name}: {run}");
    assert_eq!(run["error"]["node"], "Node", "{name}: {run}");
    assert!(!app.files.join("written.txt").exists(), "{name}: the run went on");
    run["error"].clone()
}

#[testkit::test]
async fn a_ragged_table_and_a_foreign_encoding_fail_with_their_place(app: &mut TestApp) {
    app.write_file("ragged.csv", "a,b\n1,2\n3\n");
    app.write_file("latin.csv", b"name\nM\xfcller\n");
    for (file, word) in [("ragged.csv", "line 3"), ("latin.csv", "encoding")] {
        let node = format!("type: core.csv_read, parameters: {{ path: {file} }}");
        let error = error_of(app, file, &node).await;
        assert_eq!(error["code"], "csv.invalid", "{error}");
        assert!(error["message"].as_str().unwrap().contains(word), "{error}");
    }
}

#[testkit::test]
async fn files_outside_the_allowed_folders_are_neither_read_nor_written(app: &mut TestApp) {
    let outside = app.files.parent().unwrap().join("outside");
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::write(outside.join("secret.txt"), "secret").unwrap();
    symlink(outside.join("secret.txt"), app.files.join("link.txt")).unwrap();
    symlink(&outside, app.files.join("folder")).unwrap();
    let absolute = outside.join("secret.txt").display().to_string();
    let paths =
        [&*absolute, "../outside/secret.txt", "link.txt", "folder/secret.txt", "/etc/passwd"];
    for (number, path) in paths.into_iter().enumerate() {
        let read = format!("type: core.read_file, parameters: {{ path: '{path}' }}");
        let error = error_of(app, &format!("Read {number}"), &read).await;
        assert_eq!(error["code"], "file.not_allowed", "{path}: {error}");
        let write = format!("type: core.write_file, parameters: {{ path: '{path}', content: x }}");
        let error = error_of(app, &format!("Write {number}"), &write).await;
        assert_eq!(error["code"], "file.not_allowed", "{path}: {error}");
    }
    assert_eq!(std::fs::read_to_string(outside.join("secret.txt")).unwrap(), "secret");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
}

#[testkit::test("egress.allow" = "")]
async fn private_targets_are_not_reached_by_address_or_by_name(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    let port = outside.url().rsplit(':').next().unwrap().to_owned();
    let hosts =
        ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0.0.0.0", "10.0.0.1"];
    for (number, host) in hosts.into_iter().enumerate() {
        let node = format!(
            "type: core.http_request, parameters: {{ url: 'http://{host}:{port}/' }}, timeout: 5s"
        );
        let error = error_of(app, &format!("Private {number}"), &node).await;
        assert_eq!(error["code"], "http.not_allowed", "{host}: {error}");
    }
    assert!(outside.so_far().is_empty());
}

#[testkit::test]
async fn ids_and_keys_that_are_nobodys_are_refused_without_telling_more(app: &mut TestApp) {
    let id = app.publish(crate::walks::DOUBLE).await;
    let runs = format!("/v1/workflows/{id}/runs");
    app.anon().post(&runs, &json!({})).await.refused(401, "auth.required");
    let reader = app.api_key(&["run.read"]).await;
    reader.post(&runs, &json!({})).await.refused(403, "auth.forbidden");
    let nobodys = "01890000-0000-7000-8000-000000000000";
    app.owner().get(&format!("/v1/runs/{nobodys}")).await.refused(404, "run.not_found");
    let wrong = app.owner().get("/v1/runs/not-an-id").await;
    assert!((400..500).contains(&wrong.status), "{}", wrong.text);
    app.owner().get(&format!("/v1/workflows/{nobodys}")).await.refused(404, "workflow.not_found");
    app.hook("nowhere", &json!({})).await.refused(404, "hook.not_found");
    let wrong = app.owner().post(&runs, &json!({ "trigger": "Nope" })).await;
    assert!(wrong.status == 422 && wrong.text.contains("Nope"), "{}", wrong.text);
}
