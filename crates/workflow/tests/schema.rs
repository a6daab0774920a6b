//! The committed JSON Schema of documents is the one the program checks them by.

#[test]
fn the_schema_contract_is_current() {
    let current =
        format!("{}\n", serde_json::to_string_pretty(workflow::document::json_schema()).unwrap());
    checkout::assert_current("contracts/workflow.schema.json", &current);
}
