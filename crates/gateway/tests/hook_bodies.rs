//! What webhooks take and give: files, compressed bodies, limits, pages of other sites, methods.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use std::io::Write as _;

use gateway::Settings;
use kernel::Value;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;
use support::{App, Wanted, expect, refused};
use trigger::{BodyLimits, HookSettings};

/// A workflow that answers with the trigger's item.
fn mirror(name: &str, parameters: &str) -> String {
    format!(
        "format: 1\nname: {name}\nnodes:\n\
         - {{ name: In, type: core.webhook, parameters: {{ path: {name}, respond: last_node, \
             {parameters} }} }}\n\
         - {{ name: Out, type: core.no_op }}\n\
         connections: [ In -> Out ]\n"
    )
}

/// A workflow that answers with one of the files it was sent.
fn echo(name: &str, parameters: &str) -> String {
    format!(
        "format: 1\nname: {name}\nnodes:\n\
         - {{ name: In, type: core.webhook, parameters: {{ path: {name}, method: POST, \
             respond: node, {parameters} }} }}\n\
         - {{ name: Answer, type: core.respond, parameters: {{ with: binary, \
             property: '={{{{ $json.query.file }}}}', headers: {{ x-size: \
             '={{{{ Object.values($binary).map(f => f.size).join() }}}}' }} }} }}\n\
         connections: [ In -> Answer ]\n"
    )
}

fn post(app: &App, path: &str) -> RequestBuilder {
    app.anonymous(Method::POST, &format!("/hooks/default/{path}"))
}

/// Bytes that no compression makes small, the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn count(app: &App, text: &str) -> i64 {
    app.test.superuser().await.query_one(text, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn files_of_a_form_come_back_byte_by_byte_whatever_their_size_and_name() {
    let app = App::new().await;
    app.publish(&echo("echo", "raw_body: false")).await;
    app.publish(&mirror("mirror", "method: POST")).await;
    let sizes = [0, 1, 1 << 20, (1 << 20) + 1, 5_000_001];
    let form = || {
        sizes.iter().enumerate().fold(
            Form::new().text("note", "grüße\r\n--x"),
            |form, (at, size)| {
                let part = Part::bytes(noise(*size)).file_name(format!("größe {at}.bin"));
                form.part(format!("f{at}"), part.mime_str("image/png").unwrap())
            },
        )
    };
    let response = post(&app, "mirror").multipart(form()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let items = support::value(response).await;
    assert_eq!(items[0]["body"], json!({ "note": "grüße\r\n--x" }));
    for (at, size) in sizes.iter().enumerate() {
        let request = post(&app, &format!("echo?file=f{at}")).multipart(form());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let headers = response.headers().clone();
        assert_eq!(headers["content-type"], "image/png");
        assert_eq!(headers["content-length"], size.to_string().as_str());
        assert_eq!(headers["x-size"], "0,1,1048576,1048577,5000001");
        assert!(response.bytes().await.unwrap() == noise(*size), "{size} bytes");
    }
    // The same bytes are stored once, and nothing is left under a name of chance.
    assert_eq!(count(&app, "SELECT count(*) FROM forge.blobs").await, 5);
    assert_eq!(count(&app, "SELECT count(*) FROM forge.blob_chunks").await, 1 + 1 + 1 + 2 + 5);
    let orphans = "SELECT count(*) FROM forge.blob_chunks c WHERE NOT EXISTS (SELECT FROM \
                   forge.blobs b WHERE b.hash = c.hash AND b.sealed)";
    assert_eq!(count(&app, orphans).await, 0);
}

#[tokio::test]
async fn a_body_larger_than_memory_allows_is_streamed_to_a_file_and_one_beyond_its_limit_refused() {
    let bodies = BodyLimits { whole_bytes_max: 100_000, upload_bytes_max: 3_000_000 };
    let hooks = HookSettings { bodies, ..HookSettings::default() };
    let app = App::with(Wanted { hooks, ..Wanted::default() }).await;
    app.publish(&echo("raw", "raw_body: true")).await;
    app.publish(&mirror("data", "method: POST")).await;
    app.publish(&mirror("small", "method: POST, body_bytes_max: 10")).await;
    let file = noise(2_500_000);
    let sent = post(&app, "raw?file=data").header("content-type", "video/mp4").body(file.clone());
    let response = sent.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "video/mp4");
    assert!(response.bytes().await.unwrap() == file);
    let before = count(&app, "SELECT count(*) FROM forge.blobs").await;
    let too_large = StatusCode::PAYLOAD_TOO_LARGE;
    let problem = refused(post(&app, "raw?file=data").body(noise(3_000_001)), too_large).await;
    assert_eq!(problem["code"], "request.body_too_large");
    let large = format!("\"{}\"", "x".repeat(100_000));
    let json = |path: &str, body: String| {
        post(&app, path).header("content-type", "application/json").body(body)
    };
    refused(json("data", large), too_large).await;
    refused(json("small", "\"01234567890\"".to_owned()), too_large).await;
    expect(json("small", "[1]".to_owned()), StatusCode::OK).await;
    let form = Form::new().text("note", "x".repeat(100_001));
    refused(post(&app, "data").multipart(form), too_large).await;
    // What was stored of a body that was too large is gone again.
    assert_eq!(count(&app, "SELECT count(*) FROM forge.blobs").await, before);
}

#[tokio::test]
async fn gzip_is_unpacked_within_the_limit_and_other_encodings_are_refused() {
    let bodies = BodyLimits { whole_bytes_max: 1_000_000, upload_bytes_max: 2_000_000 };
    let hooks = HookSettings { bodies, ..HookSettings::default() };
    let app = App::with(Wanted { hooks, ..Wanted::default() }).await;
    app.publish(&mirror("data", "method: POST")).await;
    app.publish(&echo("file", "raw_body: false")).await;
    app.publish(&echo("raw", "raw_body: true")).await;
    let json = |body: Vec<u8>, coding: &'static str| {
        let request = post(&app, "data").header("content-type", "application/json");
        request.header("content-encoding", coding).body(body)
    };
    let seen = expect(json(packed(br#"{"a": [1]}"#), "gzip"), StatusCode::OK).await;
    assert_eq!(seen[0]["body"], json!({ "a": [1] }));
    let file = noise(1_500_000);
    let send = |path: &str, body: Vec<u8>| {
        let request = post(&app, &format!("{path}?file=data"));
        request.header("content-encoding", "gzip").body(body)
    };
    let response = send("file", packed(&file)).send().await.unwrap();
    assert!(response.bytes().await.unwrap() == file);
    // What is asked for raw stays as it came.
    let response = send("raw", packed(&file)).send().await.unwrap();
    assert!(response.bytes().await.unwrap() == packed(&file));
    let bomb = packed(&vec![b' '; 200_000_000]);
    assert!(bomb.len() < 250_000);
    let too_large = StatusCode::PAYLOAD_TOO_LARGE;
    refused(json(bomb.clone(), "gzip"), too_large).await;
    refused(send("file", bomb), too_large).await;
    refused(json(b"{}".to_vec(), "gzip"), StatusCode::BAD_REQUEST).await;
    let response = json(b"{}".to_vec(), "br").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(response.headers()["accept-encoding"], "gzip, identity");
    let raw = post(&app, "raw?file=data").header("content-encoding", "br").body("x");
    assert_eq!(raw.send().await.unwrap().text().await.unwrap(), "x");
    expect(json(b"{}".to_vec(), "identity"), StatusCode::OK).await;
}

#[tokio::test]
async fn a_few_bytes_that_would_become_much_are_refused_before_they_do() {
    let app = App::new().await;
    app.publish(&mirror("data", "method: POST")).await;
    let send = |kind: &str, text: &[u8]| {
        let request = post(&app, "data").header("content-type", kind);
        request.header("content-encoding", "gzip").body(packed(text))
    };
    let too_large = StatusCode::PAYLOAD_TOO_LARGE;
    let form = "application/x-www-form-urlencoded";
    let problem = refused(send(form, &b"&a".repeat(8_000_000)), too_large).await;
    assert!(problem["detail"].as_str().unwrap().contains("1000 fields"), "{problem}");
    let fields = |count: usize| (0..count).map(|at| format!("f{at}=1&")).collect::<String>();
    refused(send(form, fields(1_001).as_bytes()), too_large).await;
    let seen = expect(send(form, fields(1_000).as_bytes()), StatusCode::OK).await;
    assert_eq!(seen[0]["body"].as_object().unwrap().len(), 1_000);
    let numbers = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
    let problem = refused(send("application/json", numbers(1_000_001).as_bytes()), too_large).await;
    assert!(problem["detail"].as_str().unwrap().contains("1000000 values"), "{problem}");
    // The API counts, too, and what stands in a text is no value.
    let json = app.owner(Method::POST, "/v1/api-keys").header("content-type", "application/json");
    refused(json.body(numbers(2_000_000)), too_large).await;
    let commas = format!("\"{}\"", "[,{".repeat(500_000));
    expect(send("application/json", commas.as_bytes()), StatusCode::OK).await;
    let runs = expect(app.owner(Method::GET, "/v1/runs"), StatusCode::OK).await;
    assert_eq!(runs["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn bodies_under_way_share_their_room_and_those_beyond_it_are_told_to_come_back() {
    let settings = Settings { bodies_bytes_max: 100_000, ..Settings::default() };
    let app = App::with(Wanted { settings, ..Wanted::default() }).await;
    app.publish(&mirror("data", "method: POST")).await;
    let text = |bytes: usize| {
        post(&app, "data").header("content-type", "text/plain").body("x".repeat(bytes))
    };
    expect(text(40_000), StatusCode::OK).await;
    let packed = text(0).header("content-encoding", "gzip").body(packed(&[b'x'; 200_000]));
    let api = app.owner(Method::POST, "/v1/workflows").body("x".repeat(200_000));
    let json = post(&app, "data").json(&vec![1; 1_000]);
    for request in [text(200_000), packed, api, json] {
        let response = request.try_clone().unwrap().send().await.unwrap();
        assert_eq!(response.headers()["retry-after"], "1");
        let problem = refused(request, StatusCode::SERVICE_UNAVAILABLE).await;
        assert_eq!(problem["code"], "server.overloaded");
        assert!(problem["detail"].as_str().unwrap().contains("bodies_bytes_max"), "{problem}");
    }
    // Whatever became of them, they gave back what they held.
    expect(text(45_000), StatusCode::OK).await;
}

#[tokio::test]
async fn media_types_beside_the_list_are_refused_before_the_body_is_read() {
    let app = App::new().await;
    app.publish(&mirror("in", "method: POST, accepts: [ application/json, 'image/*' ]")).await;
    let send = |kind: &str| post(&app, "in").header("content-type", kind).body("{}");
    expect(send("application/json; charset=utf-8"), StatusCode::OK).await;
    expect(send("Image/PNG"), StatusCode::OK).await;
    expect(post(&app, "in"), StatusCode::OK).await;
    let problem = refused(send("text/plain"), StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
    assert_eq!(problem["code"], "request.unsupported");
    assert!(problem["detail"].as_str().unwrap().contains("application/json, image/*"));
}

#[tokio::test]
async fn files_of_a_call_that_was_refused_are_not_kept_for_long() {
    let app = App::new().await;
    let rules = "raw_body: true, idempotency: { header: X-Id, required: true }";
    app.publish(&mirror("in", &format!("method: POST, {rules}"))).await;
    let kept =
        "SELECT count(*) FROM forge.blobs WHERE expires_at > forge.now() + interval '7 days'";
    refused(post(&app, "in").body(noise(500_000)), StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(count(&app, "SELECT count(*) FROM forge.blobs").await, 1, "it was sent");
    assert_eq!(count(&app, kept).await, 0);
    expect(post(&app, "in").header("x-id", "1").body(noise(500_000)), StatusCode::OK).await;
    assert_eq!(count(&app, kept).await, 1);
}

#[tokio::test]
async fn a_form_that_breaks_off_starts_nothing() {
    let app = App::new().await;
    app.publish(&mirror("in", "method: POST")).await;
    let send = |body: String| {
        post(&app, "in").header("content-type", "multipart/form-data; boundary=b").body(body)
    };
    let part = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\nfile";
    refused(send(part.to_owned()), StatusCode::BAD_REQUEST).await;
    refused(send("nothing of the kind".to_owned()), StatusCode::BAD_REQUEST).await;
    let many = "--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n\r\n".repeat(1_001);
    let problem = refused(send(format!("{many}--b--")), StatusCode::BAD_REQUEST).await;
    assert!(problem["detail"].as_str().unwrap().contains("1000 parts"), "{problem}");
    let runs = expect(app.owner(Method::GET, "/v1/runs"), StatusCode::OK).await;
    assert_eq!(runs["items"], json!([]));
}

#[tokio::test]
async fn browsers_are_told_which_pages_may_call() {
    let app = App::new().await;
    let cors = "cors: { origins: [ 'https://shop.example', 'https://*.shop.example' ], \
                headers: [ X-Token ], credentials: true, max_age: 1h }";
    app.publish(&mirror("in", &format!("method: [ GET, POST ], {cors}"))).await;
    app.publish(&mirror("closed", "method: POST")).await;
    let ask = |path: &str, origin: &str| {
        app.anonymous(Method::OPTIONS, &format!("/hooks/default/{path}"))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "x-token")
    };
    let response = ask("in", "https://shop.example").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let headers = response.headers();
    assert_eq!(headers["access-control-allow-origin"], "https://shop.example");
    assert_eq!(headers["access-control-allow-methods"], "GET, POST, HEAD, OPTIONS");
    assert_eq!(headers["access-control-allow-headers"], "X-Token");
    assert_eq!(headers["access-control-allow-credentials"], "true");
    assert_eq!(headers["access-control-max-age"], "3600");
    for (path, origin) in [("in", "https://evil.example"), ("closed", "https://shop.example")] {
        let response = ask(path, origin).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert!(!response.headers().contains_key("access-control-allow-origin"), "{path}");
        assert!(response.headers()["allow"].to_str().unwrap().contains("POST"));
    }
    // The answer itself, and a refusal, can be read by the page.
    let call = |body: &'static str| {
        let request = post(&app, "in").header("origin", "https://a.shop.example");
        request.header("content-type", "application/json").body(body).send()
    };
    for (body, status) in [("{}", StatusCode::OK), ("{", StatusCode::BAD_REQUEST)] {
        let response = call(body).await.unwrap();
        assert_eq!(response.status(), status);
        let headers = response.headers();
        assert_eq!(headers["access-control-allow-origin"], "https://a.shop.example");
        assert_eq!(headers["vary"], "origin");
        assert_eq!(headers["access-control-expose-headers"], "flowforge-run-id");
    }
}

#[tokio::test]
async fn head_is_get_without_a_body_and_options_names_the_methods() {
    let app = App::new().await;
    app.publish(&mirror("in", "method: [ GET, DELETE ]")).await;
    let request = |method: Method| app.anonymous(method, "/hooks/default/in");
    let head = request(Method::HEAD).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.headers()["content-type"], "application/json");
    assert_eq!(head.headers()["flowforge-run-id"].len(), 36);
    assert!(head.bytes().await.unwrap().is_empty());
    let options = request(Method::OPTIONS).send().await.unwrap();
    assert_eq!(options.status(), StatusCode::NO_CONTENT);
    assert_eq!(options.headers()["allow"], "DELETE, GET, HEAD, OPTIONS");
    assert!(!options.headers().contains_key("flowforge-run-id"));
    let response = request(Method::PUT).send().await.unwrap();
    assert_eq!(response.headers()["allow"], "DELETE, GET, HEAD, OPTIONS");
    // A hook that asks for these methods itself gets them.
    app.publish(&mirror("own", "method: [ OPTIONS, HEAD, PATCH, PUT ]")).await;
    for method in [Method::OPTIONS, Method::PATCH, Method::PUT] {
        let own = app.anonymous(method, "/hooks/default/own");
        let seen: Value = expect(own, StatusCode::OK).await;
        assert_eq!(seen[0]["executionMode"], "production");
    }
}

#[tokio::test]
async fn addresses_are_listed_whole_with_what_listens_there() {
    let app = App::new().await;
    let one = app.publish(&mirror("one", "method: [ GET, POST ]")).await;
    app.save(&mirror("two", "method: PUT")).await;
    let listed = expect(app.owner(Method::GET, "/v1/hooks"), StatusCode::OK).await;
    let brief = |row: &Value| {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        [text("stage"), text("method"), text("url"), text("workflow_name"), text("auth")]
    };
    let rows: Vec<_> = listed["items"].as_array().unwrap().iter().map(brief).collect();
    let row = |stage: &str, method: &str, path: &str, name: &str| {
        let url = format!("http://localhost/{path}");
        [stage, method, &url, name, "none"].map(str::to_owned)
    };
    assert_eq!(
        rows,
        [
            row("draft", "GET", "hooks-test/default/one", "one"),
            row("draft", "POST", "hooks-test/default/one", "one"),
            row("draft", "PUT", "hooks-test/default/two", "two"),
            row("published", "GET", "hooks/default/one", "one"),
            row("published", "POST", "hooks/default/one", "one"),
        ]
    );
    let path = format!("/v1/hooks?workflow={one}&stage=published&limit=1");
    let first = expect(app.owner(Method::GET, &path), StatusCode::OK).await;
    assert_eq!(first["items"][0]["node"], "In");
    assert_eq!(first["items"][0]["workflow_id"], one.as_str());
    let next = first["next"].as_str().unwrap();
    let request = app.owner(Method::GET, &path).query(&[("cursor", next)]);
    let second = expect(request, StatusCode::OK).await;
    assert_eq!(second["items"][0]["method"], "POST");
    assert!(second["next"].is_null());
}
