//! An application of one's own is FlowForge with more in it: the example of the documentation.

#[path = "../examples/parcels/main.rs"]
mod application;

use flowforge::App;
use kernel::Value;
use serde_json::json;
use testkit::TestApp;

const PRICED: &str = "
format: 1
name: Priced
nodes:
  - { name: Ask, type: core.webhook, parameters: { path: postage, method: POST, respond: last_node } }
  - { name: Postage, type: parcels.postage, parameters: { grams: '={{ $json.body.grams }}' } }
connections: [ Ask -> Postage ]
";

async fn application() -> TestApp {
    TestApp::start_app(application::app(), &[], None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_jobs_and_tables_of_an_application_work_together() {
    let app = application().await;
    let parcel = json!({ "receiver": "Ada", "grams": 1200 });
    let added = app.owner().post("/v1/parcels", &parcel).await.expect(201).json;
    assert_eq!(added["announced"], false);
    let announced = async || {
        let seen = app.owner().get("/v1/parcels").await.expect(200).json;
        (seen["items"][0]["announced"] == true).then_some(seen)
    };
    let seen = testkit::eventually("the announcement", announced).await;
    assert_eq!(seen["items"][0]["id"], added["id"]);
    let wrong = json!({ "receiver": "", "grams": 0 });
    let refused = app.owner().post("/v1/parcels", &wrong).await.refused(422, "request.invalid");
    assert_eq!(refused.json["errors"].as_array().unwrap().len(), 2, "{}", refused.text);
    app.api_key(&["parcel.read"])
        .await
        .post("/v1/parcels", &parcel)
        .await
        .refused(403, "auth.forbidden");
    let audit = app.owner().get("/v1/audit?action=parcel.added").await.expect(200).json;
    assert_eq!(audit["items"].as_array().unwrap().len(), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_types_of_an_application_run_in_workflows() {
    let app = application().await;
    app.publish(PRICED).await;
    let answer = app.hook("postage", &json!({ "grams": 1200 })).await.expect(200);
    assert_eq!(answer.json[0]["cents"], 499, "{}", answer.text);
    let types = app.owner().get("/v1/node-types?limit=200").await.expect(200).json;
    let known = types["items"].as_array().unwrap();
    assert!(known.iter().any(|kind| kind["name"] == "parcels.postage"));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_document_describes_the_functions_of_an_application() {
    let app = application().await;
    let document = app.anon().get("/v1/openapi.json").await.expect(200).json;
    assert_eq!(document["paths"]["/v1/parcels"]["post"]["operationId"], "add_parcel");
    assert_ne!(document["paths"]["/v1/workflows"], Value::Null);
    app.finish().await;
}

#[test]
fn what_collides_is_refused_and_named() {
    let refused = |app: App| app.check().unwrap_err().detail;
    let again = application::app().functions(&[application::parcels::add_parcel::FUNCTION]);
    assert!(refused(again).contains("add_parcel"));
    let again = application::app().nodes(&[application::postage::NODE]);
    assert!(refused(again).contains("parcels.postage@1"));
    let again = application::app().jobs(&[application::announce::JOB]);
    assert!(refused(again).contains("parcel.announce"));
    let low =
        flowforge::Migration { number: 1, name: "0001__mine", text: "-- oldest-binary: 0.1.0" };
    assert!(refused(App::new().migrations(&[low])).contains("0001__mine"));
    assert!(application::app().check().is_ok());
}
