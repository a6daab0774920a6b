//! The SQL that the main example is checked against gives what a hand-made computation gave.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod reference;

use reference::Reference;

#[tokio::test]
async fn the_reference_counts_pairs_in_the_closed_radius() {
    let test = db::testing::empty_database().await;
    let reference = Reference::load(&test).await;
    let strong = reference.answer(4.0, 200.0).await;
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
    let usual = reference.answer(2.5, 100.0).await;
    assert_eq!(
        usual["totals"],
        serde_json::json!({ "earthquakes": 297, "airports": 3376, "pairs": 674,
            "earthquakes_near": 100, "airports_near": 266 })
    );
    assert_eq!(usual["groups"].as_array().unwrap().len(), 24);
    assert_eq!(reference.answer(9.0, 100.0).await["groups"], serde_json::json!([]));
}
