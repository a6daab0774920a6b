//! Node types: found by what they do, shown with form, examples and manual, with options from what is
//! there.

use serde_json::{Value, json};
use testkit::TestApp;

#[testkit::test]
async fn a_node_type_is_found_by_what_it_does_and_shown_with_its_manual(app: &mut TestApp) {
    let owner = app.owner();
    let found = owner.get("/v1/node-types?search=reqest").await.expect(200).json;
    assert_eq!(found["items"][0]["name"], "core.http_request");
    let all = owner.get("/v1/node-types").await.expect(200).json;
    assert_eq!(all["items"].as_array().unwrap().len(), nodes::registry().iter().count());
    for kind in all["items"].as_array().unwrap() {
        let name = kind["name"].as_str().unwrap();
        let one = owner.get(&format!("/v1/node-types/{name}@1")).await.expect(200).json;
        let manual = one["manual"].as_str().unwrap();
        assert!(manual.starts_with(&format!("# {name}\n\n")), "{manual}");
        assert!(!one["examples"].as_array().unwrap().is_empty(), "{name}");
        assert_eq!(one["node_type"]["name"], name);
        assert!(one["form"]["fields"].is_array() && one["form"]["forms"].is_object(), "{one}");
    }
    let unknown = owner.get("/v1/node-types/core.sett").await;
    let unknown = unknown.refused(404, "node.type_not_found");
    assert!(unknown.detail().contains("core.set"), "{}", unknown.detail());
    app.anon().get("/v1/node-types/core.set").await.refused(401, "auth.required");
}

#[testkit::test]
async fn a_parameter_is_offered_the_workflows_of_its_workspace(app: &mut TestApp) {
    let owner = app.owner();
    let draft = "format: 1\nname: Send draft\nnodes: []\n";
    owner.post_text("/v1/workflows", "application/yaml", draft).await.expect(201);
    app.publish("format: 1\nname: Send it\nnodes: [ { name: In, type: core.manual } ]\n").await;
    app.publish("format: 1\nname: Other\nnodes: [ { name: In, type: core.manual } ]\n").await;
    let path = "/v1/node-types/core.execute_workflow/options/workflow";
    let options = owner.post(path, &json!({ "search": "send" })).await.expect(200).json;
    let values = |options: &Value| -> Vec<String> {
        let items = options["items"].as_array().unwrap();
        items.iter().map(|item| item["value"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(values(&options), ["Send it", "Send draft"], "{options}");
    assert_eq!(options["items"][1]["label"], "Send draft (not published)");
    let one = owner.post(path, &json!({ "limit": 1 })).await.expect(200).json;
    assert_eq!((values(&one).len(), &one["more"]), (1, &json!(true)));
    let other = crate::documents::stranger(app).await;
    assert_eq!(values(&other.post(path, &json!({})).await.expect(200).json), [""; 0]);

    let words = "/v1/node-types/core.http_request/options/method";
    let words = owner.post(words, &json!({ "search": "p" })).await.expect(200).json;
    assert_eq!(values(&words), ["OPTIONS", "POST", "PUT", "PATCH"]);
    let none = owner.post("/v1/node-types/core.http_request/options/url", &json!({})).await;
    none.refused(404, "request.not_found");
    let unknown = owner.post("/v1/node-types/core.http_request/options/urk", &json!({})).await;
    let unknown = unknown.refused(404, "request.not_found");
    assert!(unknown.detail().contains("\"url\""), "{}", unknown.detail());
}
