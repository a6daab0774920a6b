//! `contracts/nodes.json`: every node type as clients and other languages see it.

use std::path::Path;

use serde_json::json;

#[test]
fn the_contract_is_what_the_registry_says() {
    let registry = nodes::registry();
    let types: Vec<_> = registry.iter().map(node::NodeType::contract).collect();
    let text = serde_json::to_string_pretty(&json!({ "node_types": types })).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/nodes.json");
    if std::env::var_os("UPDATE_CONTRACTS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "contracts/nodes.json is not what the registry says: run \
         `UPDATE_CONTRACTS=1 cargo test -p flowforge-nodes --test nodes contract`, and look at the \
         difference: a published version of a node type never changes its meaning"
    );
}
