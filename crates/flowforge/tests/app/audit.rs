//! Who did what: what is done leaves a row, whoever does it and however often it is asked for.

use reqwest::Method;
use serde_json::json;
use testkit::{Reply, TestApp};

const NAP: &str = "
format: 1
name: Long nap
nodes:
  - { name: Start, type: core.manual }
  - { name: Nap, type: core.wait, parameters: { duration: 1h } }
connections: [ Start -> Nap ]
";

#[testkit::test]
async fn what_is_done_to_workflows_and_runs_is_audited_once(app: &mut TestApp) {
    let id = app.publish(NAP).await;
    let run = app.start(&id, json!({})).await;
    app.wait_status(&run, &["waiting"]).await;
    let cancel = async || {
        let request = app.owner().request(Method::POST, &format!("/v1/runs/{run}/cancel"));
        let request = request.header("idempotency-key", "enough").header("x-request-id", "mine-7");
        Reply::of(request).await.expect(200)
    };
    let (first, again) = (cancel().await, cancel().await);
    assert_eq!(first.text, again.text, "and not run.finished");
    let audit = app.owner().get("/v1/audit").await.expect(200).json;
    let rows: Vec<_> = audit["items"].as_array().unwrap().iter().collect();
    let shown: Vec<_> = rows.iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(shown, ["run.cancelled", "workflow.published", "workflow.created"]);
    assert_eq!((&rows[0]["subject"], &rows[0]["subject_kind"]), (&json!(run), &json!("run")));
    assert_eq!(rows[0]["request_id"], "mine-7");
    assert_eq!(rows[1]["subject"], json!(id));
    // Whoever may not see it sees nothing of it.
    let reader = app.api_key(&["workflow.read"]).await;
    reader.get("/v1/audit").await.refused(403, "auth.forbidden");
}
