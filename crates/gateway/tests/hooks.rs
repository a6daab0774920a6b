//! Webhooks over HTTP: what the workflow sees, and what its caller is told.

mod support;

use std::time::Duration;

use kernel::Value;
use reqwest::{Method, StatusCode};
use serde_json::json;
use support::{App, Wanted, expect, refused, value};
use trigger::HookSettings;

/// A workflow that answers with the trigger's item.
fn mirror(name: &str, parameters: &str) -> String {
    format!(
        "format: 1\nname: {name}\nnodes:\n\
         - {{ name: In, type: core.webhook, parameters: {{ {parameters}, respond: last_node }} }}\n\
         - {{ name: Out, type: core.no_op }}\n\
         connections: [ In -> Out ]\n"
    )
}

async fn item(request: reqwest::RequestBuilder) -> Value {
    let mut items = expect(request, StatusCode::OK).await;
    items[0].take()
}

#[tokio::test]
async fn webhook_to_run_to_response() {
    let app = App::new().await;
    app.publish(
        "format: 1\nname: Greeter\nnodes:\n\
         - { name: In, type: core.webhook, parameters: { path: 'greet/:who', method: POST, respond: node } }\n\
         - { name: Answer, type: core.respond, parameters: { with: json, status: 201, \
             headers: { x-greeter: forge }, \
             body: { hello: '={{ $json.params.who }}', sum: '={{ $json.body.a + $json.body.b }}' } } }\n\
         connections: [ In -> Answer ]\n",
    )
    .await;
    let request = app.anonymous(Method::POST, "/hooks/default/greet/ada?x=1");
    let response = request.json(&json!({ "a": 1, "b": 2 })).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.headers()["x-greeter"], "forge");
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["flowforge-run-id"].len(), 36);
    assert_eq!(value(response).await, json!({ "hello": "ada", "sum": 3 }));
}

#[tokio::test]
async fn the_item_carries_headers_parameters_query_body_address_and_mode() {
    let app = App::new().await;
    app.publish(&mirror("Mirror", "path: 'in/:id', method: [GET, POST]")).await;
    let request = app
        .anonymous(Method::POST, "/hooks/default/in/a%20b?x=1&x=2&y=%C3%A9+z")
        .header("x-twice", "1")
        .header("x-twice", "2")
        .json(&json!({ "big": 9_007_199_254_740_993_u64 }));
    let seen = item(request).await;
    assert_eq!(seen["params"], json!({ "id": "a b" }));
    assert_eq!(seen["query"], json!({ "x": ["1", "2"], "y": "é z" }));
    assert_eq!(seen["headers"]["x-twice"], "1, 2");
    assert_eq!(seen["body"].to_string(), r#"{"big":9007199254740993}"#);
    let url = format!("http://{}/hooks/default/in/a%20b", app.address);
    assert_eq!(seen["webhookUrl"], url);
    assert_eq!(seen["executionMode"], "production");
    let seen = item(app.anonymous(Method::GET, "/hooks/default/in/1")).await;
    assert_eq!(seen["body"], json!({}));
}

#[tokio::test]
async fn bodies_become_what_their_media_type_says() {
    let app = App::new().await;
    app.publish(&mirror("Mirror", "path: in, method: POST")).await;
    let post = |kind: &str, body: &'static str| {
        let request = app.anonymous(Method::POST, "/hooks/default/in");
        item(request.header("content-type", kind).body(body))
    };
    let form = post("application/x-www-form-urlencoded", "a=1&a=2&b=x+y").await;
    assert_eq!(form["body"], json!({ "a": ["1", "2"], "b": "x y" }));
    assert_eq!(post("text/plain; charset=utf-8", "hé").await["body"], "hé");
    assert_eq!(post("application/problem+json", "[1]").await["body"], json!([1]));
    let multipart = "--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n1\r\n\
                     --b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f.txt\"\r\n\r\n\
                     file\r\n--b--\r\n";
    let seen = post("multipart/form-data; boundary=b", multipart).await;
    assert_eq!(seen["body"], json!({ "n": "1" }));
    // As editors of Windows save it.
    assert_eq!(post("application/json", "\u{feff}[1]").await["body"], json!([1]));
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_with_its_place_before_a_run_starts() {
    let app = App::new().await;
    app.publish(&mirror("Mirror", "path: in, method: POST")).await;
    let post = |body: &'static str| {
        let request = app.anonymous(Method::POST, "/hooks/default/in");
        request.header("content-type", "application/json").body(body)
    };
    let problem = refused(post("{\n \"a\": }"), StatusCode::BAD_REQUEST).await;
    assert!(problem["detail"].as_str().unwrap().contains("line 2, column 7"), "{problem}");
    assert!(problem["run_id"].is_null());
    let response = post(r#"{"a": "\ud83d", "b": "\u0000"}"#).send().await.unwrap();
    let warning = response.headers()["warning"].to_str().unwrap().to_owned();
    assert!(warning.contains("1 lone surrogate"), "{warning}");
    assert_eq!(value(response).await[0]["body"], json!({ "a": "\u{fffd}", "b": "\0" }));
}

#[tokio::test]
async fn an_address_is_listened_to_only_once_published_and_at_its_methods() {
    let app = App::new().await;
    let yaml = mirror("Mirror", "path: in, method: [PUT, DELETE]");
    let id = app.save(&yaml).await;
    let unknown = refused(app.anonymous(Method::PUT, "/hooks/default/in"), StatusCode::NOT_FOUND);
    assert_eq!(unknown.await["code"], "hook.not_found");
    let draft = item(app.anonymous(Method::PUT, "/hooks-test/default/in")).await;
    assert_eq!(draft["executionMode"], "test");
    let publish = app.owner(Method::POST, &format!("/v1/workflows/{id}/publish"));
    expect(publish, StatusCode::OK).await;
    let published = item(app.anonymous(Method::PUT, "/hooks/default/in/")).await;
    assert_eq!(published["executionMode"], "production");
    let response = app.anonymous(Method::POST, "/hooks/default/in").send().await.unwrap();
    assert_eq!(response.headers()["allow"], "DELETE, PUT, OPTIONS");
    let wrong = app.anonymous(Method::POST, "/hooks/default/in");
    refused(wrong, StatusCode::METHOD_NOT_ALLOWED).await;
    for path in ["/hooks/nobody/in", "/hooks/default", "/hooks/", "/hooks/Default/in"] {
        refused(app.anonymous(Method::PUT, path), StatusCode::NOT_FOUND).await;
    }
}

#[tokio::test]
async fn the_test_address_runs_the_draft_and_the_other_what_was_published() {
    let app = App::new().await;
    let yaml = |text: &str| {
        format!(
            "format: 1\nname: Two faces\nnodes:\n\
             - {{ name: In, type: core.webhook, parameters: {{ path: in, method: GET, respond: node }} }}\n\
             - {{ name: Answer, type: core.respond, parameters: {{ with: text, body: {text} }} }}\n\
             connections: [ In -> Answer ]\n"
        )
    };
    let id = app.publish(&yaml("first")).await;
    let save = app.owner(Method::PUT, &format!("/v1/workflows/{id}"));
    let save = save.header("content-type", "application/yaml").body(yaml("second"));
    expect(save, StatusCode::OK).await;
    let text = async |path: &str| {
        app.anonymous(Method::GET, path).send().await.unwrap().text().await.unwrap()
    };
    assert_eq!(text("/hooks/default/in").await, "first");
    assert_eq!(text("/hooks-test/default/in").await, "second");
    expect(app.owner(Method::POST, &format!("/v1/workflows/{id}/publish")), StatusCode::OK).await;
    assert_eq!(text("/hooks/default/in").await, "second");
}

#[tokio::test]
async fn two_published_workflows_cannot_share_an_address() {
    let app = App::new().await;
    app.publish(&mirror("One", "path: 'orders/:id', method: [GET, POST]")).await;
    let other = app.save(&mirror("Other", "path: '/orders/:order/', method: POST")).await;
    let publish = app.owner(Method::POST, &format!("/v1/workflows/{other}/publish"));
    let problem = refused(publish, StatusCode::CONFLICT).await;
    assert_eq!(problem["code"], "hook.taken");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("POST orders/:id"), "{detail}");
    assert!(detail.contains("the node \"In\" of the published workflow \"One\""), "{detail}");
    assert_eq!(problem["node"], "In");
}

#[tokio::test]
async fn a_caller_that_does_not_wait_gets_the_run_at_once() {
    let app = App::new().await;
    app.publish(
        "format: 1\nname: Later\nnodes:\n\
         - { name: In, type: core.webhook, parameters: { path: later, method: POST, respond: immediately } }\n",
    )
    .await;
    let request = app.anonymous(Method::POST, "/hooks/default/later");
    let accepted = expect(request, StatusCode::ACCEPTED).await;
    assert_eq!(accepted["run_id"].as_str().unwrap().len(), 36);
}

#[tokio::test]
async fn a_key_starts_one_run_however_often_it_is_sent() {
    let app = App::new().await;
    app.publish(&mirror("Mirror", "path: in, method: POST")).await;
    let send = |body: Value| {
        let request = app.anonymous(Method::POST, "/hooks/default/in");
        request.header("idempotency-key", "order-7").json(&body).send()
    };
    let first = send(json!({ "n": 1 })).await.unwrap();
    let again = send(json!({ "n": 2 })).await.unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(again.status(), StatusCode::OK, "{}", again.text().await.unwrap());
    assert_eq!(first.headers()["flowforge-run-id"], again.headers()["flowforge-run-id"]);
    assert_eq!(value(first).await, value(again).await);
    let request = app.anonymous(Method::POST, "/hooks/default/in");
    let long = request.header("idempotency-key", "k".repeat(256));
    refused(long, StatusCode::UNPROCESSABLE_ENTITY).await;
}

#[tokio::test]
async fn a_failed_run_answers_500_with_code_node_and_run() {
    let app = App::new().await;
    let workflow = |name: &str, node: &str| {
        format!(
            "format: 1\nname: {name}\nnodes:\n\
             - {{ name: In, type: core.webhook, parameters: {{ path: {name}, method: GET, respond: last_node }} }}\n\
             - {node}\nconnections: [ In -> Work ]\n"
        )
    };
    let stop = "{ name: Work, type: core.stop_and_error, parameters: { message: No stock } }";
    app.publish(&workflow("stops", stop)).await;
    let broken = "{ name: Work, type: core.set, parameters: { mode: fields, fields: \
                  [ { name: a, value: '={{ (() => { throw new Error(\"secret\") })() }}' } ] } }";
    app.publish(&workflow("breaks", broken)).await;
    let internal = StatusCode::INTERNAL_SERVER_ERROR;
    let problem = refused(app.anonymous(Method::GET, "/hooks/default/stops"), internal).await;
    assert_eq!((&problem["code"], &problem["node"]), (&json!("run.stopped"), &json!("Work")));
    assert!(problem["detail"].as_str().unwrap().contains("No stock"), "{problem}");
    assert!(problem["run_id"].is_string());
    let problem = refused(app.anonymous(Method::GET, "/hooks/default/breaks"), internal).await;
    assert_eq!(problem["node"], "Work");
    assert!(!problem["detail"].as_str().unwrap().contains("secret"), "{problem}");
}

#[tokio::test]
async fn a_workflow_that_takes_too_long_is_told_with_its_run() {
    let hooks =
        HookSettings { answer_within: Duration::from_millis(100), ..HookSettings::default() };
    let app = App::with(Wanted { hooks, ..Wanted::default() }).await;
    app.publish(
        "format: 1\nname: Sleeper\nnodes:\n\
         - { name: In, type: core.webhook, parameters: { path: sleep, method: GET, respond: last_node } }\n\
         - { name: Wait, type: core.wait, parameters: { duration: 1h } }\n\
         connections: [ In -> Wait ]\n",
    )
    .await;
    let request = app.anonymous(Method::GET, "/hooks/default/sleep");
    let problem = refused(request, StatusCode::GATEWAY_TIMEOUT).await;
    assert_eq!(problem["code"], "hook.timeout");
    assert!(problem["run_id"].is_string());
    assert_eq!(problem["retryable"], true);
}

#[tokio::test]
async fn raw_bodies_travel_as_a_file() {
    let app = App::new().await;
    app.publish(
        "format: 1\nname: Raw\nnodes:\n\
         - { name: In, type: core.webhook, parameters: { path: raw, method: POST, raw_body: true, respond: node } }\n\
         - { name: Answer, type: core.respond, parameters: { with: binary } }\n\
         connections: [ In -> Answer ]\n",
    )
    .await;
    let request = app.anonymous(Method::POST, "/hooks/default/raw");
    let request = request.header("content-type", "image/png").body(vec![0_u8, 159, 146, 150]);
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "image/png");
    assert_eq!(&response.bytes().await.unwrap()[..], &[0_u8, 159, 146, 150]);
}

#[tokio::test]
async fn a_table_read_before_a_publish_elsewhere_is_read_again() {
    let app = App::new().await;
    let yaml = mirror("Mirror", "path: in, method: GET");
    refused(app.anonymous(Method::GET, "/hooks/default/in"), StatusCode::NOT_FOUND).await;
    // Another process has its own table of the same database.
    let id = app.publish(&yaml).await;
    let superuser = app.test.superuser().await;
    superuser
        .batch_execute(
            "UPDATE forge.hooks SET path = 'moved', shape = 'moved'; \
        UPDATE forge.hook_revisions SET revision = revision + 1",
        )
        .await
        .unwrap();
    let moved = async || {
        let request = app.anonymous(Method::GET, "/hooks/default/moved");
        request.send().await.unwrap().status()
    };
    let found = async { while moved().await == StatusCode::NOT_FOUND {} };
    tokio::time::timeout(Duration::from_secs(10), found).await.expect("it is read again");
    assert_eq!(moved().await, StatusCode::OK, "{id}");
}
