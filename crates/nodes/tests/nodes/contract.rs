//! `contracts/nodes.json`: every node type as clients and other languages see it.

use serde_json::json;

#[test]
fn the_contract_is_what_the_registry_says() {
    let registry = nodes::registry();
    let types: Vec<_> = registry.iter().map(node::NodeType::contract).collect();
    let text = serde_json::to_string_pretty(&json!({ "node_types": types })).unwrap() + "\n";
    // A published version of a node type never changes its meaning.
    checkout::assert_current("contracts/nodes.json", &text);
}
