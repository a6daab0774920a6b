//! The walks: a request's whole way through the program.

use serde_json::json;
use testkit::TestApp;

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
