//! The SQL that the main example is checked against gives what a hand-made computation gave.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::fs;

use futures::SinkExt;
use kernel::Value;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data");
const QUERY: &str = include_str!("quakes_reference.sql");

async fn answer(client: &db::Client, least: f64, radius_km: f64) -> Value {
    let feed = fs::read_to_string(format!("{EXAMPLES}/earthquakes.json")).unwrap();
    let row = client.query_one(QUERY, &[&feed, &least, &radius_km]).await.unwrap();
    row.get("answer")
}

#[tokio::test]
async fn the_reference_counts_pairs_in_the_closed_radius() {
    let test = db::testing::empty_database().await;
    let client = test.superuser().await;
    client
        .batch_execute(
            "CREATE TEMP TABLE reference_airports (iata text, name text, city text, state text,
             country text, latitude float8, longitude float8)",
        )
        .await
        .unwrap();
    let copy = "COPY reference_airports FROM STDIN (FORMAT csv, HEADER)";
    let sink = client.copy_in::<_, bytes::Bytes>(copy).await.unwrap();
    let mut sink = std::pin::pin!(sink);
    sink.send(fs::read(format!("{EXAMPLES}/airports.csv")).unwrap().into()).await.unwrap();
    sink.close().await.unwrap();

    let strong = answer(&client, 4.0, 200.0).await;
    assert_eq!(
        strong["totals"],
        serde_json::json!({ "earthquakes": 128, "airports": 3376, "pairs": 19,
            "earthquakes_near": 3, "airports_near": 19 })
    );
    assert_eq!(
        strong["groups"],
        serde_json::json!([
            { "state": "AK", "severity": "light", "pairs": 6, "earthquakes": 2, "airports": 6,
              "max_magnitude": 4.1, "nearest_km": 95.481 },
            { "state": "CA", "severity": "light", "pairs": 11, "earthquakes": 1, "airports": 11,
              "max_magnitude": 4.33, "nearest_km": 112.175 },
            { "state": "OR", "severity": "light", "pairs": 2, "earthquakes": 1, "airports": 2,
              "max_magnitude": 4.33, "nearest_km": 171.258 },
        ])
    );
    let usual = answer(&client, 2.5, 100.0).await;
    assert_eq!(
        usual["totals"],
        serde_json::json!({ "earthquakes": 297, "airports": 3376, "pairs": 674,
            "earthquakes_near": 100, "airports_near": 266 })
    );
    assert_eq!(usual["groups"].as_array().unwrap().len(), 24);
    let none = answer(&client, 9.0, 100.0).await;
    assert_eq!(none["groups"], serde_json::json!([]));
}
