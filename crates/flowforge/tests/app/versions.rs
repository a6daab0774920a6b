//! Versions: compared, published again, taken back into the draft.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Actor, TestApp};

/// A hook that answers with a text.
fn answering(text: &str) -> String {
    format!(
        "# {text}
format: 1
name: Answering
nodes:
  - {{ name: Ask, type: core.webhook, parameters: {{ path: answering, method: POST, respond: node }} }}
  - {{ name: Answer, type: core.respond, parameters: {{ with: json, body: {{ text: {text} }} }} }}
connections: [ Ask -> Answer ]
"
    )
}

async fn put(owner: &Actor, path: &str, yaml: &str) -> Value {
    let request = owner.request(Method::PUT, path).header("content-type", "application/yaml");
    testkit::Reply::of(request.body(yaml.to_owned())).await.expect(200).json
}

async fn answer(app: &TestApp) -> Value {
    app.hook("answering", &json!({})).await.expect(200).json["text"].clone()
}

#[testkit::test]
async fn an_older_version_is_published_again_or_taken_back_into_the_draft(app: &mut TestApp) {
    let id = app.publish(&answering("one")).await;
    let (owner, path) = (app.owner(), format!("/v1/workflows/{id}"));
    put(&owner, &path, &answering("two")).await;
    let publish = format!("{path}/publish?note=Says%20two&revision=2");
    owner.post(&publish, &json!({})).await.expect(200);
    assert_eq!(answer(app).await, "two");

    let rolled = owner.post(&format!("{path}/versions/1/publish"), &json!({})).await.expect(200);
    assert_eq!((&rolled.json["number"], &rolled.json["revision"]), (&json!(1), &json!(2)));
    assert_eq!(answer(app).await, "one");
    let versions = owner.get(&format!("{path}/versions")).await.expect(200).json;
    let of = |index: usize, key: &str| versions["items"][index][key].clone();
    assert_eq!((of(0, "note"), of(0, "published")), (json!("Says two"), json!(false)));
    assert_eq!((of(1, "number"), of(1, "published")), (json!(1), json!(true)));
    assert_eq!(of(1, "hash").as_str().unwrap().len(), 64);

    let back = format!("{path}/versions/1/restore");
    let stale = owner.post(&format!("{back}?revision=1"), &json!({})).await;
    stale.refused(409, "request.conflict");
    owner.post(&format!("{back}?revision=2"), &json!({})).await.expect(200);
    let draft = owner.get(&format!("{path}?source=yaml")).await.expect(200).json;
    assert!(draft["source"]["text"].as_str().unwrap().starts_with("# one\n"), "{draft}");
    let one = owner.get(&format!("{path}/versions/published?source=json")).await.expect(200).json;
    assert_eq!(one["document"]["nodes"][0]["type"], "core.webhook@1");
    // The same content is the same version.
    let again = owner.post(&format!("{path}/publish"), &json!({})).await.expect(200);
    assert_eq!(again.json["number"], 1);
    for unknown in ["7", "00000000-0000-0000-0000-000000000001", "newest"] {
        let refused = owner.get(&format!("{path}/versions/{unknown}")).await;
        refused.refused(404, "workflow.version_not_found");
    }
}

#[testkit::test]
async fn what_is_unpublished_no_longer_answers_and_has_nothing_to_compare_with(app: &mut TestApp) {
    let id = app.publish(&answering("one")).await;
    let (owner, path) = (app.owner(), format!("/v1/workflows/{id}"));
    assert_eq!(answer(app).await, "one");
    for _ in 0..2 {
        let gone = owner.post(&format!("{path}/unpublish"), &json!({})).await.expect(200);
        assert!(gone.json.get("published_version").is_none(), "{}", gone.text);
    }
    app.hook("answering", &json!({})).await.refused(404, "hook.not_found");
    let runs = owner.post(&format!("{path}/runs"), &json!({})).await;
    runs.refused(409, "workflow.not_published");
    owner.get(&format!("{path}/diff")).await.refused(409, "workflow.not_published");
    let same = owner.get(&format!("{path}/diff?from=1")).await.expect(200).json;
    assert_eq!(same["same"], true, "a version without its spelled-out types: {same}");
    owner.post(&format!("{path}/versions/1/publish"), &json!({})).await.expect(200);
    assert_eq!(answer(app).await, "one");
}

#[testkit::test]
async fn a_comparison_says_what_changed_and_where(app: &mut TestApp) {
    let before = "
format: 1
name: Compared
settings: { timeout: 1m }
nodes:
  - { name: In, type: core.manual }
  - { name: A/B, type: core.set, parameters: { fields: [ { name: x, value: 1 }, { name: y, value: 2 } ] } }
  - { name: Old, type: core.limit, parameters: { count: 7 } }
  - { name: Gone, type: core.no_op }
connections: [ In -> A/B, A/B -> Old, Old -> Gone ]
pinned: { Old: [ { json: { a: 1 } } ] }
";
    let after = "
format: 1
name: Compared
settings: { timeout: 2m, timezone: Europe/Berlin }
nodes:
  - { name: In, type: core.manual }
  - { name: A/B, type: core.set, parameters: { fields: [ { name: x, value: '1' } ], keep: all } }
  - { name: New, type: core.limit, parameters: { count: 7 } }
  - { name: Come, type: core.stop_and_error, parameters: { message: no } }
connections: [ 'In:0 -> A/B', A/B -> New, New -> Come ]
pinned: { New: [ { json: { a: 1 } } ] }
";
    let id = app.publish(before).await;
    let (owner, path) = (app.owner(), format!("/v1/workflows/{id}"));
    put(&owner, &path, after).await;
    // Quadratic work would take minutes, and be answered with 504.
    let diff = owner.get(&format!("{path}/diff")).await.expect(200).json;
    assert_eq!((&diff["from"]["number"], &diff["to"]["revision"]), (&json!(1), &json!(2)));
    assert_eq!(
        diff["nodes_changed"],
        json!([
            { "name": "A/B", "changes": [
                { "pointer": "/parameters/fields/0/value", "old": 1, "new": "1" },
                { "pointer": "/parameters/fields/1", "old": { "name": "y", "value": 2 } },
                { "pointer": "/parameters/keep", "new": "all" },
            ] },
            { "name": "New", "renamed_from": "Old", "changes": [] },
        ])
    );
    assert_eq!(diff["nodes_added"][0]["name"], "Come");
    assert_eq!(diff["nodes_removed"][0]["name"], "Gone");
    assert_eq!(diff["connections_added"], json!(["New -> Come"]));
    assert_eq!(diff["connections_removed"], json!(["New -> Gone"]));
    assert_eq!(
        diff["settings"],
        json!([
            { "pointer": "/timeout", "old": "1m", "new": "2m" },
            { "pointer": "/timezone", "new": "Europe/Berlin" },
        ])
    );
    assert_eq!((&diff["document"], &diff["same"]), (&json!([]), &json!(false)));
}

/// A chain of so many nodes.
fn chain(count: usize, shift: usize) -> String {
    let node = |index: usize| match index {
        0 => "{ \"name\": \"In\", \"type\": \"core.manual\" }".to_owned(),
        index => format!(
            "{{ \"name\": \"Node {index}\", \"type\": \"core.set\", \"parameters\": \
             {{ \"fields\": [ {{ \"name\": \"x\", \"value\": {} }} ] }} }}",
            index + shift
        ),
    };
    let name = |index: usize| if index == 0 { "In".to_owned() } else { format!("Node {index}") };
    let nodes: Vec<String> = (0..count).map(node).collect();
    let connections: Vec<String> =
        (1..count).map(|to| format!("\"{} -> {}\"", name(to - 1), name(to))).collect();
    format!(
        "{{ \"format\": 1, \"name\": \"Long\", \"nodes\": [{}], \"connections\": [{}] }}",
        nodes.join(","),
        connections.join(",")
    )
}

#[testkit::test]
async fn versions_of_5_000_nodes_are_compared_within_the_time_of_a_request(app: &mut TestApp) {
    let owner = app.owner();
    let stored = owner.post_text("/v1/workflows", "application/json", &chain(5_000, 0)).await;
    let id = stored.expect(201).json["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/workflows/{id}");
    owner.post(&format!("{path}/publish"), &json!({})).await.expect(200);
    put(&owner, &path, &chain(5_000, 1)).await;
    // Quadratic work would take minutes, and be answered with 504.
    let diff = owner.get(&format!("{path}/diff")).await.expect(200).json;
    assert_eq!(diff["nodes_changed"].as_array().unwrap().len(), 4_999);
    assert_eq!(diff["nodes_changed"][4_998]["changes"][0]["new"], 5_000);
    assert_eq!(diff["connections_added"], json!([]));
    let too_many = owner.post_text("/v1/workflows", "application/json", &chain(5_001, 0)).await;
    too_many.refused(422, "workflow.too_large");
}
