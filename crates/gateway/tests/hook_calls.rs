//! What is known of calls afterwards: the log, calls that are waited for, repetitions, floods.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use kernel::Value;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;
use support::{App, expect, refused};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A workflow that answers with the trigger's item.
fn mirror(name: &str, parameters: &str) -> String {
    format!(
        "format: 1\nname: {name}\nnodes:\n\
         - {{ name: In, type: core.webhook, parameters: {{ path: '{name}', respond: last_node, \
             {parameters} }} }}\n\
         - {{ name: Out, type: core.no_op }}\n\
         connections: [ In -> Out ]\n"
    )
}

fn post(app: &App, path: &str) -> RequestBuilder {
    app.anonymous(Method::POST, path)
}

async fn calls(app: &App, query: &str) -> Vec<Value> {
    let listed = app.owner(Method::GET, &format!("/v1/hooks/calls?{query}"));
    expect(listed, StatusCode::OK).await["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn calls_are_shown_with_what_was_wrong_and_without_what_is_secret() {
    let app = App::new().await;
    app.set_secret("token", "open-sesame").await;
    let auth = "auth: { kind: header, name: X-Token, value: { secret: token } }";
    let id = app.publish(&mirror("door", &format!("method: POST, {auth}"))).await;
    app.publish(&mirror("other", "method: POST")).await;
    let call = |token: &str| {
        let request = post(&app, "/hooks/default/door?password=in-the-query");
        request.header("x-token", token).header("user-agent", "tester/1").json(&json!({"a": 1}))
    };
    expect(call("open-sesame"), StatusCode::OK).await;
    refused(call("open-barley"), StatusCode::UNAUTHORIZED).await;
    let broken = call("open-sesame").body("{");
    refused(broken, StatusCode::BAD_REQUEST).await;
    expect(post(&app, "/hooks/default/other"), StatusCode::OK).await;
    let seen = calls(&app, &format!("workflow={id}")).await;
    let brief =
        |call: &Value| (call["outcome"].clone(), call["status"].clone(), call["code"].clone());
    let seen_brief: Vec<_> = seen.iter().map(brief).collect();
    assert_eq!(
        seen_brief,
        [
            (json!("rejected"), json!(400), json!("request.malformed")),
            (json!("rejected"), json!(401), json!("hook.unauthorized")),
            (json!("accepted"), json!(200), Value::Null),
        ]
    );
    assert_eq!(seen[1]["reason"], "the value of x-token is wrong");
    assert_eq!(seen[1]["path"], "/hooks/default/door");
    assert_eq!(
        (&seen[1]["client"], &seen[1]["user_agent"]),
        (&json!("127.0.0.1"), &json!("tester/1"))
    );
    assert_eq!(seen[2]["run_id"].as_str().unwrap().len(), 36);
    assert_eq!((&seen[2]["node"], &seen[2]["stage"]), (&json!("In"), &json!("published")));
    let text = Value::Array(seen).to_string();
    for secret in ["open-sesame", "open-barley", "in-the-query"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert_eq!(calls(&app, "outcome=rejected").await.len(), 2);
    assert_eq!(calls(&app, "").await.len(), 4);
    let page = app.owner(Method::GET, "/v1/hooks/calls?limit=3");
    let next = expect(page, StatusCode::OK).await["next"].as_str().unwrap().to_owned();
    let rest = app.owner(Method::GET, "/v1/hooks/calls").query(&[("cursor", next)]);
    let rest = expect(rest, StatusCode::OK).await;
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_flood_of_forged_calls_starts_nothing_and_leaves_a_handful_of_rows() {
    let app = App::new().await;
    app.set_secret("key", "k").await;
    let auth = "auth: { kind: signature, key: { secret: key }, header: X-Sign }";
    app.publish(&mirror("flooded", &format!("method: POST, {auth}"))).await;
    app.publish(&mirror("beside", "method: POST")).await;
    let flood = |from: usize| {
        let app = &app;
        async move {
            for at in 0..250 {
                let request = post(app, "/hooks/default/flooded");
                let request = request.header("x-sign", format!("{:064x}", from * 1_000 + at));
                let status = request.body("{}").send().await.unwrap().status();
                assert_eq!(status, StatusCode::UNAUTHORIZED);
            }
        }
    };
    let floods = futures::future::join_all((0..32).map(flood));
    let beside = async {
        for _ in 0..50 {
            expect(post(&app, "/hooks/default/beside"), StatusCode::OK).await;
        }
    };
    futures::join!(floods, beside);
    let runs = expect(app.owner(Method::GET, "/v1/runs?limit=200"), StatusCode::OK).await;
    assert_eq!(runs["items"].as_array().unwrap().len(), 50);
    let rejected = calls(&app, "outcome=rejected&limit=200").await;
    // The first twenty and about one a second.
    assert!((20..120).contains(&rejected.len()), "{}", rejected.len());
    let skipped: i64 = rejected.iter().map(|call| call["skipped"].as_i64().unwrap()).sum();
    assert!(rejected.len() as i64 + skipped <= 8_000);
}

#[tokio::test]
async fn the_next_call_of_a_draft_is_kept_for_who_waits_and_answered_like_any_other() {
    let app = App::new().await;
    let id = app.save(&mirror("draft", "method: POST")).await;
    let path = format!("/v1/workflows/{id}/hooks/listen");
    let listen = |body: Value| app.owner(Method::POST, &path).json(&body);
    let heard = |query: &str| app.owner(Method::GET, &format!("{path}{query}"));
    refused(heard(""), StatusCode::NOT_FOUND).await;
    let begun = expect(listen(json!({"seconds": 60})), StatusCode::OK).await;
    assert_eq!(begun["state"], "waiting");
    assert_eq!(expect(heard(""), StatusCode::OK).await["state"], "waiting");
    let call = |n: i32| post(&app, "/hooks-test/default/draft").json(&json!({ "n": n }));
    let waiting = heard("?wait=30").send();
    let calling = async {
        let answered = expect(call(1), StatusCode::OK).await;
        expect(call(2), StatusCode::OK).await;
        answered
    };
    let (captured, answered) = futures::join!(waiting, calling);
    let captured = support::value(captured.unwrap()).await;
    assert_eq!((&captured["state"], &captured["node"]), (&json!("captured"), &json!("In")));
    assert_eq!(captured["id"], begun["id"]);
    assert_eq!(captured["items"][0]["json"], answered[0]);
    let run = captured["run_id"].as_str().unwrap();
    let run = expect(app.owner(Method::GET, &format!("/v1/runs/{run}")), StatusCode::OK).await;
    assert_eq!(run["status"], "succeeded");
    // What was kept can be pinned as it is.
    let items = &captured["items"];
    let document = json!({
        "format": 1, "name": "draft", "pinned": { "In": items }, "connections": ["In -> Out"],
        "nodes": [
            { "name": "In", "type": "core.webhook",
              "parameters": { "path": "draft", "method": "POST", "respond": "last_node" } },
            { "name": "Out", "type": "core.no_op" },
        ],
    });
    let save = app.owner(Method::PUT, &format!("/v1/workflows/{id}")).json(&document);
    expect(save, StatusCode::OK).await;
    // Only calls of the node that is waited for are kept, and only until the time is over.
    expect(listen(json!({"seconds": 60, "node": "Another"})), StatusCode::OK).await;
    expect(call(3), StatusCode::OK).await;
    assert_eq!(expect(heard(""), StatusCode::OK).await["state"], "waiting");
    let superuser = app.test.superuser().await;
    let later = "UPDATE forge.hook_listenings SET expires_at = forge.now(), node = NULL";
    superuser.batch_execute(later).await.unwrap();
    expect(call(4), StatusCode::OK).await;
    assert_eq!(expect(heard("?wait=30"), StatusCode::OK).await["state"], "expired");
    for body in [json!({"seconds": 0}), json!({"seconds": 601}), json!({"minutes": 1})] {
        refused(listen(body), StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    refused(heard("?wait=31"), StatusCode::UNPROCESSABLE_ENTITY).await;
}

#[tokio::test]
async fn a_header_of_the_senders_own_tells_repetitions_apart() {
    let app = App::new().await;
    let key = "idempotency: { header: X-GitHub-Delivery, required: true }";
    app.publish(&mirror("deliveries", &format!("method: POST, {key}"))).await;
    let send = |delivery: &str| {
        let request = post(&app, "/hooks/default/deliveries").json(&json!({"n": 1}));
        request.header("x-github-delivery", delivery)
    };
    let run = async |request: RequestBuilder| {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.headers()["flowforge-run-id"].clone()
    };
    let first = run(send("72d3162e")).await;
    assert_eq!(run(send("72d3162e")).await, first);
    assert_ne!(run(send("72d3162f")).await, first);
    let without = post(&app, "/hooks/default/deliveries").header("idempotency-key", "72d3162e");
    let problem = refused(without, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(problem["detail"].as_str().unwrap().contains("`X-GitHub-Delivery`"), "{problem}");
}

#[tokio::test]
async fn paths_in_any_script_are_found_and_shown() {
    let app = App::new().await;
    app.publish(&mirror("bestellung/größe/:wert", "method: GET")).await;
    let get = |path: &str| app.anonymous(Method::GET, path);
    for path in [
        "/hooks/default/bestellung/größe/日本 語",
        "/hooks/default/bestellung/gr%C3%B6%c3%9fe/%E6%97%A5%E6%9C%AC%20%E8%AA%9E",
    ] {
        let seen = expect(get(path), StatusCode::OK).await;
        assert_eq!(seen[0]["params"]["wert"], "日本 語");
    }
    // Bytes that are no text, slashes in disguise and NUL find nothing else.
    for path in ["gr%FF%FE/x", "gr%C3%B6%C3%9Fe%2Fx", "gr%C3%B6%C3%9Fe/..", "%00"] {
        let response = get(&format!("/hooks/default/bestellung/{path}")).send().await.unwrap();
        assert!(
            matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::OK),
            "{path}: {}",
            response.status()
        );
    }
    let url = expect(app.owner(Method::GET, "/v1/hooks"), StatusCode::OK).await;
    assert_eq!(url["items"][1]["url"], "http://localhost/hooks/default/bestellung/größe/:wert");
    assert_eq!(calls(&app, "outcome=accepted").await.len(), 2);
}

/// The runs, once they are like this.
async fn until(app: &App, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    // A look takes some milliseconds; what is waited for comes within a few seconds.
    for _ in 0..20_000 {
        let listed = expect(app.owner(Method::GET, "/v1/runs"), StatusCode::OK).await;
        let runs = listed["items"].as_array().unwrap().clone();
        if wanted(&runs) {
            return runs;
        }
    }
    panic!("it did not come");
}

#[tokio::test]
async fn a_client_that_vanishes_in_its_body_starts_nothing_and_one_that_does_not_wait_loses_nothing()
 {
    let app = App::new().await;
    app.publish(&mirror("in", "method: POST")).await;
    let head = |kind: &str, length: usize| {
        format!(
            "POST /hooks/default/in HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\n\
             content-length: {length}\r\n\r\n"
        )
    };
    let part = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n";
    for (kind, sent) in [
        ("application/json", "{\"a\":"),
        ("application/octet-stream", "some of it"),
        ("multipart/form-data; boundary=b", part),
    ] {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        stream.write_all(head(kind, 5_000_000).as_bytes()).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        if kind.starts_with("multipart") {
            // More than a chunk, so that some of it is stored already.
            stream.write_all(&vec![b'x'; 3_000_000]).await.unwrap();
        }
        drop(stream);
    }
    // One that sends everything, and goes once its run has begun.
    let slow = "format: 1\nname: slow\nnodes:\n\
        - { name: In, type: core.webhook, parameters: { path: slow, respond: last_node } }\n\
        - { name: Wait, type: core.wait, parameters: { duration: 1s } }\n\
        connections: [ In -> Wait ]\n";
    app.publish(slow).await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    stream.write_all(b"GET /hooks/default/slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let begun = until(&app, |runs| runs.len() == 1).await;
    assert!(!["succeeded", "failed"].contains(&begun[0]["status"].as_str().unwrap()));
    drop(stream);
    let ended = until(&app, |runs| runs[0]["status"] == "succeeded").await;
    assert_eq!(ended.len(), 1, "a call that broke off has started a run: {ended:?}");
    // No blob is whole, and what came of one expires within the hour.
    let superuser = app.test.superuser().await;
    let row = "SELECT count(*) FILTER (WHERE sealed), \
               count(*) FILTER (WHERE expires_at > forge.now() + interval '61 minutes') \
               FROM forge.blobs";
    let row = superuser.query_one(row, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (0, 0));
    // And the server still answers.
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let whole = head("application/json", 2) + "{}";
    stream.write_all(whole.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn why_a_draft_failed_is_told_to_those_who_build_it_and_to_no_stranger() {
    let app = App::new().await;
    let id = app
        .save(
            "format: 1\nname: Draft\nnodes:\n\
             - { name: In, type: core.webhook, parameters: { path: draft, method: GET, \
                 respond: last_node } }\n\
             - { name: Work, type: core.set, parameters: { mode: fields, fields: [ { name: a, \
                 value: '={{ (() => { throw new Error(\"secret\") })() }}' } ] } }\n\
             connections: [ In -> Work ]\n",
        )
        .await;
    let internal = StatusCode::INTERNAL_SERVER_ERROR;
    let call = || app.anonymous(Method::GET, "/hooks-test/default/draft");
    let tells = |problem: &Value| problem["detail"].as_str().unwrap().contains("secret");
    let problem = refused(call(), internal).await;
    assert!(!tells(&problem), "{problem}");
    assert_eq!(problem["node"], "Work");
    assert!(!tells(&refused(call().bearer_auth("no key"), internal).await));
    assert!(tells(&refused(call().bearer_auth(support::KEY), internal).await));
    let listen = app.owner(Method::POST, &format!("/v1/workflows/{id}/hooks/listen"));
    expect(listen.json(&json!({"seconds": 60})), StatusCode::OK).await;
    assert!(tells(&refused(call(), internal).await), "it is waited for");
    assert!(!tells(&refused(call(), internal).await), "the next one is not");
}
