//! Runs are found by labels, states, times and errors; they are removed; they are counted.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Reply, TestApp};

use crate::walks::DOUBLE;

/// Fails when it is told to; its runs have a label of their own.
pub(crate) const PICKY: &str = "
format: 1
name: Picky
settings: { labels: [ 'team:ops' ] }
nodes:
  - { name: Start, type: core.manual }
  - { name: Bad, type: core.if, parameters: { conditions: { all: [ { left: '={{ $json.bad ?? false }}', operator: boolean.is_true } ] } } }
  - { name: Refuse, type: core.stop_and_error, parameters: { message: '=Invoice {{ $json.n }} is NOT payable' } }
connections: [ Start -> Bad, 'Bad:true -> Refuse' ]
";

/// Waits for an hour.
const NAP: &str = "
format: 1
name: Nap
nodes:
  - { name: Start, type: core.manual }
  - { name: Nap, type: core.wait, parameters: { duration: 1h } }
connections: [ Start -> Nap ]
";

pub(crate) async fn delete(app: &TestApp, path: &str) -> Reply {
    Reply::of(app.owner().request(Method::DELETE, path)).await
}

async fn start_labelled(app: &TestApp, id: &str, labels: Value, input: Value) -> String {
    let body = json!({ "labels": labels, "input": input });
    app.owner().post(&format!("/v1/workflows/{id}/runs"), &body).await.expect(202).run_id()
}

async fn listed(app: &TestApp, query: &str) -> Vec<String> {
    let page = app.owner().get(&format!("/v1/runs?{query}")).await.expect(200).json;
    let id = |run: &Value| run["run_id"].as_str().unwrap().to_owned();
    page["items"].as_array().unwrap().iter().map(id).collect()
}

#[testkit::test]
async fn runs_are_found_by_every_label_they_have(app: &mut TestApp) {
    let (picky, nap) = (app.publish(PICKY).await, app.publish(NAP).await);
    let one = start_labelled(app, &picky, json!(["customer:acme", "nightly"]), json!({})).await;
    let two = start_labelled(app, &picky, json!(["customer:acme"]), json!({})).await;
    let live = start_labelled(app, &nap, json!(["customer:acme"]), json!({})).await;
    app.wait_run(&one).await;
    app.wait_run(&two).await;
    app.wait_status(&live, &["waiting"]).await;
    assert_eq!(listed(app, "label=customer:acme").await, [&*live, &two, &one]);
    assert_eq!(listed(app, "label=customer:acme&label=nightly").await, [&*one]);
    assert_eq!(listed(app, "label=team:ops&sort=started_at").await, [&*one, &two]);
    assert_eq!(listed(app, "label=customer:acme&status=succeeded").await, [&*two, &one]);
    assert!(listed(app, "label=customer").await.is_empty());
    let shown = app.find_run(&one).await;
    assert_eq!(shown["labels"], json!(["customer:acme", "nightly", "team:ops"]));
    // They stay findable when a run that was live has ended.
    app.advance(Duration::from_secs(3_700)).await;
    app.wait_run(&live).await;
    assert_eq!(listed(app, "label=customer:acme").await, [&*live, &two, &one]);
    let page = app.owner().get("/v1/runs?label=nightly").await.expect(200).json;
    assert_eq!(page["items"][0]["labels"], shown["labels"]);
}

#[testkit::test]
async fn labels_that_cannot_be_are_refused_with_their_reason(app: &mut TestApp) {
    let id = app.publish(PICKY).await;
    let many: Vec<String> = (0..16).map(|number| format!("l{number}")).collect();
    for labels in [json!([""]), json!(["a\u{0}"]), json!([" a"]), json!(["origin:x"]), json!(many)]
    {
        let path = format!("/v1/workflows/{id}/runs");
        let refused = app.owner().post(&path, &json!({ "labels": labels })).await;
        let refused = refused.refused(422, "request.invalid");
        let pointer = refused.json["errors"][0]["pointer"].as_str().unwrap();
        assert!(pointer.starts_with("/labels"), "{}", refused.text);
    }
    let document = PICKY.replace("team:ops", " team");
    let refused = app.owner().post_text("/v1/workflows", "application/yaml", &document).await;
    let refused = refused.refused(422, "workflow.invalid");
    assert_eq!(refused.json["errors"][0]["pointer"], "/settings/labels/0");
}

#[testkit::test]
async fn runs_are_found_by_what_made_them_fail(app: &mut TestApp) {
    let id = app.publish(PICKY).await;
    let good = app.start(&id, json!({ "n": 1 })).await;
    let seven = app.start(&id, json!({ "n": 7, "bad": true })).await;
    let eight = app.start(&id, json!({ "n": 8, "bad": true })).await;
    for run in [&good, &seven, &eight] {
        app.wait_run(run).await;
    }
    assert_eq!(listed(app, "error=invoice+7+is+not").await, [&*seven]);
    assert_eq!(listed(app, "error=refuse").await, [&*eight, &seven]);
    assert_eq!(listed(app, "error=run.stopped&label=team:ops").await, [&*eight, &seven]);
    assert_eq!(listed(app, "status=failed").await, [&*eight, &seven]);
    assert_eq!(listed(app, "status=failed&status=succeeded").await, [&*eight, &seven, &good]);
    assert!(listed(app, "error=%25").await.is_empty(), "it is a text and no pattern");
    let page = app.owner().get("/v1/runs?error=invoice%207").await.expect(200).json;
    let error = &page["items"][0]["error"];
    assert_eq!(error["message"], "Invoice 7 is NOT payable");
    assert_eq!((&error["code"], &error["node"]), (&json!("run.stopped"), &json!("Refuse")));
}

#[testkit::test]
async fn a_list_is_paged_in_both_orders_and_bounded_in_time(app: &mut TestApp) {
    let id = app.publish(PICKY).await;
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(app.start(&id, json!({})).await);
        app.wait_run(runs.last().unwrap()).await;
        app.advance(Duration::from_secs(60)).await;
    }
    for (sort, order) in [("started_at", [0, 1, 2]), ("-started_at", [2, 1, 0])] {
        let mut cursor = String::new();
        for expected in order {
            let path = format!("/v1/runs?sort={sort}&limit=1{cursor}");
            let page = app.owner().get(&path).await.expect(200).json;
            assert_eq!(page["items"][0]["run_id"], runs[expected]);
            cursor = page["next"].as_str().map_or(String::new(), |next| format!("&cursor={next}"));
        }
        assert!(cursor.is_empty(), "the last page says that it is the last");
    }
    let began = app.find_run(&runs[1]).await["started_at"].as_str().unwrap().to_owned();
    assert_eq!(listed(app, &format!("started_after={began}")).await, [&*runs[2], &runs[1]]);
    assert_eq!(listed(app, &format!("started_before={began}")).await, [&*runs[0]]);
    let other = "00000000-0000-7000-8000-000000000000";
    assert!(listed(app, &format!("workflow={other}")).await.is_empty());
    for wrong in ["started_after=noon", "status=done", "sort=name", "workflow=x"] {
        app.owner().get(&format!("/v1/runs?{wrong}")).await.refused(422, "request.invalid");
    }
}

#[testkit::test]
async fn a_removed_run_leaves_nothing_and_frees_its_key(app: &mut TestApp) {
    app.publish(DOUBLE).await;
    let call = || async {
        let request = app.anon().request(Method::POST, "/hooks/default/double");
        Reply::of(request.header("idempotency-key", "order-1").json(&json!({ "n": 1 }))).await
    };
    let first = call().await.expect(201).run_id();
    let path = format!("/v1/runs/{first}");
    delete(app, &path).await.expect(204);
    app.owner().get(&path).await.refused(404, "run.not_found");
    delete(app, &path).await.refused(404, "run.not_found");
    let second = call().await.expect(201).run_id();
    assert_ne!(first, second);
    let picky = app.publish(PICKY).await;
    let failed = app.start(&picky, json!({ "n": 7, "bad": true })).await;
    app.wait_run(&failed).await;
    delete(app, &format!("/v1/runs/{failed}")).await.expect(204);
    assert!(listed(app, "label=team:ops").await.is_empty());
    let left = "SELECT (SELECT count(*) FROM forge.run_labels) \
                + (SELECT count(*) FROM forge.run_failures)";
    assert_eq!(app.sql().await.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[testkit::test]
async fn a_run_that_has_not_finished_is_not_removed(app: &mut TestApp) {
    let id = app.publish(NAP).await;
    let run = app.start(&id, json!({})).await;
    app.wait_status(&run, &["waiting"]).await;
    let path = format!("/v1/runs/{run}");
    delete(app, &path).await.refused(409, "run.not_finished");
    app.owner().post(&format!("{path}/cancel"), &json!({})).await.expect(200);
    assert_eq!(listed(app, "status=cancelled").await, [&*run]);
    delete(app, &path).await.expect(204);
}

#[testkit::test]
async fn a_reader_may_not_remove_runs(app: &mut TestApp) {
    let id = app.publish(PICKY).await;
    let run = app.start(&id, json!({})).await;
    app.wait_run(&run).await;
    let reader = app.api_key(&["run.read"]).await;
    let path = format!("/v1/runs/{run}");
    Reply::of(reader.request(Method::DELETE, &path)).await.refused(403, "auth.forbidden");
    app.find_run(&run).await;
}

#[testkit::test]
async fn ended_runs_are_counted_by_workflow_time_outcome_and_duration(app: &mut TestApp) {
    let (picky, other) = (app.publish(PICKY).await, app.publish(DOUBLE).await);
    for bad in [false, false, true] {
        let run = app.start(&picky, json!({ "bad": bad })).await;
        app.wait_run(&run).await;
    }
    app.hook("double", &json!({ "n": 1 })).await.expect(201);
    let path = format!("/v1/workflows/{picky}/statistics?bucket=1m");
    let own = app.owner().get(&path).await.expect(200).json;
    let total = &own["total"];
    assert_eq!(
        (&total["runs"], &total["succeeded"], &total["failed"]),
        (&json!(3), &json!(2), &json!(1))
    );
    assert!(total["p50_ms"].as_f64() <= total["p95_ms"].as_f64(), "{own}");
    assert!(total["mean_ms"].as_f64().unwrap() > 0.0, "{own}");
    let sum = |page: &Value| -> i64 {
        page["buckets"].as_array().unwrap().iter().map(|one| one["runs"].as_i64().unwrap()).sum()
    };
    assert_eq!(sum(&own), 3);
    let all = app.owner().get("/v1/statistics").await.expect(200).json;
    assert_eq!((&all["total"]["runs"], sum(&all)), (&json!(4), 4));
    // They outlive the process, and what they count.
    app.restart().await;
    app.advance(Duration::from_secs(4 * 3_600)).await;
    let path = format!("/v1/workflows/{other}/statistics");
    assert_eq!(app.owner().get(&path).await.expect(200).json["total"]["runs"], 1);
    let hour = app.owner().get("/v1/statistics?bucket=2h").await.expect(200).json;
    assert_eq!(hour["total"]["runs"], 4);
}

#[testkit::test]
async fn statistics_are_asked_for_within_bounds(app: &mut TestApp) {
    for wrong in [
        "bucket=90s",
        "bucket=0m",
        "bucket=week",
        "from=2026-01-01T00:00:00Z&to=2025-01-01T00:00:00Z",
        "from=2020-01-01T00:00:00Z",
        "from=2020-01-01T00:00:00Z&to=2020-01-01T01:00:00Z&bucket=1m",
    ] {
        let refused = app.owner().get(&format!("/v1/statistics?{wrong}")).await;
        refused.refused(422, "request.invalid");
    }
    let path = "/v1/workflows/00000000-0000-7000-8000-000000000000/statistics";
    app.owner().get(path).await.refused(404, "workflow.not_found");
}

#[testkit::test]
async fn a_workflow_that_keeps_no_successes_keeps_its_failures_and_counts_both(app: &mut TestApp) {
    let document = PICKY.replace("settings: {", "settings: { keep_runs: { succeeded: none },");
    let id = app.publish(&document).await;
    let failed = app.start(&id, json!({ "bad": true })).await;
    app.wait_run(&failed).await;
    let succeeded = app.start(&id, json!({})).await;
    let path = format!("/v1/runs/{succeeded}");
    testkit::eventually("the run to be over", async || {
        (app.owner().get(&path).await.status == 404).then_some(())
    })
    .await;
    assert_eq!(listed(app, "label=team:ops").await, [&*failed]);
    let path = format!("/v1/workflows/{id}/statistics");
    assert_eq!(app.owner().get(&path).await.expect(200).json["total"]["succeeded"], 1);
}
