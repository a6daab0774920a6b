//! The walks: a request's whole way through the program.

use reqwest::Method;
use serde_json::json;
use testkit::{Outside, Reply, TestApp};

/// A graph without effects that answers by a respond node.
pub(crate) const DOUBLE: &str = "
format: 1
name: Double
nodes:
  - { name: Ask, type: core.webhook, parameters: { path: double, method: POST, respond: node } }
  - { name: Twice, type: core.set, parameters: { fields: [ { name: twice, value: '={{ $json.body.n * 2 }}' } ] } }
  - { name: Answer, type: core.respond, parameters: { with: first_item, status: 201 } }
connections: [ Ask -> Twice, Twice -> Answer ]
";

#[testkit::test]
async fn a_webhook_starts_a_run_and_is_answered_by_it(app: &mut TestApp) {
    app.publish(DOUBLE).await;
    let answer = app.hook("double", &json!({ "n": 21 })).await.expect(201);
    assert_eq!(answer.json, json!({ "twice": 42 }));
    let run = app.wait_run(&answer.run_id()).await;
    assert_eq!(run["status"], "succeeded");
    let twice = &run["nodes"]["Twice"][0];
    assert_eq!(twice["status"], "succeeded");
    assert_eq!(twice["outputs"][0][0]["json"]["twice"], 42);
}

#[testkit::test]
async fn a_pure_synchronous_webhook_commits_once_before_its_answer(app: &mut TestApp) {
    app.publish(DOUBLE).await;
    app.hook("double", &json!({ "n": 1 })).await.expect(201);
    let writes = app.writes().await;
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert_eq!((&*writes[0].table, &*writes[0].operation), ("history", "INSERT"));
}

#[testkit::test]
async fn a_key_costs_a_pure_webhook_no_second_commit(app: &mut TestApp) {
    app.publish(DOUBLE).await;
    let request = app.anon().request(Method::POST, "/hooks/default/double");
    let request = request.header("idempotency-key", "order-1").json(&json!({ "n": 1 }));
    Reply::of(request).await.expect(201);
    let writes = app.writes().await;
    let mut tables: Vec<_> = writes.iter().map(|write| write.table.as_str()).collect();
    tables.sort_unstable();
    assert_eq!(tables, ["history", "run_keys"]);
    assert_eq!(writes[0].transaction, writes[1].transaction);
}

#[testkit::test]
async fn effects_in_a_row_cost_one_commit_each_and_one_for_the_end(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    let url = outside.url();
    let call = |name: &str| {
        format!(
            "  - {{ name: {name}, type: core.http_request, parameters: {{ method: POST, url: '{url}/' }} }}\n"
        )
    };
    let nodes: String = ["A", "B", "C"].into_iter().map(call).collect();
    let workflow = format!(
        "format: 1\nname: Three\nnodes:\n  - {{ name: Start, type: core.manual }}\n{nodes}\
         connections: [ Start -> A, A -> B, B -> C ]\n"
    );
    let id = app.publish(&workflow).await;
    assert_eq!(app.run(&id, json!({})).await["status"], "succeeded");
    let mut transactions: Vec<_> =
        app.writes().await.into_iter().map(|write| write.transaction).collect();
    transactions.sort();
    transactions.dedup();
    // The start and the first intent may come one after the other.
    assert!((4..=5).contains(&transactions.len()), "{} commits", transactions.len());
}
