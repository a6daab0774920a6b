//! Looking into a run: activations and items in pages, and what is not shown of them.

use serde_json::{Value, json};
use testkit::{Outside, TestApp};

/// Makes 250 items of one and passes them on.
const MANY: &str = "
format: 1
name: Many
nodes:
  - { name: Start, type: core.manual }
  - { name: Make, type: core.code, parameters: { code: 'return Array.from({length: 250}, (_, n) => ({json: {n}}))' } }
  - { name: Pass, type: core.no_op }
connections: [ Start -> Make, Make -> Pass ]
";

async fn get(app: &TestApp, path: &str) -> Value {
    app.owner().get(path).await.expect(200).json
}

#[testkit::test]
async fn items_are_shown_in_part_and_read_in_pages(app: &mut TestApp) {
    let id = app.publish(MANY).await;
    let run = app.run(&id, json!({})).await;
    let make = &run["nodes"]["Make"][0];
    assert_eq!(make["outputs"][0].as_array().unwrap().len(), 100);
    assert_eq!((&make["item_counts"], &run["activation_count"]), (&json!([250]), &json!(3)));
    let base = format!("/v1/runs/{}", run["run_id"].as_str().unwrap());
    let few = get(app, &format!("{base}?items=2")).await;
    assert_eq!(few["nodes"]["Make"][0]["outputs"][0].as_array().unwrap().len(), 2);
    let lines = get(app, &format!("{base}/activations?node=Pass")).await;
    let pass = &lines["items"][0];
    assert_eq!((&pass["node"], &pass["input_counts"]), (&json!("Pass"), &json!([250])));
    for side in ["input", "output"] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("{base}/activations/2/items?side={side}&limit=120{cursor}");
            let page = get(app, &path).await;
            seen.extend(
                page["items"].as_array().unwrap().iter().map(|item| item["json"]["n"].clone()),
            );
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert!(seen.iter().eq((0..250).map(|n| json!(n)).collect::<Vec<_>>().iter()), "{side}");
    }
    let one = get(app, &format!("{base}/activations/2/items/249")).await;
    assert_eq!((&one["json"], &one["paired_item"]), (&json!({ "n": 249 }), &json!(249)));
}

#[testkit::test]
async fn activations_are_read_in_pages_and_by_state(app: &mut TestApp) {
    let id = app.publish(MANY).await;
    let run = app.start(&id, json!({})).await;
    app.wait_run(&run).await;
    let base = format!("/v1/runs/{run}/activations");
    let first = get(app, &format!("{base}?limit=2")).await;
    let next = first["next"].as_str().unwrap();
    let rest = get(app, &format!("{base}?limit=2&cursor={next}")).await;
    let names: Vec<_> = [&first, &rest]
        .into_iter()
        .flat_map(|page| page["items"].as_array().unwrap())
        .map(|line| line["node"].as_str().unwrap())
        .collect();
    assert_eq!((names, rest["next"].as_str()), (vec!["Start", "Make", "Pass"], None));
    assert_eq!(get(app, &format!("{base}?status=failed")).await["items"], json!([]));
    app.owner().get(&format!("{base}?status=odd")).await.refused(422, "request.invalid");
}

#[testkit::test]
async fn what_is_not_there_is_not_found(app: &mut TestApp) {
    let id = app.publish(MANY).await;
    let run = app.start(&id, json!({})).await;
    app.wait_run(&run).await;
    let base = format!("/v1/runs/{run}/activations");
    for path in
        ["9/items", "x/items", "0/items?port=7", "1/items/250", "1/items/x", "0/items?side=input"]
    {
        let refused = app.owner().get(&format!("{base}/{path}")).await;
        refused.refused(404, "request.not_found");
    }
    for path in
        ["runs/00000000-0000-7000-8000-000000000000/activations", "runs/x/activations/0/items"]
    {
        app.owner().get(&format!("/v1/{path}")).await.refused(404, "run.not_found");
    }
}

#[testkit::test]
async fn a_large_item_is_fetched_by_itself(app: &mut TestApp) {
    let id = app.publish(MANY).await;
    let text = "x".repeat(300_000);
    let run = app.start(&id, json!({ "text": text })).await;
    app.wait_run(&run).await;
    let base = format!("/v1/runs/{run}/activations/0/items");
    let page = get(app, &base).await;
    assert!(page["items"][0]["json"].is_null());
    assert!(page["items"][0]["json_bytes"].as_u64().unwrap() > 300_000);
    assert_eq!(get(app, &format!("{base}/0")).await["json"]["text"], text);
}

#[testkit::test]
async fn a_live_run_is_looked_into(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    outside.hold();
    let url = outside.url();
    let workflow = format!(
        "
format: 1
name: Slow
nodes:
  - {{ name: Start, type: core.manual }}
  - {{ name: Ask, type: core.http_request, parameters: {{ method: POST, url: '{url}/' }} }}
connections: [ Start -> Ask ]
"
    );
    let id = app.publish(&workflow).await;
    let run = app.start(&id, json!({ "n": 7 })).await;
    outside.calls(1).await;
    let base = format!("/v1/runs/{run}/activations");
    assert_eq!(get(app, &format!("{base}?status=running")).await["items"][0]["node"], "Ask");
    let came_in = get(app, &format!("{base}/1/items?side=input")).await;
    assert_eq!(came_in["items"][0]["json"], json!({ "n": 7 }));
    assert_eq!(get(app, &format!("{base}/1/items")).await["items"], json!([]));
    outside.answer(1);
    app.wait_run(&run).await;
}

#[testkit::test]
async fn redacted_fields_are_neither_shown_nor_kept(app: &mut TestApp) {
    let outside = Outside::start(&app.database).await;
    let url = outside.url();
    let workflow = format!(
        "
format: 1
name: Secretive
settings: {{ redact: [ password, cards.number ] }}
nodes:
  - {{ name: Start, type: core.manual }}
  - {{ name: Send, type: core.http_request, parameters: {{ method: POST, url: '{url}/', body: {{ kind: json, value: '={{{{ $json }}}}' }} }} }}
  - {{ name: Keep, type: core.set, parameters: {{ fields: [ {{ name: password, value: \"={{{{ $('Start').item.json.password }}}}\" }} ] }} }}
connections: [ Start -> Send, Send -> Keep ]
"
    );
    let id = app.publish(&workflow).await;
    outside.hold();
    let input = json!({ "password": "hunter2", "cards": [{ "number": 4242, "name": "Ada" }] });
    let run = app.start(&id, input).await;
    outside.calls(1).await;
    let live = app.find_run(&run).await.to_string();
    assert!(!live.contains("hunter2") && !live.contains("4242"), "{live}");
    outside.answer(1);
    let shown = app.wait_run(&run).await;
    assert_eq!(shown["status"], "succeeded", "{shown}");
    let start =
        json!({ "password": "[redacted]", "cards": [{ "number": "[redacted]", "name": "Ada" }] });
    assert_eq!(shown["nodes"]["Start"][0]["outputs"][0][0]["json"], start);
    assert_eq!(shown["nodes"]["Keep"][0]["outputs"][0][0]["json"]["password"], "[redacted]");
    // The effect had the values.
    assert_eq!(outside.so_far()[0].body["password"], "hunter2");
    let items = get(app, &format!("/v1/runs/{run}/activations/0/items/0")).await;
    assert_eq!(items["json"], start);
    let rows = app.sql().await.query("SELECT body FROM forge.history", &[]).await.unwrap();
    let text = engine_text(rows[0].get(0));
    assert!(text.contains("[redacted]") && !text.contains("hunter2") && !text.contains("4242"));
}

/// The text of a stored body.
fn engine_text(body: Vec<u8>) -> String {
    String::from_utf8(engine::codec::decode(&body).unwrap().into_owned()).unwrap()
}

#[testkit::test]
async fn a_file_is_downloaded_whole_in_parts_and_only_when_it_changed(app: &mut TestApp) {
    let bytes: Vec<u8> = (0..2_500_000_u32).map(|n| (n % 251) as u8).collect();
    app.write_file("large.bin", &bytes);
    let document = "
format: 1
name: Files
nodes:
  - { name: Start, type: core.manual }
  - { name: Read, type: core.read_file, parameters: { path: large.bin } }
connections: [ Start -> Read ]
";
    let id = app.publish(document).await;
    let run = app.run(&id, json!({})).await;
    let files = &run["nodes"]["Read"][0]["outputs"][0][0]["binary"];
    let name = files.as_object().unwrap().keys().next().unwrap();
    let blob = files[name]["blob"].as_str().unwrap().to_owned();
    let run = run["run_id"].as_str().unwrap();
    let path = format!("/v1/runs/{run}/activations/1/items/0/files/{name}");
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = app.owner().request(reqwest::Method::GET, &path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    };
    let whole = ask(&[]).await;
    assert_eq!(whole.status(), 200);
    let tag = whole.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(tag, format!("\"{blob}\""));
    assert!(whole.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert_eq!(whole.headers()["accept-ranges"], "bytes");
    assert_eq!(whole.bytes().await.unwrap(), bytes);
    let part = ask(&[("range", "bytes=1048570-1048585")]).await;
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], "bytes 1048570-1048585/2500000");
    assert_eq!(part.headers()["etag"], *tag);
    assert_eq!(part.bytes().await.unwrap(), bytes[1_048_570..1_048_586]);
    let last = ask(&[("range", "bytes=-5"), ("if-range", &tag)]).await;
    assert_eq!(last.bytes().await.unwrap(), bytes[2_499_995..]);
    assert_eq!(ask(&[("range", "bytes=0-1"), ("if-range", "\"other\"")]).await.status(), 200);
    assert_eq!(ask(&[("if-none-match", &tag)]).await.status(), 304);
    assert_eq!(ask(&[("range", "bytes=2500000-")]).await.status(), 416);
    let none = path.replace("files/", "files/other-");
    app.owner().get(&none).await.refused(404, "request.not_found");
}
