//! The committed JSON Schema of documents is the one the program checks them by.

#[test]
fn the_schema_in_contracts_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/workflow.schema.json");
    let current =
        format!("{}\n", serde_json::to_string_pretty(workflow::document::json_schema()).unwrap());
    if std::env::var_os("UPDATE_CONTRACTS").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == current,
        "contracts/workflow.schema.json is out of date; run the tests with UPDATE_CONTRACTS=1"
    );
}
