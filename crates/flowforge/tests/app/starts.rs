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

/// Doubles, after as long as it is told.
const SLOW: &str = "
format: 1
name: Slow
settings: { redact: [ secret ] }
nodes:
  - { name: Start, type: core.manual }
  - { name: Wait, type: core.wait, parameters: { duration: '={{ $json.wait }}' } }
  - { name: Twice, type: core.set, parameters: { keep: all, fields: [ { name: twice, value: '={{ $json.n * 2 }}' } ] } }
connections: [ Start -> Wait, Wait -> Twice ]
";

#[testkit::test]
async fn a_start_that_waits_answers_the_result_or_that_the_run_goes_on(app: &mut TestApp) {
    let id = app.publish(SLOW).await;
    let path = format!("/v1/workflows/{id}/runs");
    let input = json!({ "input": { "n": 21, "wait": "1ms", "secret": "x" } });
    let done = app.owner().post(&format!("{path}?wait=true"), &input).await.expect(200);
    assert_eq!(done.json["status"], "succeeded", "{}", done.text);
    assert_eq!(done.json["items"][0]["json"]["twice"], 42);
    assert_eq!(done.json["items"][0]["json"]["secret"], "[redacted]");
    assert_eq!(done.json["item_count"], 1);
    let request = app.owner().request(reqwest::Method::POST, &path);
    let preferred = testkit::Reply::of(request.header("prefer", "wait=20").json(&input)).await;
    assert_eq!(preferred.expect(200).json["items"][0]["json"]["twice"], 42);
    let input = json!({ "input": { "n": 1, "wait": "1h" } });
    let slow = app.owner().post(&format!("{path}?wait=100ms"), &input).await.expect(202);
    assert!(slow.json["items"].is_null());
    app.wait_status(&slow.run_id(), &["waiting"]).await;
    app.advance(std::time::Duration::from_secs(3_700)).await;
    app.wait_run(&slow.run_id()).await;
    for wrong in ["soon", "-1s", "", "10"] {
        app.owner()
            .post(&format!("{path}?wait={wrong}"), &input)
            .await
            .refused(422, "request.invalid");
    }
}

#[testkit::test]
async fn a_start_that_waits_tells_why_the_run_failed(app: &mut TestApp) {
    let document = "
format: 1
name: Failing
settings: { keep_runs: { succeeded: none, failed: none } }
nodes:
  - { name: Start, type: core.manual }
  - { name: Stop, type: core.stop_and_error, parameters: { message: Not today } }
connections: [ Start -> Stop ]
";
    let id = app.publish(document).await;
    let path = format!("/v1/workflows/{id}/runs?wait=20s");
    let failed = app.owner().post(&path, &json!({})).await.expect(200).json;
    assert_eq!(
        (&failed["status"], &failed["error"]["message"]),
        (&json!("failed"), &json!("Not today"))
    );
    let request = app.owner().request(reqwest::Method::POST, &path);
    let keyed = testkit::Reply::of(request.header("idempotency-key", "k").json(&json!({}))).await;
    let request = app.owner().request(reqwest::Method::POST, &path);
    let again = testkit::Reply::of(request.header("idempotency-key", "k").json(&json!({}))).await;
    assert_eq!(keyed.expect(200).text, again.expect(200).text);
}

#[testkit::test]
async fn a_run_of_a_file_is_read_back_whole_and_with_its_reply(app: &mut TestApp) {
    let document = "
format: 1
name: Long
nodes:
  - { name: In, type: core.webhook, parameters: { path: long, method: POST, respond: node } }
  - { name: Each, type: core.split_out, parameters: { fields: [ body ] } }
  - { name: Again, type: core.if, parameters: { conditions: { all: [ { left: '={{ $runIndex }}', operator: number.lt, right: 400 } ] } }, execute_once: true }
  - { name: Count, type: core.no_op }
  - { name: More, type: core.no_op }
  - { name: Answer, type: core.respond, parameters: { with: json, status: 201, body: { all: done } } }
connections:
  - In -> Each
  - Each -> Again
  - 'Again:true -> Count'
  - Count -> More
  - { from: More, to: Again, back: true }
  - 'Again:false -> Answer'
";
    let body: Vec<u32> = (0..250).collect();
    let run = run_file(app, document, json!({ "input": { "body": body } })).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    let (owner, id) = (app.owner(), run["run_id"].as_str().unwrap());
    let whole = owner.get(&format!("/v1/files/run/{id}")).await.expect(200).json;
    assert_eq!(whole["nodes"]["Each"][0]["outputs"][0].as_array().unwrap().len(), 250);
    assert_eq!(whole["nodes"]["More"].as_array().unwrap().len(), 400);
    assert!(whole["activation_count"].as_u64().unwrap() > 1_000, "more than a view shows");
    assert_eq!((&whole["reply"], &whole["nodes"]), (&run["reply"], &run["nodes"]));
    assert_eq!(whole["reply"]["status"], 201);
    let short = owner.get(&format!("/v1/runs/{id}")).await.expect(200).json;
    assert_eq!(short["nodes"]["Each"][0]["outputs"][0].as_array().unwrap().len(), 100);
    let unknown = owner.get(&format!("/v1/files/run/{}", uuid::Uuid::nil())).await;
    unknown.refused(404, "run.not_found");
    owner.get("/v1/files/run/none").await.refused(404, "run.not_found");
}
