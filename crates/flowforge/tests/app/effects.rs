//! Effects on the outside: never before their intent is durable, never twice without being asked.

use serde_json::{Value, json};
use testkit::{Call, Outside, TestApp, eventually};

/// Posts a body that is another one at each evaluation.
fn pay(url: &str, settings: &str) -> String {
    format!(
        "
format: 1
name: Pay {url}
nodes:
  - {{ name: Start, type: core.manual }}
  - {{ name: Before, type: core.set, parameters: {{ fields: [ {{ name: marker, value: prefix-of-the-run }} ] }} }}
  - name: Charge
    type: core.http_request
    parameters:
      method: POST
      url: '{url}/charge'
      body: {{ kind: json, value: {{ at: '={{{{ $now.toMillis() }}}}', luck: '={{{{ Math.random() }}}}' }} }}
    {settings}
  - {{ name: After, type: core.no_op }}
connections: [ Start -> Before, Before -> Charge, Charge -> After ]
"
    )
}

fn key(call: &Call) -> String {
    call.headers["idempotency-key"].to_str().unwrap().to_owned()
}

#[testkit::test]
async fn an_effect_is_sent_only_after_its_intent_and_all_before_it_are_durable(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    let id = app.publish(&pay(&outside.url(), "timeout: 1m")).await;
    let run = app.run(&id, json!({})).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    let calls = outside.so_far();
    assert_eq!(calls.len(), 1);
    let journal = &calls[0].journal;
    let text = Value::Array(journal.clone()).to_string();
    assert!(text.contains("prefix-of-the-run"), "what came before is missing: {text}");
    let intent = journal.last().unwrap();
    assert!(intent["i"].is_array(), "the last record is no intent: {intent}");
    // It holds what is sent, not the expressions that gave it.
    assert!(intent.to_string().contains(&calls[0].body["luck"].to_string()), "{intent}");
    assert!(!intent.to_string().contains("Math.random"), "{intent}");
}

#[testkit::test]
async fn a_stop_waits_for_the_answer_of_an_effect_that_is_under_way(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    outside.hold();
    let id = app.publish(&pay(&outside.url(), "may_have_run: ask")).await;
    let run = app.start(&id, json!({})).await;
    outside.calls(1).await;
    let live = format!("http://{}/live", app.address());
    let answer_late = async {
        eventually("the listener to be closed", async || reqwest::get(&live).await.err()).await;
        outside.answer(1);
    };
    tokio::join!(app.stop(), answer_late);
    app.revive().await;
    let run = app.wait_run(&run).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    assert_eq!(outside.so_far().len(), 1);
}

/// A run that is cut off while its effect is on its way; gives the run.
async fn cut_off(app: &mut TestApp, outside: &Outside, policy: &str) -> String {
    outside.hold();
    let settings = format!("may_have_run: {policy}");
    let id = app.publish(&pay(&outside.url(), &settings)).await;
    let run = app.start(&id, json!({})).await;
    outside.calls(1).await;
    app.crash().await;
    outside.answer(100);
    app.revive().await;
    run
}

#[testkit::test]
async fn an_effect_that_may_be_repeated_is_sent_again_byte_for_byte(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    let run = cut_off(app, &outside, "retry").await;
    let run = app.wait_run(&run).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    let calls = outside.so_far();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[1].body, calls[0].body);
    assert_eq!(key(&calls[1]), key(&calls[0]));
}

#[testkit::test]
async fn an_effect_that_may_have_run_waits_for_a_person_where_nothing_else_is_said(
    app: &mut TestApp,
) {
    for (decision, status, calls) in
        [("retry", "succeeded", 2), ("done", "succeeded", 1), ("fail", "failed", 1)]
    {
        let outside = Outside::start(&app.database).await;
        let run = cut_off(app, &outside, "ask").await;
        app.wait_status(&run, &["waiting"]).await;
        assert_eq!(outside.so_far().len(), 1, "it was repeated without being asked");
        let answer = json!({ "node": "Charge", "decision": decision });
        let path = format!("/v1/runs/{run}/answer");
        app.owner().post(&path, &answer).await.expect(200);
        let run = app.wait_run(&run).await;
        assert_eq!(run["status"], status, "{decision}: {run}");
        assert_eq!(outside.so_far().len(), calls, "{decision}");
        app.owner().post(&path, &answer).await.refused(409, "request.conflict");
    }
}

#[testkit::test]
async fn an_effect_that_may_have_run_fails_where_the_node_says_so(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    let run = cut_off(app, &outside, "fail").await;
    let run = app.wait_run(&run).await;
    assert_eq!(run["error"]["code"], "run.may_have_run", "{run}");
    assert_eq!(run["error"]["node"], "Charge");
    assert_eq!(outside.so_far().len(), 1);
}

#[testkit::test]
async fn effects_that_are_known_to_have_happened_are_not_repeated_item_by_item(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    let url = outside.url();
    let workflow = format!(
        "
format: 1
name: Each
nodes:
  - {{ name: Start, type: core.manual }}
  - name: Charge
    type: core.http_request
    parameters: {{ method: POST, url: '{url}/', body: {{ kind: json, value: {{ n: '={{{{ $json.n }}}}' }} }} }}
    may_have_run: retry
connections: [ Start -> Charge ]
"
    );
    let id = app.publish(&workflow).await;
    let input: Vec<_> = (0..40).map(|n| json!({ "n": n })).collect();
    let run = app.run(&id, json!(input)).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    let calls = outside.so_far();
    assert_eq!(calls.len(), 40);
    let mut keys: Vec<_> = calls.iter().map(key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 40, "each item has a key of its own");
    // An intent stands only for items that were being started.
    let first = calls.iter().find(|call| call.body["n"] == 0).unwrap();
    let intents: Vec<_> = first.journal.iter().filter(|record| record["i"].is_array()).collect();
    assert_eq!(intents.len(), 1);
    assert!(intents[0]["i"][2].as_array().unwrap().len() < 40, "{}", intents[0]);
}
