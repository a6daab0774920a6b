//! The examples run on the engine and do what they say.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod reference;
mod support;

use engine::RunStatus;
use kernel::Value;
use node::ReplyBody;
use reference::Reference;
use serde_json::json;
use support::World;

/// A JSON value with every number as a double, so that 4 and 4.0 are the same.
fn loosely(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64().unwrap()),
        Value::Array(list) => list.iter().map(loosely).collect(),
        Value::Object(object) => {
            object.iter().map(|(key, value)| (key.clone(), loosely(value))).collect()
        }
        value => value.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quakes_near_airports_answers_what_postgresql_works_out() {
    let world = World::new().await;
    let reference = Reference::load(&world.test).await;
    let graph = world.publish("quakes-near-airports.yaml").await;
    for (least, radius_km) in [(4.0, 200.0), (2.5, 100.0), (-5.0, 50.0), (9.0, 100.0)] {
        let body = json!({ "min_magnitude": least, "radius_km": radius_km });
        let (answer, view) = world.run(&graph, json!({ "body": body })).await;
        assert_eq!(answer.status, RunStatus::Succeeded, "{:?}", answer.error);
        let Some(ReplyBody::Json(reply)) = answer.reply.map(|reply| reply.body) else {
            panic!("no JSON was answered: {view:?}");
        };
        let expected = reference.answer(least, radius_km).await;
        assert_eq!(loosely(&reply["totals"]), loosely(&expected["totals"]), "{least} {radius_km}");
        assert_eq!(loosely(&reply["groups"]), loosely(&expected["groups"]), "{least} {radius_km}");

        let groups = expected["groups"].as_array().unwrap();
        let table = world.written("quakes-near-airports.csv");
        assert_eq!(table.lines().count(), groups.len() + 1, "{table}");
        let report = world.written("quakes-near-airports.html");
        assert!(report.contains("<svg") && report.ends_with("</html>\n"));
        assert_eq!(report.matches("<tr>").count(), groups.len() + 1);
        let circles = report.matches("<circle").count() as f64;
        let totals = loosely(&expected["totals"]);
        let marked = |name: &str| totals[name].as_f64().unwrap();
        assert!((circles - marked("earthquakes_near") - marked("airports_near")).abs() < 0.5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quakes_near_airports_fills_in_what_the_caller_left_out() {
    let world = World::new().await;
    let graph = world.publish("quakes-near-airports.yaml").await;
    let (answer, _) = world.run(&graph, json!({ "body": {} })).await;
    assert_eq!(answer.status, RunStatus::Succeeded, "{:?}", answer.error);
    let Some(ReplyBody::Json(reply)) = answer.reply.map(|reply| reply.body) else {
        panic!("no JSON was answered");
    };
    let limits = json!([reply["min_magnitude"], reply["radius_km"]]);
    assert_eq!(loosely(&limits), json!([2.5, 100.0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_approved_and_shipped() {
    let world = World::new().await;
    let graph = world.publish("order-approval.yaml").await;
    let cases = [("DE", 1200, 202, "Hamburg"), ("US", 10, 200, "Reno"), ("NZ", 10, 200, "none")];
    for (id, (country, total, status, warehouse)) in cases.into_iter().enumerate() {
        let body = json!({ "id": id, "country": country, "total": total });
        let (answer, _) = world.run(&graph, json!({ "body": body })).await;
        assert_eq!(answer.status, RunStatus::Succeeded, "{:?}", answer.error);
        assert_eq!(answer.reply.unwrap().status, status, "{country}");
        let record = world.written(&format!("order-{id}.json"));
        assert!(record.contains(&format!("\"warehouse\":\"{warehouse}\"")), "{record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_small_examples_write_what_they_say() {
    let world = World::new().await;
    world.publish("price-of-an-order-line.yaml").await;
    let cases = [
        ("fan-out-and-join.yaml", "fan-out-and-join.json", r#"{"items":161,"sum":5050}"#),
        ("loop.yaml", "loop.json", r#"{"n":10,"sum":55}"#),
        ("wait.yaml", "wait-after.txt", "after"),
        ("retry-and-error-output.yaml", "retry-and-error-output.json", r#"{"outcome":"failed"}"#),
        ("invoice.yaml", "invoice.json", r#"{"total":28.1,"lines":2}"#),
    ];
    for (file, written, expected) in cases {
        let graph = world.publish(file).await;
        let (answer, view) = world.run(&graph, json!({})).await;
        assert_eq!(answer.status, RunStatus::Succeeded, "{file}: {:?} {view:?}", answer.error);
        assert_eq!(world.written(written).trim(), expected, "{file}");
    }
    let graph = world.publish("weather-by-kind.yaml").await;
    let (answer, _) = world.run(&graph, json!({})).await;
    assert_eq!(answer.status, RunStatus::Succeeded, "{:?}", answer.error);
    let table = world.written("weather-by-kind.csv");
    assert_eq!(table.lines().nth(1).unwrap().split(',').next(), Some("rain"), "{table}");
}
