//! The nodes that reach outside, against real files and a real HTTP server.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use egress::EgressSettings;
use kernel::{Item, Items, Object, Problem, Value, codes};
use node::testing::{context_with, services};
use node::{EffectClass, FileAccess, NodeContext, NodeError, Services, Shape, SharedNode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A world with one allowed folder and an allowed local server.
struct World {
    folder: PathBuf,
    services: Arc<Services>,
}

impl World {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("flowforge-io-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let settings =
            EgressSettings { allow: vec!["127.0.0.1".to_owned()], ..EgressSettings::default() };
        let services = Services {
            http: egress::Client::new(settings).unwrap(),
            files: FileAccess {
                allow: vec![folder.clone()],
                base: Some(folder.clone()),
                ..FileAccess::default()
            },
            ..services()
        };
        Self { folder, services: Arc::new(services) }
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.folder.join(name), bytes).unwrap();
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap()
    }

    fn context(&self, inputs: &[Items]) -> NodeContext {
        NodeContext {
            services: self.services.clone(),
            trace: Some(TRACE.into()),
            ..context_with(inputs, services())
        }
    }

    /// Runs a node as the engine does, and gives the items of its first output.
    async fn run(
        &self,
        kind: &str,
        parameters: Value,
        items: &[Item],
    ) -> Result<Vec<Item>, NodeError> {
        let node = prepared(kind, parameters).unwrap();
        let inputs = [Arc::new(items.to_vec())];
        let cx = self.context(&inputs);
        match node.shape() {
            Shape::Each => {
                let mut out = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let resolved = node.resolve(&cx.scope, index)?;
                    out.extend(node.run_item(&cx, resolved, item).await?);
                }
                Ok(out)
            }
            _ => {
                let resolved = node.resolve(&cx.scope, 0)?;
                let outputs = node.run_all(&cx, resolved, &inputs).await?;
                Ok(outputs[0].to_vec())
            }
        }
    }

    async fn data(&self, kind: &str, parameters: Value) -> Vec<Value> {
        data(&self.run(kind, parameters, &[Item::default()]).await.unwrap())
    }

    async fn problem(&self, kind: &str, parameters: Value) -> Problem {
        self.run(kind, parameters, &[Item::default()]).await.unwrap_err().problem()
    }

    async fn bytes(&self, item: &Item, property: &str) -> Vec<u8> {
        let file = &item.binary.as_ref().unwrap()[property];
        let workspace = self.context(&[]).scope.workspace;
        self.services.blobs.get(workspace, &file.blob).await.unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn prepared(kind: &str, parameters: Value) -> Result<SharedNode, Vec<kernel::FieldProblem>> {
    let registry = nodes::registry();
    (registry.find(kind).unwrap().prepare)(parameters.as_object().unwrap())
}

fn item(value: Value) -> Item {
    Item::new(value.as_object().unwrap().clone())
}

fn data(items: &[Item]) -> Vec<Value> {
    items.iter().map(|item| Value::Object(Object::clone(&item.json))).collect()
}

fn effect(kind: &str, parameters: Value) -> EffectClass {
    let node = prepared(kind, parameters).unwrap();
    let world = World::new();
    let cx = world.context(&[Arc::new(vec![Item::default()])]);
    node.effect(&node.resolve(&cx.scope, 0).unwrap())
}

/// What one request was.
#[derive(Clone, Debug)]
struct Asked {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// The trace of every run here.
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A server that remembers what it was asked and answers `head\r\n\r\nbody`.
async fn server(
    answer: impl Fn(&Asked) -> String + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<Asked>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
    let seen = asked.clone();
    #[expect(
        clippy::disallowed_methods,
        reason = "a server of the test's own; it ends with the runtime"
    )]
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let request = loop {
                if let Some(request) = parsed(&bytes) {
                    break request;
                }
                let mut buffer = [0; 4096];
                let count = socket.read(&mut buffer).await.unwrap();
                bytes.extend_from_slice(&buffer[..count]);
            };
            let text = answer(&request);
            seen.lock().unwrap().push(request);
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let length = body.len();
            let text = format!(
                "HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            socket.write_all(text.as_bytes()).await.unwrap();
        }
    });
    (address, asked)
}

fn parsed(bytes: &[u8]) -> Option<Asked> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let line = lines.next()?.to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
    (body.len() >= length).then(|| Asked { line, headers, body: body.to_owned() })
}

fn json_answer(body: &str) -> String {
    format!("200 OK\r\nContent-Type: application/json; charset=utf-8\r\n\r\n{body}")
}

#[tokio::test]
async fn a_file_is_read_into_a_binary_property_and_written_from_it() {
    let world = World::new();
    world.put("a.csv", "x,y\n1,2\n");
    let read =
        world.run("core.read_file", json!({ "path": "a.csv" }), &[Item::default()]).await.unwrap();
    assert_eq!(read[0].json["size"], json!(8));
    assert_eq!(read[0].binary.as_ref().unwrap()["data"].mime_type, "text/csv");
    let written =
        world.run("core.write_file", json!({ "path": "sub/b.csv" }), &read).await.unwrap();
    assert_eq!(world.text("sub/b.csv"), "x,y\n1,2\n");
    assert_eq!(written[0].json["size"], json!(8));
    assert!(written[0].json["path"].as_str().unwrap().ends_with("/sub/b.csv"));
    let text = json!({ "path": "={{ $json.name }}", "content": "Hello" });
    world.run("core.write_file", text, &[item(json!({ "name": "c.txt" }))]).await.unwrap();
    assert_eq!(world.text("c.txt"), "Hello");
}

#[tokio::test]
async fn files_outside_and_properties_that_are_not_there_are_clear_errors() {
    let world = World::new();
    let problem = world.problem("core.read_file", json!({ "path": "/etc/passwd" })).await;
    assert_eq!(problem.code, codes::FILE_NOT_ALLOWED);
    let problem = world.problem("core.csv_read", json!({ "path": "none.csv" })).await;
    assert_eq!(problem.code, codes::FILE_NOT_FOUND);
    let problem = world.problem("core.write_file", json!({ "path": "a.txt" })).await;
    assert_eq!(problem.code, codes::NODE_INPUT);
    assert!(problem.detail.contains("no binary property \"data\""), "{}", problem.detail);
}

#[tokio::test]
async fn csv_rows_become_items_with_the_texts_of_the_file() {
    let world = World::new();
    world.put("a.csv", "\u{feff}id,name,name,\n007,\"a \"\"b\"\"\n,c\",x,1.50\n");
    assert_eq!(
        world.data("core.csv_read", json!({ "path": "a.csv" })).await,
        [json!({ "id": "007", "name": "a \"b\"\n,c", "name_2": "x", "column_4": "1.50" })]
    );
    let numbers =
        world.data("core.csv_read", json!({ "path": "a.csv", "values": "numbers" })).await;
    assert_eq!(numbers[0]["id"], json!("007"));
    assert_eq!(numbers[0]["column_4"].to_string(), "1.50");
    world.put("b.tsv", "1\t-2e3\n12345678901234567890.10\t 4\n");
    let parameters =
        json!({ "path": "b.tsv", "delimiter": "\\t", "header": false, "values": "numbers" });
    let rows = world.data("core.csv_read", parameters).await;
    assert_eq!(rows[1]["column_1"].to_string(), "12345678901234567890.10");
    assert_eq!(rows[1]["column_2"], json!(" 4"));
    let limited =
        world.data("core.csv_read", json!({ "path": "b.tsv", "header": false, "limit": 1 }));
    assert_eq!(limited.await.len(), 1);
    world.put("empty.csv", "");
    assert!(world.data("core.csv_read", json!({ "path": "empty.csv" })).await.is_empty());
}

#[tokio::test]
async fn ragged_rows_are_refused_with_their_line_or_padded() {
    let world = World::new();
    world.put("a.csv", "a,b\n1,2\n\"x\ny\",2\n3\n");
    let problem = world.problem("core.csv_read", json!({ "path": "a.csv" })).await;
    assert_eq!(problem.code, codes::CSV_INVALID);
    assert!(problem.detail.contains("line 5 has 1 field"), "{}", problem.detail);
    world.put("b.csv", "a,b\n1\n1,2,3\n");
    let rows = world.data("core.csv_read", json!({ "path": "b.csv", "ragged": "pad" })).await;
    assert_eq!(
        rows,
        [json!({ "a": "1", "b": "" }), json!({ "a": "1", "b": "2", "column_3": "3" })]
    );
    world.put("c.csv", "a,b\n1,\"never closed\n2,3\n4,5\n");
    let problem = world.problem("core.csv_read", json!({ "path": "c.csv", "ragged": "pad" })).await;
    assert!(problem.detail.contains("line 2"), "{}", problem.detail);
}

#[tokio::test]
async fn other_encodings_are_read_when_named_and_refused_when_not() {
    let world = World::new();
    world.put("latin.csv", b"name\nM\xfcnchen\n");
    let problem = world.problem("core.csv_read", json!({ "path": "latin.csv" })).await;
    assert_eq!(problem.code, codes::CSV_INVALID);
    assert!(problem.detail.contains("line 2") && problem.detail.contains("windows-1252"));
    let named = json!({ "path": "latin.csv", "encoding": "windows-1252" });
    assert_eq!(world.data("core.csv_read", named).await, [json!({ "name": "München" })]);
    let utf16: Vec<u8> =
        "\u{feff}name\nMünchen\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    world.put("utf16.csv", utf16);
    let rows = world.data("core.csv_read", json!({ "path": "utf16.csv" })).await;
    assert_eq!(rows, [json!({ "name": "München" })]);
    let unknown = json!({ "path": "latin.csv", "encoding": "latin-99" });
    assert_eq!(world.problem("core.csv_read", unknown).await.code, codes::NODE_PARAMETER);
    let faults = prepared("core.csv_read", json!({ "path": "a", "delimiter": "ab" }));
    assert_eq!(faults.err().unwrap()[0].pointer, "/delimiter");
}

#[tokio::test]
async fn items_are_written_as_csv_and_read_back() {
    let world = World::new();
    let items = [
        item(json!({ "a": 1, "b": "x,\"y\"\nz", "c": null })),
        item(json!({ "a": [1, { "k": 2 }], "d": true })),
    ];
    let out = world.run("core.csv_write", json!({ "path": "out.csv" }), &items).await.unwrap();
    assert_eq!(
        world.text("out.csv"),
        "a,b,c,d\n1,\"x,\"\"y\"\"\nz\",,\n\"[1,{\"\"k\"\":2}]\",,,true\n"
    );
    assert_eq!(out[0].json["items"], json!(2));
    assert_eq!(out[0].pairing.sources().len(), 2);
    let parameters = json!({ "columns": ["d", "a"], "delimiter": ";", "bom": true });
    let out = world.run("core.csv_write", parameters, &items[1..]).await.unwrap();
    let bytes = world.bytes(&out[0], "data").await;
    assert_eq!(String::from_utf8(bytes).unwrap(), "\u{feff}d;a\ntrue;\"[1,{\"\"k\"\":2}]\"\n");
    let back = world.run("core.csv_read", json!({ "delimiter": ";" }), &out).await.unwrap();
    assert_eq!(data(&back)[0]["d"], json!("true"));
}

#[tokio::test]
async fn json_is_read_whole_in_part_or_line_by_line() {
    let world = World::new();
    world
        .put("a.json", r#"{"type":"x","features":[{"id":1},{"id":9007199254740993}],"n":{"m":3}}"#);
    let features = json!({ "path": "a.json", "select": "features" });
    let rows = world.data("core.json_read", features).await;
    assert_eq!(rows[1]["id"].to_string(), "9007199254740993");
    let pointer = json!({ "path": "a.json", "select": "/n/m" });
    assert_eq!(world.data("core.json_read", pointer).await, [json!({ "data": 3 })]);
    let nested = json!({ "path": "a.json", "select": "n.m" });
    assert_eq!(world.data("core.json_read", nested).await, [json!({ "data": 3 })]);
    let whole = world.data("core.json_read", json!({ "path": "a.json" })).await;
    assert_eq!(whole[0]["type"], json!("x"));
    let wrong =
        world.problem("core.json_read", json!({ "path": "a.json", "select": "rows" })).await;
    assert_eq!(wrong.code, codes::NODE_INPUT);
    assert!(wrong.detail.contains("features"), "{}", wrong.detail);
    world.put("b.jsonl", "{\"a\":1}\n\n[{\"a\":2}]\n");
    let lines = json!({ "path": "b.jsonl", "layout": "lines" });
    assert_eq!(world.data("core.json_read", lines).await, [json!({ "a": 1 }), json!({ "a": 2 })]);
}

#[tokio::test]
async fn malformed_json_is_refused_with_line_and_column() {
    let world = World::new();
    world.put("a.json", "{\n  \"a\": tru\n}");
    let problem = world.problem("core.json_read", json!({ "path": "a.json" })).await;
    assert_eq!(problem.code, codes::FILE_INVALID);
    assert!(problem.detail.contains("line 2, column 10"), "{}", problem.detail);
    world.put("b.jsonl", "{\"a\":1}\n{\"a\":\n");
    let lines = json!({ "path": "b.jsonl", "layout": "lines" });
    let problem = world.problem("core.json_read", lines).await;
    assert!(problem.detail.contains("line 2"), "{}", problem.detail);
    world.put("deep.json", "[".repeat(100_000));
    let problem = world.problem("core.json_read", json!({ "path": "deep.json" })).await;
    assert_eq!(problem.code, codes::FILE_INVALID);
}

#[tokio::test]
async fn items_are_written_as_json() {
    let world = World::new();
    let items = [item(json!({ "a": 1 })), item(json!({ "a": 2 }))];
    for (layout, text) in [
        ("list", "[{\"a\":1},{\"a\":2}]\n"),
        ("first", "{\"a\":1}\n"),
        ("lines", "{\"a\":1}\n{\"a\":2}\n"),
    ] {
        let parameters = json!({ "path": "out.json", "layout": layout });
        world.run("core.json_write", parameters, &items).await.unwrap();
        assert_eq!(world.text("out.json"), text);
    }
    let indented = json!({ "path": "out.json", "layout": "first", "indent": true });
    world.run("core.json_write", indented, &items).await.unwrap();
    assert_eq!(world.text("out.json"), "{\n  \"a\": 1\n}\n");
}

#[test]
fn only_what_reaches_the_outside_is_external() {
    let url = "https://example.com/";
    for (kind, parameters, class) in [
        ("core.http_request", json!({ "url": url }), EffectClass::Read),
        ("core.http_request", json!({ "url": url, "method": "HEAD" }), EffectClass::Read),
        ("core.http_request", json!({ "url": url, "method": "POST" }), EffectClass::External),
        ("core.http_request", json!({ "url": url, "method": "=DELETE" }), EffectClass::External),
        ("core.csv_write", json!({}), EffectClass::Pure),
        ("core.csv_write", json!({ "path": "a.csv" }), EffectClass::External),
        ("core.json_write", json!({}), EffectClass::Pure),
        ("core.json_write", json!({ "path": "=a.json" }), EffectClass::External),
        ("core.read_file", json!({ "path": "a" }), EffectClass::Read),
        ("core.write_file", json!({ "path": "a" }), EffectClass::External),
        ("core.code", json!({ "code": "return items" }), EffectClass::Pure),
    ] {
        assert_eq!(effect(kind, parameters.clone()), class, "{kind} {parameters}");
    }
}

#[tokio::test]
async fn a_request_carries_query_headers_body_and_who_asks() {
    let world = World::new();
    let (address, asked) = server(|_| json_answer("{}")).await;
    let items = [item(json!({ "id": 7, "tags": ["a b", "c"] }))];
    let parameters = json!({
        "method": "POST",
        "url": format!("{address}/orders?x=1"),
        "query": { "id": "={{ $json.id }}", "tag": "={{ $json.tags }}", "none": null },
        "headers": { "X-One": "={{ $json.id }}", "X-None": null },
        "body": { "kind": "json", "value": { "id": "={{ $json.id }}" } },
        "auth": { "kind": "basic", "user": "ada", "password": "secret" },
    });
    world.run("core.http_request", parameters, &items).await.unwrap();
    let first = asked.lock().unwrap()[0].clone();
    assert_eq!(first.line, "POST /orders?x=1&id=7&tag=a+b&tag=c HTTP/1.1");
    assert_eq!(first.body, r#"{"id":7}"#);
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-one", "7"),
        ("authorization", "Basic YWRhOnNlY3JldA=="),
        ("idempotency-key", "run:node:0:0:0"),
    ] {
        assert_eq!(first.headers.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!first.headers.contains_key("x-none"));
    let trace = &first.headers["traceparent"];
    assert_eq!((&trace[..36], &trace[52..], trace.len()), (&TRACE[..36], "-01", 55));
    assert_ne!(trace, TRACE, "the request is a span of its own");
}

#[tokio::test]
async fn bodies_are_sent_in_every_form() {
    let world = World::new();
    world.put("a.txt", "file content");
    let (address, asked) = server(|_| json_answer("{}")).await;
    let read = json!({ "path": "a.txt" });
    let files = world.run("core.read_file", read, &[Item::default()]).await.unwrap();
    for body in [
        json!({ "kind": "form", "fields": { "a b": "x&y", "list": [1, 2] } }),
        json!({ "kind": "raw", "text": "<a/>", "content_type": "application/xml" }),
        json!({ "kind": "binary" }),
        json!({ "kind": "multipart", "fields": { "name": "Ada" }, "files": { "upload": "data" } }),
        json!({ "kind": "none" }),
    ] {
        let parameters = json!({ "method": "PUT", "url": address, "body": body });
        world.run("core.http_request", parameters, &files).await.unwrap();
    }
    let asked = asked.lock().unwrap();
    let kind = |at: usize| asked[at].headers.get("content-type").map(String::as_str);
    assert_eq!(
        (kind(0), asked[0].body.as_str()),
        (Some("application/x-www-form-urlencoded"), "a+b=x%26y&list=1&list=2")
    );
    assert_eq!((kind(1), asked[1].body.as_str()), (Some("application/xml"), "<a/>"));
    assert_eq!((kind(2), asked[2].body.as_str()), (Some("text/plain"), "file content"));
    let boundary = kind(3).unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
    assert_eq!(
        asked[3].body,
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nAda\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"upload\"; \
             filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nfile content\r\n\
             --{boundary}--\r\n"
        )
    );
    assert_eq!((kind(4), asked[4].body.as_str()), (None, ""));
}

#[tokio::test]
async fn answers_become_items_by_their_media_type() {
    let world = World::new();
    let (address, _) = server(|asked| match asked.line.split(' ').nth(1).unwrap() {
        "/list" => json_answer(r#"[{"a":1},{"a":9007199254740993},"x"]"#),
        "/object" => json_answer(r#"{"a":1}"#),
        "/text" => "200 OK\r\nContent-Type: text/html\r\n\r\n<p>é</p>".to_owned(),
        "/file.pdf" => "200 OK\r\nContent-Type: application/pdf\r\n\r\n%PDF".to_owned(),
        "/empty" => "204 No Content\r\nX: y\r\n\r\n".to_owned(),
        _ => json_answer("{ not json"),
    })
    .await;
    let get = |path: &str| json!({ "url": format!("{address}{path}") });
    let list = world.data("core.http_request", get("/list")).await;
    assert_eq!(list.len(), 3);
    assert_eq!(list[1]["a"].to_string(), "9007199254740993");
    assert_eq!(list[2], json!({ "data": "x" }));
    assert_eq!(world.data("core.http_request", get("/object")).await, [json!({ "a": 1 })]);
    assert_eq!(
        world.data("core.http_request", get("/text")).await,
        [json!({ "data": "<p>é</p>" })]
    );
    assert_eq!(world.data("core.http_request", get("/empty")).await, [json!({})]);
    let files = world.run("core.http_request", get("/file.pdf"), &[Item::default()]).await.unwrap();
    assert_eq!(world.bytes(&files[0], "data").await, b"%PDF");
    assert_eq!(files[0].binary.as_ref().unwrap()["data"].file_name.as_deref(), Some("file.pdf"));
    let problem = world.problem("core.http_request", get("/bad")).await;
    assert_eq!(problem.code, codes::NODE_FAILED);
    assert!(problem.detail.contains("column 3"), "{}", problem.detail);
    let full = json!({ "url": format!("{address}/object"), "response": { "full": true } });
    let full = world.data("core.http_request", full).await;
    assert_eq!((&full[0]["statusCode"], &full[0]["body"]), (&json!(200), &json!({ "a": 1 })));
    assert_eq!(full[0]["headers"]["content-type"], json!("application/json; charset=utf-8"));
    let text = json!({ "url": format!("{address}/object"), "response": { "as": "text" } });
    assert_eq!(world.data("core.http_request", text).await, [json!({ "data": r#"{"a":1}"# })]);
}

#[tokio::test]
async fn error_statuses_say_whether_to_try_again_and_when() {
    let world = World::new();
    let (address, _) = server(|asked| match asked.line.split(' ').nth(1).unwrap() {
        "/404?key=abc" => "404 Not Found\r\nX: y\r\n\r\nno such\n   order".to_owned(),
        "/429" => "429 Slow\r\nRetry-After: 7\r\n\r\n".to_owned(),
        "/503" => "503 X\r\nRetry-After: Sun, 01 Mar 2026 12:00:30 GMT\r\n\r\n".to_owned(),
        "/500" => format!("500 X\r\nX: y\r\n\r\n{}", "x".repeat(5_000)),
        _ => "400 X\r\nX: y\r\n\r\n".to_owned(),
    })
    .await;
    let ask = |path: &str| {
        let parameters = json!({ "url": format!("{address}{path}") });
        let world = &world;
        async move { world.run("core.http_request", parameters, &[Item::default()]).await.unwrap_err() }
    };
    let NodeError::Fatal(problem) = ask("/404?key=abc").await else { panic!("404 is final") };
    assert_eq!(problem.code, codes::HTTP_STATUS);
    assert!(problem.detail.ends_with("/404 answered 404 Not Found: no such order"), "{problem}");
    assert!(matches!(ask("/400").await, NodeError::Fatal(_)));
    for (path, wait) in [("/429", Some(7)), ("/503", Some(30)), ("/500", None)] {
        let NodeError::Retry { after, problem } = ask(path).await else { panic!("{path} passes") };
        assert_eq!(after, wait.map(Duration::from_secs), "{path}");
        assert!(problem.detail.len() < 400);
    }
    let never = json!({
        "url": format!("{address}/429"),
        "response": { "never_error": true, "full": true },
    });
    assert_eq!(world.data("core.http_request", never).await[0]["statusCode"], json!(429));
}

#[tokio::test]
async fn requests_that_cannot_be_made_name_the_parameter() {
    let world = World::new();
    for (parameters, pointer) in [
        (json!({ "url": "=example.com/x" }), "/url"),
        (json!({ "url": "http://127.0.0.1:1/", "headers": { "a b": "x" } }), "/headers/a b"),
        (json!({ "url": "http://127.0.0.1:1/", "headers": { "A": "x\ny" } }), "/headers/A"),
    ] {
        let problem = world.problem("core.http_request", parameters).await;
        assert_eq!(problem.code, codes::NODE_PARAMETER);
        assert_eq!(problem.errors[0].pointer, pointer);
    }
    let private = json!({ "url": "http://169.254.169.254/latest/meta-data/" });
    let problem = world.problem("core.http_request", private).await;
    assert_eq!(problem.code, codes::HTTP_NOT_ALLOWED);
    let secret = json!({
        "url": "http://127.0.0.1:1/",
        "auth": { "kind": "bearer", "token": "geheim\n" },
    });
    assert!(!format!("{:?}", world.problem("core.http_request", secret).await).contains("geheim"));
}

#[test]
fn code_that_does_not_parse_is_found_when_the_workflow_is_saved() {
    let faults = prepared("core.code", json!({ "code": "return 1\nreturn (" })).err().unwrap();
    assert_eq!((faults[0].pointer.as_str(), faults[0].code.as_str()), ("/code", "code.invalid"));
    assert!(faults[0].detail.contains("line"), "{}", faults[0].detail);
}
