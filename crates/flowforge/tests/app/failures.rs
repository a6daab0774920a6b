//! What happens when a node or a run fails, takes too long, or is not wanted any more.

use serde_json::json;
use testkit::{MoreTime as _, Outside, TestApp, eventually};

/// Start -> Fail, with settings of the failing node; After behind it, Rescue at its error output.
fn failing(settings: &str) -> String {
    let rescue = if settings.contains("error_output") { ", 'Fail:error -> Rescue'" } else { "" };
    format!(
        "
format: 1
name: Failing
nodes:
  - {{ name: Start, type: core.manual }}
  - {{ name: Fail, type: core.set, parameters: {{ fields: [ {{ name: n, value: '={{{{ (() => {{ throw new Error(`missing`) }})() }}}}' }} ] }}, {settings} }}
  - {{ name: After, type: core.no_op }}
  - {{ name: Rescue, type: core.no_op }}
connections: [ Start -> Fail, Fail -> After{rescue} ]
"
    )
}

#[testkit::test]
async fn an_expression_that_throws_fails_the_run_and_names_its_node(app: &mut TestApp) {
    let id = app.publish(&failing("on_error: stop")).await;
    let run = app.run(&id, json!({})).await;
    assert_eq!(run["status"], "failed");
    assert_eq!(run["error"]["node"], "Fail");
    let message = run["error"]["message"].as_str().unwrap();
    assert!(message.contains("missing"), "{message}");
    assert_eq!(run["nodes"]["Fail"][0]["status"], "failed");
    assert_eq!(run["nodes"]["After"][0]["status"], "skipped");
}

#[testkit::test]
async fn a_node_may_continue_on_error_with_the_error_in_its_item(app: &mut TestApp) {
    let id = app.publish(&failing("on_error: continue")).await;
    let run = app.run(&id, json!({})).await;
    assert_eq!(run["status"], "succeeded");
    let item = &run["nodes"]["After"][0]["outputs"][0][0]["json"];
    assert!(item["error"].to_string().contains("missing"), "{item}");
}

#[testkit::test]
async fn an_item_that_fails_changes_nothing_for_the_others(app: &mut TestApp) {
    let document = "
format: 1
name: Apart
nodes:
  - { name: Start, type: core.manual }
  - name: Shape
    type: core.set
    on_error: continue
    parameters:
      fields:
        - { name: i, value: '={{ $itemIndex }}' }
        - { name: same, value: '={{ $node[`Start`].json.v }}' }
        - { name: all, value: '={{ $input.all().length }}' }
        - { name: number, type: number, value: '={{ $json.v }}' }
connections: [ Start -> Shape ]
";
    let id = app.publish(document).await;
    let run = app.run(&id, json!([{ "v": 1 }, { "v": "x" }, { "v": 3 }])).await;
    assert_eq!(run["status"], "succeeded");
    let items = &run["nodes"]["Shape"][0]["outputs"][0];
    assert_eq!(
        items[2],
        json!({ "json": { "i": 2, "same": 3, "all": 3, "number": 3 }, "paired_item": 2 })
    );
    let message = items[1]["json"]["error"]["message"].as_str().unwrap();
    assert!(message.contains("item 1"), "{message}");
}

#[testkit::test]
async fn an_item_whose_test_fails_is_not_true(app: &mut TestApp) {
    let document = "
format: 1
name: Untested
nodes:
  - { name: Start, type: core.manual }
  - name: Large
    type: core.if
    on_error: continue
    parameters: { conditions: { all: [ { left: '={{ $json.v }}', operator: number.gt, right: 2 } ] } }
connections: [ Start -> Large ]
";
    let id = app.publish(document).await;
    let run = app.run(&id, json!([{ "v": 1 }, { "v": "x" }, { "v": 3 }])).await;
    assert_eq!(
        run["nodes"]["Large"][0]["outputs"],
        json!([
            [{ "json": { "v": 3 }, "paired_item": 2 }],
            [{ "json": { "v": 1 }, "paired_item": 0 }, { "json": { "v": "x" }, "paired_item": 1 }]
        ])
    );
}

#[testkit::test]
async fn the_error_output_takes_the_items_that_failed(app: &mut TestApp) {
    let id = app.publish(&failing("on_error: error_output")).await;
    let run = app.run(&id, json!({})).await;
    assert_eq!(run["status"], "succeeded");
    assert_eq!(run["nodes"]["Rescue"][0]["status"], "succeeded");
    assert_eq!(run["nodes"]["After"][0]["status"], "skipped");
}

#[testkit::test]
async fn a_failure_is_told_to_the_error_workflow(app: &mut TestApp) {
    let watcher = "
format: 1
name: Watcher
nodes:
  - { name: Told, type: core.manual }
  - { name: Note, type: core.json_write, parameters: { path: told.json, layout: first } }
connections: [ Told -> Note ]
";
    app.publish(watcher).await;
    let broken = "
format: 1
name: Broken
settings: { error_workflow: Watcher }
nodes:
  - { name: Start, type: core.manual }
  - { name: Stop, type: core.stop_and_error, parameters: { message: Enough } }
connections: [ Start -> Stop ]
";
    let id = app.publish(broken).await;
    let run = app.run(&id, json!({})).await;
    assert_eq!((&run["status"], &run["error"]["code"]), (&json!("failed"), &json!("run.stopped")));
    let told = eventually("the error workflow", async || {
        std::fs::read_to_string(app.files.join("told.json")).ok().filter(|text| !text.is_empty())
    })
    .await;
    let told = kernel::json::parse(told.as_bytes()).unwrap().value;
    assert_eq!(told["execution"]["id"], run["run_id"]);
    assert_eq!(told["execution"]["error"]["message"], "Enough");
    assert_eq!(told["workflow"]["name"], "Broken");
    no_runs_left(app).await;
}

/// The error workflow's run, of which nobody tells the id, ends too.
async fn no_runs_left(app: &TestApp) {
    let sql = app.sql().await;
    eventually("the last run to end", async || {
        let row = sql.query_one("SELECT count(*) FROM forge.runs", &[]).await.unwrap();
        (row.get::<_, i64>(0) == 0).then_some(())
    })
    .await;
}

#[testkit::test]
async fn a_failed_call_is_tried_again_after_growing_waits(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    outside.fail_with(&[503, 503]);
    let url = outside.url();
    let workflow = format!(
        "
format: 1
name: Persistent
nodes:
  - {{ name: Start, type: core.manual }}
  - name: Call
    type: core.http_request
    parameters: {{ method: POST, url: '{url}/' }}
    retry: {{ max_attempts: 3, initial: 1m, max: 1h, jitter: false }}
connections: [ Start -> Call ]
"
    );
    let id = app.publish(&workflow).await;
    let run = app.start(&id, json!({})).await;
    outside.calls(1).await;
    app.wait_status(&run, &["waiting"]).await;
    app.advance(61.seconds()).await;
    outside.calls(2).await;
    app.wait_status(&run, &["waiting"]).await;
    // The second wait is twice the first.
    app.advance(61.seconds()).await;
    assert_eq!(app.find_run(&run).await["status"], "waiting");
    assert_eq!(outside.so_far().len(), 2);
    app.advance(61.seconds()).await;
    let run = app.wait_run(&run).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    assert_eq!(outside.so_far().len(), 3);
    assert_eq!(run["nodes"]["Call"][0]["attempts"], 3);
}

#[testkit::test]
async fn a_call_that_is_refused_for_good_is_not_tried_again(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    outside.fail_with(&[404]);
    let url = outside.url();
    let workflow = format!(
        "
format: 1
name: Refused
nodes:
  - {{ name: Start, type: core.manual }}
  - {{ name: Call, type: core.http_request, parameters: {{ url: '{url}/' }}, retry: {{ max_attempts: 5 }} }}
connections: [ Start -> Call ]
"
    );
    let id = app.publish(&workflow).await;
    let run = app.run(&id, json!({})).await;
    assert_eq!(run["status"], "failed");
    assert_eq!(outside.so_far().len(), 1);
}

fn slow(url: &str, node: &str, settings: &str) -> String {
    format!(
        "
format: 1
name: Slow
settings: {{ {settings} }}
nodes:
  - {{ name: Start, type: core.manual }}
  - {{ name: Call, type: core.http_request, parameters: {{ url: '{url}/' }}, {node} }}
connections: [ Start -> Call ]
"
    )
}

#[testkit::test]
async fn a_node_that_takes_longer_than_its_timeout_fails(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    outside.hold();
    let id = app.publish(&slow(&outside.url(), "timeout: 50ms", "")).await;
    let run = app.run(&id, json!({})).await;
    assert_eq!(run["status"], "failed");
    assert_eq!(run["error"]["node"], "Call");
    let code = run["error"]["code"].as_str().unwrap();
    assert!(code.contains("timeout"), "{run}");
}

#[testkit::test]
async fn a_run_that_takes_longer_than_its_timeout_fails(app: &mut TestApp) {
    let workflow = "
format: 1
name: Too long
settings: { timeout: 1h }
nodes:
  - { name: Start, type: core.manual }
  - { name: Nap, type: core.wait, parameters: { duration: 2h } }
connections: [ Start -> Nap ]
";
    let id = app.publish(workflow).await;
    let run = app.start(&id, json!({})).await;
    app.wait_status(&run, &["waiting"]).await;
    app.advance(59.minutes()).await;
    assert_eq!(app.find_run(&run).await["status"], "waiting");
    app.advance(2.minutes()).await;
    let run = app.wait_run(&run).await;
    assert_eq!((&run["status"], &run["error"]["code"]), (&json!("failed"), &json!("run.timeout")));
}

#[testkit::test]
async fn a_running_run_can_be_cancelled(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    outside.hold();
    let id = app.publish(&slow(&outside.url(), "timeout: 1h", "")).await;
    let run = app.start(&id, json!({})).await;
    outside.calls(1).await;
    assert_eq!(app.find_run(&run).await["status"], "running");
    let cancel = format!("/v1/runs/{run}/cancel");
    app.owner().post(&cancel, &json!({})).await.expect(200);
    assert_eq!(app.wait_run(&run).await["status"], "cancelled");
    app.owner().post(&cancel, &json!({})).await.refused(409, "run.finished");
}

#[testkit::test]
async fn a_waiting_run_can_be_cancelled_and_does_not_wake_up_again(app: &mut TestApp) {
    let workflow = "
format: 1
name: Sleeper
nodes:
  - { name: Start, type: core.manual }
  - { name: Nap, type: core.wait, parameters: { duration: 1h } }
  - { name: Write, type: core.write_file, parameters: { path: woke.txt, content: up } }
connections: [ Start -> Nap, Nap -> Write ]
";
    let id = app.publish(workflow).await;
    let run = app.start(&id, json!({})).await;
    app.wait_status(&run, &["waiting"]).await;
    app.owner().post(&format!("/v1/runs/{run}/cancel"), &json!({})).await.expect(200);
    assert_eq!(app.wait_run(&run).await["status"], "cancelled");
    app.advance(2.hours()).await;
    assert_eq!(app.find_run(&run).await["status"], "cancelled");
    assert!(!app.files.join("woke.txt").exists());
}
