//! Runs that repeat others: from what failed on, from a node on; and how two runs differ.

use serde_json::{Value, json};
use testkit::{Outside, TestApp};

/// Charges, waits, then asks somebody who may refuse.
fn charging(url: &str) -> String {
    format!(
        "
format: 1
name: Charging
settings: {{ labels: [ shop ] }}
nodes:
  - {{ name: Start, type: core.manual }}
  - {{ name: Charge, type: core.http_request, parameters: {{ method: POST, url: '{url}/charge' }} }}
  - {{ name: Tell, type: core.http_request, parameters: {{ method: POST, url: '{url}/tell', body: {{ kind: json, value: {{ n: '={{{{ $json.call }}}}' }} }} }} }}
  - {{ name: End, type: core.set, parameters: {{ fields: [ {{ name: n, value: \"={{{{ $('Start').item.json.n }}}}\" }} ] }} }}
connections: [ Start -> Charge, Charge -> Tell, Tell -> End ]
"
    )
}

async fn repeat(app: &TestApp, run: &str, how: &str, body: Value) -> Value {
    let path = format!("/v1/runs/{run}/{how}");
    let new = app.owner().post(&path, &body).await.expect(202).run_id();
    app.wait_run(&new).await
}

fn paths(outside: &Outside) -> Vec<String> {
    outside.so_far().into_iter().map(|call| call.path).collect()
}

#[testkit::test]
async fn a_retry_takes_over_what_succeeded_and_repeats_no_effect_of_it(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    let id = app.publish(&charging(&outside.url())).await;
    outside.fail_with(&[422, 200]);
    let failed = app.run(&id, json!({ "n": 7 })).await;
    assert_eq!(failed["status"], "failed", "{failed}");
    let old = failed["run_id"].as_str().unwrap();
    let new = repeat(app, old, "retry", json!({})).await;
    assert_eq!(new["status"], "succeeded", "{new}");
    assert_eq!(paths(&outside), ["/charge", "/tell", "/tell"]);
    assert_eq!(new["origin"], old);
    assert_eq!(new["labels"], json!([format!("origin:{old}"), "shop"]));
    let nodes = &new["nodes"];
    assert_eq!(nodes["Charge"][0]["taken_over"], true);
    assert_eq!(nodes["Charge"][0]["outputs"], failed["nodes"]["Charge"][0]["outputs"]);
    assert_eq!(nodes["Tell"][0]["taken_over"], false);
    // Expressions still reach back through what was taken over.
    assert_eq!(nodes["End"][0]["outputs"][0][0]["json"]["n"], 7);
    let found = app.owner().get(&format!("/v1/runs?label=origin:{old}")).await.expect(200).json;
    assert_eq!(found["items"][0]["run_id"], new["run_id"]);
}

#[testkit::test]
async fn what_is_taken_over_survives_a_crash_of_the_new_run(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    let id = app.publish(&charging(&outside.url())).await;
    outside.fail_with(&[422, 200]);
    let failed = app.run(&id, json!({ "n": 7 })).await;
    let old = failed["run_id"].as_str().unwrap().to_owned();
    outside.hold();
    let path = format!("/v1/runs/{old}/retry");
    let new = app.owner().post(&path, &json!({})).await.expect(202).run_id();
    outside.calls(3).await;
    app.crash().await;
    outside.answer(9);
    app.revive().await;
    let new = app.wait_status(&new, &["waiting", "succeeded", "failed"]).await;
    assert_eq!(new["nodes"]["Charge"][0]["taken_over"], true, "{new}");
    assert_eq!(paths(&outside).iter().filter(|path| *path == "/charge").count(), 1);
    if new["status"] == "waiting" {
        let answer = json!({ "node": "Tell", "decision": "done" });
        let path = format!("/v1/runs/{}/answer", new["run_id"].as_str().unwrap());
        app.owner().post(&path, &answer).await.expect(200);
        app.wait_run(new["run_id"].as_str().unwrap()).await;
    }
}

#[testkit::test]
async fn a_retry_repeats_only_the_items_that_failed(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    let id = app.publish(&charging(&outside.url())).await;
    outside.fail_with(&[200, 422, 200]);
    let input = json!([{ "n": 1 }, { "n": 2 }, { "n": 3 }]);
    let failed = app.run(&id, input).await;
    assert_eq!(failed["status"], "failed", "{failed}");
    let calls = outside.so_far().len();
    let new = repeat(app, failed["run_id"].as_str().unwrap(), "retry", json!({})).await;
    assert_eq!(new["status"], "succeeded", "{new}");
    let charged = paths(&outside)[calls..].iter().filter(|path| *path == "/charge").count();
    assert_eq!(charged, 1, "{:?}", paths(&outside));
    let end = new["nodes"]["End"][0]["outputs"][0].as_array().unwrap();
    assert!(end.iter().map(|item| &item["json"]["n"]).eq(&[json!(1), json!(2), json!(3)]));
}

#[testkit::test]
async fn a_retry_on_the_newest_version_runs_what_was_changed(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    let document = charging(&outside.url());
    let id = app.publish(&document).await;
    outside.fail_with(&[422, 200]);
    let failed = app.run(&id, json!({ "n": 7 })).await;
    let old = failed["run_id"].as_str().unwrap();
    let mended = document.replace("/tell", "/told");
    let request = app.owner().request(reqwest::Method::PUT, &format!("/v1/workflows/{id}"));
    let request = request.header("content-type", "application/yaml").body(mended);
    testkit::Reply::of(request).await.expect(200);
    let path = format!("/v1/workflows/{id}/publish");
    app.owner().post(&path, &json!({})).await.expect(200);
    let new = repeat(app, old, "retry", json!({ "version": "newest" })).await;
    assert_eq!(new["status"], "succeeded", "{new}");
    assert_eq!(paths(&outside), ["/charge", "/tell", "/told"]);
    assert_ne!(new["version_id"], failed["version_id"]);
    let same = repeat(app, old, "retry", json!({ "version": "same" })).await;
    assert_eq!(same["version_id"], failed["version_id"]);
}

#[testkit::test]
async fn a_run_goes_on_from_a_node_with_other_input(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    let id = app.publish(&charging(&outside.url())).await;
    let first = app.run(&id, json!({ "n": 7 })).await;
    let old = first["run_id"].as_str().unwrap();
    let body = json!({ "node": "Tell", "input": { "call": "edited" } });
    let new = repeat(app, old, "run-from", body).await;
    assert_eq!(new["status"], "succeeded", "{new}");
    assert_eq!(paths(&outside), ["/charge", "/tell", "/tell"]);
    assert_eq!(outside.so_far()[2].body, json!({ "n": "edited" }));
    let run = new["run_id"].as_str().unwrap();
    let path = format!("/v1/runs/{run}/activations?node=Tell");
    let line = &app.owner().get(&path).await.expect(200).json["items"][0];
    assert_eq!((&line["edited"], &line["input_counts"]), (&json!(true), &json!([1])));
    let path = format!("/v1/runs/{run}/activations/{}/items?side=input", line["id"]);
    let came_in = app.owner().get(&path).await.expect(200).json;
    assert_eq!(came_in["items"][0]["json"], json!({ "call": "edited" }));
    // From its trigger on it is a new run with other input.
    let body = json!({ "node": "Start", "input": { "n": 8 } });
    let anew = repeat(app, old, "run-from", body).await;
    assert_eq!(anew["nodes"]["End"][0]["outputs"][0][0]["json"]["n"], 8);
    assert_eq!(anew["nodes"]["Charge"][0]["taken_over"], false);
}

#[testkit::test]
async fn what_cannot_be_repeated_is_refused_with_its_reason(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    let id = app.publish(&charging(&outside.url())).await;
    let run = app.run(&id, json!({ "n": 7 })).await;
    let base = format!("/v1/runs/{}", run["run_id"].as_str().unwrap());
    let owner = app.owner();
    let retry = format!("{base}/retry");
    owner.post(&retry, &json!({})).await.refused(409, "run.succeeded");
    owner.post(&retry, &json!({ "version": "odd" })).await.refused(422, "request.invalid");
    let from = format!("{base}/run-from");
    for (body, status, code) in [
        (json!({ "node": "Nobody" }), 422, "workflow.unknown_node"),
        (json!({ "node": "Tell", "activation": 0 }), 409, "run.node_not_reached"),
        (json!({ "node": "Tell", "inputs": { "odd": [] } }), 422, "workflow.unknown_port"),
        (json!({ "node": "Tell", "input": 3 }), 422, "request.invalid"),
        (json!({}), 422, "request.invalid"),
    ] {
        owner.post(&from, &body).await.refused(status, code);
    }
    let stranger = "/v1/runs/00000000-0000-7000-8000-000000000000/retry";
    owner.post(stranger, &json!({})).await.refused(404, "run.not_found");
    outside.hold();
    let live = app.start(&id, json!({})).await;
    outside.calls(3).await;
    let path = format!("/v1/runs/{live}/retry");
    owner.post(&path, &json!({})).await.refused(409, "run.not_finished");
    outside.answer(9);
    app.wait_run(&live).await;
}

#[testkit::test]
async fn a_node_before_which_something_failed_cannot_be_taken_up(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    let id = app.publish(&charging(&outside.url())).await;
    outside.fail_with(&[422]);
    let run = app.run(&id, json!({ "n": 7 })).await;
    let path = format!("/v1/runs/{}/run-from", run["run_id"].as_str().unwrap());
    let refused = app.owner().post(&path, &json!({ "node": "End" })).await;
    refused.refused(409, "run.node_not_reached");
}

#[testkit::test]
async fn masked_values_are_never_taken_over(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    let document = charging(&outside.url()).replace("settings: {", "settings: { redact: [ call ],");
    let id = app.publish(&document).await;
    outside.fail_with(&[422, 200]);
    let failed = app.run(&id, json!({ "n": 7 })).await;
    assert_eq!(failed["nodes"]["Charge"][0]["outputs"][0][0]["json"]["call"], "[redacted]");
    let old = failed["run_id"].as_str().unwrap();
    let new = repeat(app, old, "retry", json!({})).await;
    assert_eq!(new["nodes"]["Charge"][0]["taken_over"], false, "{new}");
    assert_eq!(paths(&outside), ["/charge", "/tell", "/charge", "/tell"]);
    let document = charging(&outside.url()).replace("settings: {", "settings: { redact: [ n ],");
    let id = app.publish(&document.replace("Charging", "Masked")).await;
    outside.fail_with(&[422]);
    let failed = app.run(&id, json!({ "n": 7 })).await;
    let path = format!("/v1/runs/{}/retry", failed["run_id"].as_str().unwrap());
    app.owner().post(&path, &json!({})).await.refused(409, "run.redacted");
}

#[testkit::test]
async fn two_runs_are_compared_node_by_node(app: &mut TestApp) {
    let document = "
format: 1
name: Compared
nodes:
  - { name: Start, type: core.manual }
  - { name: Many, type: core.code, parameters: { code: 'return Array.from({length: items[0].json.count}, (_, n) => ({json: {n, own: items[0].json.own}}))' } }
  - { name: Same, type: core.set, parameters: { keep: none, fields: [ { name: fixed, value: 1 } ] } }
connections: [ Start -> Many, Start -> Same ]
";
    let id = app.publish(document).await;
    let one = app.run(&id, json!({ "count": 2, "own": "a", "deep": { "x/y": [1, 2] } })).await;
    let other = app.run(&id, json!({ "count": 3, "own": "b", "deep": { "x/y": [1, 3] } })).await;
    let [one, other] = [one, other].map(|run| run["run_id"].as_str().unwrap().to_owned());
    let path = format!("/v1/runs/{one}/compare?with={other}");
    let compared = app.owner().get(&path).await.expect(200).json;
    assert_eq!((&compared["same"], &compared["right"]["run_id"]), (&json!(false), &json!(other)));
    let node = |name: &str| {
        let nodes = compared["nodes"].as_array().unwrap();
        nodes.iter().find(|node| node["node"] == name).unwrap().clone()
    };
    assert_eq!(node("Same")["same"], true, "{compared}");
    let pointers: Vec<_> = node("Start")["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["pointer"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(pointers, ["/count", "/own", "/deep/x~1y/1"]);
    let many = node("Many");
    assert_eq!(
        (&many["left"]["item_counts"], &many["right"]["item_counts"]),
        (&json!([2]), &json!([3]))
    );
    let added = many["changes"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&added["kind"], &added["item"], &added["pointer"]),
        (&json!("added"), &json!(2), &json!(""))
    );
    let own = format!("/v1/runs/{one}/compare?with={one}");
    assert_eq!(app.owner().get(&own).await.expect(200).json["same"], true);
    let large = app.run(&id, json!({ "count": 500, "own": "c" })).await;
    let path = format!("/v1/runs/{one}/compare?with={}", large["run_id"].as_str().unwrap());
    let compared = app.owner().get(&path).await.expect(200).json;
    let many =
        compared["nodes"].as_array().unwrap().iter().find(|node| node["node"] == "Many").unwrap();
    assert_eq!(
        (many["changes"].as_array().unwrap().len(), &many["more_changes"]),
        (50, &json!(true))
    );
    app.owner().get(&format!("/v1/runs/{one}/compare?with=x")).await.refused(404, "run.not_found");
    app.owner().get(&format!("/v1/runs/{one}/compare")).await.refused(422, "request.invalid");
}
