//! Where a run starts, and what with.

use serde_json::{Value, json};
use testkit::TestApp;

async fn run_file(app: &TestApp, document: &str, more: Value) -> Value {
    let mut body = json!({ "document": document, "media_type": "application/yaml" });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    app.owner().post("/v1/files/run", &body).await.expect(200).json
}

#[testkit::test]
async fn a_pinned_trigger_puts_out_its_pins_when_they_are_used(app: &mut TestApp) {
    let document = "
format: 1
name: Pinned
nodes:
  - { name: Start, type: core.manual }
  - { name: End, type: core.no_op }
connections: [ Start -> End ]
pinned: { Start: [ { json: { n: 1 } }, { json: { n: 2 } } ] }
";
    let pinned = json!([[{ "json": { "n": 1 } }, { "json": { "n": 2 } }]]);
    let run = run_file(app, document, json!({ "pins": true })).await;
    assert_eq!(run["nodes"]["Start"][0]["outputs"], pinned);
    assert_eq!(run["nodes"]["End"][0]["outputs"][0][1]["json"]["n"], 2);
    let run = run_file(app, document, json!({})).await;
    assert_eq!(run["nodes"]["Start"][0]["outputs"], json!([[{ "json": {} }]]));
    let run = run_file(app, document, json!({ "pins": true, "input": { "n": 3 } })).await;
    assert_eq!(run["nodes"]["Start"][0]["outputs"], json!([[{ "json": { "n": 3 } }]]));
}

#[testkit::test]
async fn a_disabled_trigger_starts_nothing(app: &mut TestApp) {
    let document = "
format: 1
name: Disabled
nodes:
  - { name: Off, type: core.manual, disabled: true }
  - { name: On, type: core.manual }
  - { name: End, type: core.no_op }
connections: [ Off -> End, On -> End ]
";
    let run = run_file(app, document, json!({})).await;
    assert_eq!(run["nodes"]["On"][0]["status"], "succeeded");
    assert_eq!(run["nodes"]["End"][0]["status"], "succeeded");
    let body = json!({ "document": document, "media_type": "application/yaml", "trigger": "Off" });
    let refused = app.owner().post("/v1/files/run", &body).await;
    assert!(refused.refused(422, "workflow.unknown_node").detail().contains("has: On"));
}

#[testkit::test]
async fn files_of_one_name_may_be_run_at_once(app: &mut TestApp) {
    let app = &*app;
    let runs = (0..24).map(|number| async move {
        let document = format!(
            "{{format: 1, name: Same, nodes: [{{name: Start, type: core.manual, notes: '{number}'}}]}}"
        );
        let body = json!({ "document": document, "media_type": "application/yaml" });
        app.owner().post("/v1/files/run", &body).await.json
    });
    for run in futures::future::join_all(runs).await {
        assert_eq!(run["status"], "succeeded", "{run}");
    }
}
