//! What a member that was killed leaves, and what the next one makes of it.

use serde_json::{Value, json};
use testkit::{MoreTime as _, Outside, TestApp, eventually};

const NAP: &str = "
format: 1
name: Nap
nodes:
  - { name: Start, type: core.manual }
  - { name: Before, type: core.set, parameters: { fields: [ { name: at, value: '={{ $now.toMillis() }}' }, { name: luck, value: '={{ Math.random() }}' } ] } }
  - { name: Wait, type: core.wait, parameters: { duration: 1h } }
  - { name: After, type: core.no_op }
connections: [ Start -> Before, Before -> Wait, Wait -> After ]
";

#[testkit::test("engine.park_after" = "2h")]
async fn a_wait_goes_on_after_a_restart_and_nothing_before_it_is_done_again(app: &mut TestApp) {
    assert_eq!(slept_over_a_restart(app).await["resumed"], 1);
}

#[testkit::test]
async fn a_run_that_sleeps_does_not_notice_a_restart(app: &mut TestApp) {
    assert_eq!(slept_over_a_restart(app).await["resumed"], 0);
}

async fn slept_over_a_restart(app: &mut TestApp) -> Value {
    let id = app.publish(NAP).await;
    let run = app.start(&id, json!({})).await;
    let before = app.wait_status(&run, &["waiting"]).await;
    app.restart().await;
    let after = app.wait_status(&run, &["waiting"]).await;
    // Time and chance are what they were.
    assert_eq!(after["nodes"]["Before"], before["nodes"]["Before"]);
    app.advance(59.minutes()).await;
    assert_eq!(app.find_run(&run).await["status"], "waiting");
    app.advance(2.minutes()).await;
    let run = app.wait_run(&run).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    run
}

#[testkit::test]
async fn a_wait_that_ended_while_nothing_ran_ends_at_once_after_the_start(app: &mut TestApp) {
    let id = app.publish(NAP).await;
    let run = app.start(&id, json!({})).await;
    app.wait_status(&run, &["waiting"]).await;
    app.crash().await;
    app.database.advance(2.hours()).await;
    app.revive().await;
    assert_eq!(app.wait_run(&run).await["status"], "succeeded");
}

#[testkit::test]
async fn a_run_is_visible_while_it_only_looks_at_the_outside(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    outside.hold();
    let url = outside.url();
    let workflow = format!(
        "
format: 1
name: Look
nodes:
  - {{ name: Ask, type: core.webhook, parameters: {{ path: look, method: POST, respond: last_node }} }}
  - {{ name: Look, type: core.http_request, parameters: {{ url: '{url}/' }} }}
connections: [ Ask -> Look ]
"
    );
    app.publish(&workflow).await;
    let body = json!({});
    let looked = async {
        outside.calls(1).await;
        // Nothing waits for the journal, but the run is there for whoever asks the database.
        let sql = app.sql().await;
        eventually("the run to be visible", async || {
            let row = sql.query_opt("SELECT id::text FROM forge.runs", &[]).await.unwrap();
            row.map(|row| row.get::<_, String>(0))
        })
        .await;
        let listed = app.owner().get("/v1/runs?status=running").await.expect(200);
        assert_eq!(listed.json["items"].as_array().unwrap().len(), 1, "{}", listed.text);
        outside.answer(1);
    };
    let (answer, ()) = tokio::join!(app.hook("look", &body), looked);
    assert_eq!(answer.expect(200).json, json!([{ "call": 1 }]));
}

#[testkit::test]
async fn an_acknowledged_run_is_finished_by_the_next_member(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    outside.hold();
    let url = outside.url();
    let workflow = format!(
        "
format: 1
name: Accepted
nodes:
  - {{ name: Ask, type: core.webhook, parameters: {{ path: accept, method: POST, respond: immediately }} }}
  - {{ name: Look, type: core.http_request, parameters: {{ url: '{url}/' }} }}
  - {{ name: Write, type: core.write_file, parameters: {{ path: done.txt, content: done }} }}
connections: [ Ask -> Look, Look -> Write ]
"
    );
    app.publish(&workflow).await;
    let accepted = app.hook("accept", &json!({})).await;
    assert!((200..300).contains(&accepted.status), "{}", accepted.text);
    outside.calls(1).await;
    app.crash().await;
    outside.answer(9);
    app.revive().await;
    let run = app.wait_run(&accepted.run_id()).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    assert_eq!(app.read_file("done.txt"), "done");
}

#[testkit::test]
async fn a_second_member_sees_and_cancels_the_runs_of_the_first(app: &mut TestApp) {
    let id = app.publish(NAP).await;
    let run = app.start(&id, json!({})).await;
    app.wait_status(&run, &["waiting"]).await;
    let second = app.second_member().await;
    let seen = second.get(&format!("/v1/runs/{run}")).await.expect(200);
    assert_eq!(seen.json["status"], "waiting");
    second.post(&format!("/v1/runs/{run}/cancel"), &json!({})).await.expect(200);
    assert_eq!(app.wait_run(&run).await["status"], "cancelled");
    // Its own hooks know what the first one published.
    let started: Value =
        second.post(&format!("/v1/workflows/{id}/runs"), &json!({})).await.expect(202).json;
    let run = started["run_id"].as_str().unwrap();
    app.wait_status(run, &["waiting"]).await;
    app.owner().post(&format!("/v1/runs/{run}/cancel"), &json!({})).await.expect(200);
    assert_eq!(app.wait_run(run).await["status"], "cancelled");
}

#[testkit::test]
async fn members_on_two_machines_may_keep_their_data_at_the_same_path(app: &mut TestApp) {
    app.publish(crate::walks::DOUBLE).await;
    let id = app.publish(NAP).await;
    let run = app.start(&id, json!({})).await;
    app.wait_status(&run, &["waiting"]).await;
    let second = app.member_at_the_same_path().await;
    // Neither takes the other for its own earlier life: the first one's runs stay where they are.
    for n in 0..3 {
        app.hook("double", &json!({ "n": n })).await.expect(201);
        second.post("/hooks/default/double", &json!({ "n": n })).await.expect(201);
    }
    app.advance(61.minutes()).await;
    let ended = app.wait_run(&run).await;
    assert_eq!((&ended["status"], &ended["resumed"]), (&json!("succeeded"), &json!(0)), "{ended}");
}

/// Lists in lists, so many levels.
fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

#[testkit::test("engine.park_after" = "2h")]
async fn whatever_depth_a_hook_takes_its_run_survives_a_restart_and_stays_readable(
    app: &mut TestApp,
) {
    let workflow = "
format: 1
name: Deep
nodes:
  - { name: In, type: core.webhook, parameters: { path: deep, method: POST, respond: immediately } }
  - { name: Keep, type: core.set, parameters: { keep: all, fields: [ { name: n, value: 1 } ] } }
  - { name: Wait, type: core.wait, parameters: { duration: 1h } }
  - { name: Wrap, type: core.set, parameters: { fields: [ { name: a.b, value: '={{ $json.body }}' } ] } }
connections: [ In -> Keep, Keep -> Wait, Wait -> Wrap ]
";
    app.publish(workflow).await;
    let call = async |app: &TestApp, levels: usize| {
        let owner = app.owner();
        owner.post_text("/hooks/default/deep", "application/json", &nested(levels)).await
    };
    // The item of a call is a level more than what was sent.
    call(app, 120).await.refused(422, "request.invalid");
    for levels in [121, 127, 128, 100_000] {
        call(app, levels).await.refused(400, "request.malformed");
    }
    let mut runs = Vec::new();
    for levels in [3, 119] {
        let answer = call(app, levels).await.expect(202).json;
        let run = answer["run_id"].as_str().unwrap().to_owned();
        app.wait_status(&run, &["waiting"]).await;
        runs.push((levels, run));
    }
    app.restart().await;
    app.advance(61.minutes()).await;
    for (levels, run) in runs {
        let seen = app.wait_run(&run).await;
        let kept = &seen["nodes"]["Keep"][0]["outputs"][0][0]["json"]["body"];
        assert_eq!(kept.to_string(), nested(levels));
        // What would be a level too deep is not put out.
        if levels == 119 {
            assert_eq!(
                (&seen["status"], &seen["error"]["code"]),
                (&json!("failed"), &json!("node.limit"))
            );
        } else {
            let wrapped = &seen["nodes"]["Wrap"][0]["outputs"][0][0]["json"];
            assert_eq!(wrapped["a"]["b"].to_string(), nested(levels));
        }
    }
}
