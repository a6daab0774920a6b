//! Idempotency keys: a request that is repeated gets the first run's answer.

use reqwest::Method;
use serde_json::json;
use testkit::{Outside, Reply, TestApp, eventually};

use crate::walks::DOUBLE;

async fn call(app: &TestApp, path: &str, key: &str, n: i32) -> Reply {
    let request = app.anon().request(Method::POST, &format!("/hooks/default/{path}"));
    Reply::of(request.header("idempotency-key", key).json(&json!({ "n": n }))).await
}

async fn stored_runs(app: &TestApp) -> i64 {
    let count = "SELECT (SELECT count(*) FROM forge.runs) + (SELECT count(*) FROM forge.history)";
    app.sql().await.query_one(count, &[]).await.unwrap().get(0)
}

#[testkit::test]
async fn a_key_that_is_used_again_answers_what_the_first_run_answered(app: &mut TestApp) {
    app.publish(DOUBLE).await;
    let first = call(app, "double", "order-1", 21).await.expect(201);
    // Even with another body: the key says that it is the same request.
    let second = call(app, "double", "order-1", 4).await.expect(201);
    assert_eq!(second.run_id(), first.run_id());
    assert_eq!(second.json, json!({ "twice": 42 }));
    let other = call(app, "double", "order-2", 4).await.expect(201);
    assert_eq!(other.json, json!({ "twice": 8 }));
    assert_eq!(stored_runs(app).await, 2);
}

#[testkit::test]
async fn a_key_outlives_a_restart(app: &mut TestApp) {
    app.publish(DOUBLE).await;
    let first = call(app, "double", "order-1", 21).await.expect(201);
    app.restart().await;
    let second = call(app, "double", "order-1", 21).await.expect(201);
    assert_eq!((second.run_id(), second.text), (first.run_id(), first.text));
    assert_eq!(stored_runs(app).await, 1);
}

#[testkit::test]
async fn a_failure_that_is_only_repeated_is_not_told_to_the_error_workflow_again(
    app: &mut TestApp,
) {
    app.publish(
        "
format: 1
name: Watcher
nodes: [ { name: Told, type: core.manual } ]
",
    )
    .await;
    app.publish(
        "
format: 1
name: Broken
settings: { error_workflow: Watcher }
nodes:
  - { name: Hook, type: core.webhook, parameters: { path: broken, method: POST, respond: last_node } }
  - { name: Stop, type: core.stop_and_error, parameters: { message: Enough } }
connections: [ Hook -> Stop ]
",
    )
    .await;
    let first = call(app, "broken", "order-1", 1).await.expect(500);
    for _ in 0..3 {
        let again = call(app, "broken", "order-1", 1).await.expect(500);
        assert_eq!(again.json["run_id"], first.json["run_id"]);
    }
    eventually("the last run to end", async || {
        let live = "SELECT count(*) FROM forge.runs";
        let live: i64 = app.sql().await.query_one(live, &[]).await.unwrap().get(0);
        (live == 0).then_some(())
    })
    .await;
    assert_eq!(stored_runs(app).await, 2, "one that failed, one that was told");
}

#[testkit::test]
async fn a_key_of_a_start_belongs_to_its_workflow(app: &mut TestApp) {
    let start = async |id: &str, body: serde_json::Value| {
        let request = app.owner().request(Method::POST, &format!("/v1/workflows/{id}/runs"));
        Reply::of(request.header("idempotency-key", "nightly").json(&body)).await
    };
    let one = app.publish(DOUBLE).await;
    let other =
        DOUBLE.replace("name: Double", "name: Other").replace("path: double", "path: other");
    let other = app.publish(&other).await;
    let first = start(&one, json!({})).await.expect(202);
    let again = start(&one, json!({})).await.expect(202);
    assert_eq!(again.text, first.text);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    // The same key with another request is a mistake of its sender, and starts nothing.
    for (id, body) in [(&other, json!({})), (&one, json!({ "pins": true }))] {
        start(id, body).await.refused(422, "request.key_reused");
    }
    assert_eq!(stored_runs(app).await, 1);
}

#[testkit::test]
async fn two_requests_with_one_key_at_the_same_time_have_one_effect(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    outside.hold();
    let url = outside.url();
    let workflow = format!(
        "
format: 1
name: Pay
nodes:
  - {{ name: Ask, type: core.webhook, parameters: {{ path: pay, method: POST, respond: node }} }}
  - {{ name: Charge, type: core.http_request, parameters: {{ method: POST, url: '{url}/charge' }} }}
  - {{ name: Answer, type: core.respond, parameters: {{ with: first_item }} }}
connections: [ Ask -> Charge, Charge -> Answer ]
"
    );
    app.publish(&workflow).await;
    let release = async {
        outside.calls(1).await;
        outside.answer(9);
    };
    let (first, second, ()) =
        tokio::join!(call(app, "pay", "order-1", 1), call(app, "pay", "order-1", 1), release);
    let (first, second) = (first.expect(200), second.expect(200));
    assert_eq!(first.run_id(), second.run_id());
    assert_eq!((first.json, second.json), (json!({ "call": 1 }), json!({ "call": 1 })));
    assert_eq!(outside.so_far().len(), 1);
    assert_eq!(stored_runs(app).await, 1);
}
