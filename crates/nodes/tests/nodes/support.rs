//! Runs a node type as the engine does: by name, from a document's parameters.

use std::sync::Arc;

use kernel::{Item, Items, Value};
use node::testing::context;
use node::{Directive, NodeError, SharedNode};

/// The node made of these parameters.
pub(crate) fn prepare(kind: &str, parameters: Value) -> SharedNode {
    try_prepare(kind, parameters).unwrap_or_else(|faults| panic!("{kind}: {faults:?}"))
}

/// The node, or what is wrong: pointer and detail of each fault.
pub(crate) fn try_prepare(
    kind: &str,
    parameters: Value,
) -> Result<SharedNode, Vec<(String, String)>> {
    let registry = nodes::registry();
    let kind = registry.find(kind).unwrap_or_else(|| panic!("there is no {kind}"));
    let parameters = parameters.as_object().expect("parameters are an object");
    (kind.prepare)(parameters)
        .map_err(|faults| faults.into_iter().map(|fault| (fault.pointer, fault.detail)).collect())
}

/// Pointer and detail of each fault of parameters that must be refused.
pub(crate) fn faults(kind: &str, parameters: Value) -> Vec<(String, String)> {
    match try_prepare(kind, parameters.clone()) {
        Ok(_) => panic!("{kind} accepted {parameters}"),
        Err(faults) => faults,
    }
}

/// Asserts that parameters are refused at this pointer, saying this.
pub(crate) fn refused(kind: &str, parameters: Value, pointer: &str, says: &str) {
    let faults = faults(kind, parameters.clone());
    assert!(
        faults.iter().any(|(at, detail)| at == pointer && detail.contains(says)),
        "{kind} {parameters}: no fault at {pointer} saying {says:?} in {faults:?}"
    );
}

/// Items of a list of objects.
pub(crate) fn items(list: Value) -> Items {
    let list = list.as_array().expect("items are a list").clone();
    Arc::new(
        list.into_iter()
            .map(|json| Item::new(json.as_object().expect("an item is an object").clone()))
            .collect(),
    )
}

/// Runs a node that sees all its inputs; the items of each output.
pub(crate) fn run_items(
    kind: &str,
    parameters: Value,
    inputs: &[Items],
) -> Result<Vec<Items>, NodeError> {
    let node = prepare(kind, parameters);
    let cx = context(inputs);
    let resolved = node.resolve(&cx.scope, 0).map_err(NodeError::from)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime of one thread");
    runtime.block_on(node.run_all(&cx, resolved, inputs))
}

/// [`run_items`] from and to plain JSON.
pub(crate) fn run(kind: &str, parameters: Value, inputs: &[Value]) -> Vec<Value> {
    let inputs: Vec<Items> = inputs.iter().cloned().map(items).collect();
    let outputs = run_items(kind, parameters.clone(), &inputs)
        .unwrap_or_else(|error| panic!("{kind} {parameters}: {error}"));
    outputs.iter().map(json).collect()
}

/// What a run that must fail says.
pub(crate) fn fails(kind: &str, parameters: Value, inputs: &[Value]) -> String {
    let inputs: Vec<Items> = inputs.iter().cloned().map(items).collect();
    match run_items(kind, parameters.clone(), &inputs) {
        Ok(outputs) => panic!("{kind} {parameters} gave {outputs:?}"),
        Err(error) => error.problem().to_string(),
    }
}

/// The data of items as a list of objects.
pub(crate) fn json(items: &Items) -> Value {
    items.iter().map(|item| Value::Object((*item.json).clone())).collect()
}

/// Pairing of each item, in its shortest form.
pub(crate) fn pairing(items: &Items) -> Value {
    items
        .iter()
        .map(|item| serde_json::to_value(&item.pairing).expect("a pairing is plain data"))
        .collect()
}

/// What a steering node asks for.
pub(crate) fn steer(
    kind: &str,
    parameters: Value,
    inputs: &[Items],
) -> Result<Directive, NodeError> {
    prepare(kind, parameters).steer(&context(inputs), inputs)
}
