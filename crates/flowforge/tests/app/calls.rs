//! Workflows that call workflows.

use serde_json::{Value, json};
use testkit::{Outside, TestApp, eventually};

fn called(url: &str) -> String {
    format!(
        "
format: 1
name: Called
nodes:
  - {{ name: Start, type: core.manual }}
  - {{ name: Look, type: core.http_request, parameters: {{ url: '={url}/{{{{ $json.n }}}}' }} }}
  - {{ name: Result, type: core.set, parameters: {{ fields: [ {{ name: n, value: \"={{{{ $('Start').item.json.n * 10 }}}}\" }} ] }} }}
connections: [ Start -> Look, Look -> Result ]
"
    )
}

fn calling(parameters: &str) -> String {
    format!(
        "
format: 1
name: Calling
nodes:
  - {{ name: Start, type: core.manual }}
  - {{ name: Call, type: core.execute_workflow, parameters: {{ workflow: Called, {parameters} }} }}
  - {{ name: End, type: core.no_op }}
connections: [ Start -> Call, Call -> End ]
"
    )
}

fn numbers(run: &Value) -> Vec<i64> {
    let items = run["nodes"]["End"][0]["outputs"][0].as_array().unwrap();
    items.iter().map(|item| item["json"]["n"].as_i64().unwrap()).collect()
}

/// Finished runs of the called workflow.
async fn called_runs(app: &TestApp, count: i64) {
    let sql = app.sql().await;
    eventually("the called runs to end", async || {
        let row = sql.query_one("SELECT count(*) FROM forge.history", &[]).await.unwrap();
        let live = sql.query_one("SELECT count(*) FROM forge.runs", &[]).await.unwrap();
        let counts = (row.get::<_, i64>(0), live.get::<_, i64>(0));
        assert!(counts.0 <= count + 1, "too many runs: {counts:?}");
        (counts == (count + 1, 0)).then_some(())
    })
    .await;
}

#[testkit::test]
async fn a_call_for_each_item_goes_on_over_a_restart_and_calls_nothing_twice(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    outside.hold();
    app.publish(&called(&outside.url())).await;
    let id = app.publish(&calling("mode: each_item")).await;
    let run = app.start(&id, json!([{ "n": 1 }, { "n": 2 }, { "n": 3 }])).await;
    outside.calls(3).await;
    // One has returned, two have not.
    outside.answer(1);
    let sql = app.sql().await;
    eventually("the first called run to end", async || {
        let row = sql.query_one("SELECT count(*) FROM forge.history", &[]).await.unwrap();
        (row.get::<_, i64>(0) == 1).then_some(())
    })
    .await;
    app.crash().await;
    outside.answer(100);
    app.revive().await;
    let run = app.wait_run(&run).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    assert_eq!(numbers(&run), [10, 20, 30]);
    called_runs(app, 3).await;
}

#[testkit::test]
async fn a_call_for_each_item_runs_the_workflow_that_the_item_names(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    outside.hold();
    let tenfold = called(&outside.url());
    app.publish(&tenfold).await;
    app.publish(&tenfold.replace("name: Called", "name: Other").replace("* 10", "* 100")).await;
    let by_item =
        calling("mode: each_item").replace("workflow: Called", "workflow: '={{ $json.to }}'");
    let id = app.publish(&by_item).await;
    let items = json!([
        { "to": "Called", "n": 1 }, { "to": "Other", "n": 2 }, { "to": "Called", "n": 5 }
    ]);
    let run = app.start(&id, items).await;
    outside.calls(3).await;
    // The journal says which workflow each run is of.
    app.crash().await;
    outside.answer(100);
    app.revive().await;
    let run = app.wait_run(&run).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    assert_eq!(numbers(&run), [10, 200, 50]);
    let run = app.start(&id, json!([{ "to": "Nobody", "n": 1 }])).await;
    let run = app.wait_run(&run).await;
    assert_eq!(run["error"]["code"], "workflow.not_published", "{run}");
}

#[testkit::test]
async fn one_call_for_all_items_gives_the_items_of_its_last_node(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    app.publish(&called(&outside.url())).await;
    let id = app.publish(&calling("mode: once")).await;
    let run = app.run(&id, json!([{ "n": 1 }, { "n": 2 }])).await;
    assert_eq!(numbers(&run), [10, 20]);
    let pairs = run["nodes"]["Call"][0]["outputs"][0].as_array().unwrap().iter();
    let pairs: Vec<_> = pairs.map(|item| item["paired_item"].as_u64()).collect();
    assert_eq!(pairs, [Some(0), Some(1)], "as many came out as went in");
    called_runs(app, 1).await;
}

#[testkit::test]
async fn a_call_that_is_not_waited_for_outlives_its_caller_and_a_restart(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    outside.hold();
    app.publish(&called(&outside.url())).await;
    let id = app.publish(&calling("mode: each_item, wait: false")).await;
    let run = app.run(&id, json!([{ "n": 1 }, { "n": 2 }])).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    assert_eq!(numbers(&run), [1, 2], "the items pass through");
    app.restart().await;
    outside.answer(100);
    called_runs(app, 2).await;
}

#[testkit::test]
async fn a_failure_of_a_called_workflow_is_the_callers(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    outside.fail_with(&[404]);
    app.publish(&called(&outside.url())).await;
    let id = app.publish(&calling("mode: once")).await;
    let run = app.run(&id, json!({ "n": 1 })).await;
    assert_eq!(run["status"], "failed");
    assert_eq!(run["nodes"]["Call"][0]["status"], "failed", "{run}");
}

#[testkit::test]
async fn a_workflow_that_is_not_there_cannot_be_called(app: &mut TestApp) {
    let id = app.publish(&calling("mode: once")).await;
    let run = app.run(&id, json!({ "n": 1 })).await;
    assert_eq!(run["error"]["code"], "workflow.not_published", "{run}");
    assert!(run["error"]["message"].as_str().unwrap().contains("Called"), "{run}");
}
