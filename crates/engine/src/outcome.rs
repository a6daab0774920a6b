//! From what a node gave back to what goes along its connections: pairing, errors as items,
//! `always output`.

use std::sync::Arc;

use kernel::item::ItemSource;
use kernel::{Item, Items, Object, Pairing, Problem, Value};
use workflow::{GraphNode, OnError};

/// The first input, each item paired with itself.
pub fn pass_on(inputs: &[Items]) -> Items {
    let Some(items) = inputs.first() else { return Items::default() };
    Arc::new(items.iter().enumerate().map(|(index, item)| item.clone().paired(index)).collect())
}

/// Pinned items in the place of a node's output. Those that do not say what they were made of are
/// paired with the only input item, or with as many input items one by one.
pub fn pinned(inputs: &[Items], pinned: &Items) -> Items {
    let [input] = inputs else { return Arc::clone(pinned) };
    let (made_of, made) = (input.len(), pinned.len());
    if made_of != 1 && made_of != made {
        return Arc::clone(pinned);
    }
    let one = |(index, item): (usize, &Item)| {
        let source = if made_of == 1 { 0 } else { index };
        if item.pairing.is_unknown() { item.clone().paired(source) } else { item.clone() }
    };
    Arc::new(pinned.iter().enumerate().map(one).collect())
}

/// The outputs of a node that worked item by item. The error of the first failed item, if failures
/// stop the run.
pub fn assemble(
    node: &GraphNode,
    inputs: &[Items],
    outcomes: Vec<Result<Arc<Vec<Item>>, Problem>>,
) -> Result<Vec<Items>, Problem> {
    let mut ports: Vec<Vec<Item>> = vec![Vec::new(); node.outputs.len().max(1)];
    ports[0].reserve(outcomes.len());
    for (index, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(items) => {
                let items = Arc::try_unwrap(items).unwrap_or_else(|shared| (*shared).clone());
                ports[0].extend(items.into_iter().map(|item| item.paired(index)));
            }
            Err(problem) if node.on_error == OnError::Stop => return Err(problem),
            Err(problem) => {
                let input = inputs.first().and_then(|items| items.get(index));
                let input = input.cloned().unwrap_or_default();
                let (port, item) = failed_item(node, &input, &problem);
                ports[port].push(item.paired(index));
            }
        }
    }
    Ok(complete(node, inputs, ports.into_iter().map(Arc::new).collect()))
}

/// What a node puts out that failed as a whole but does not stop the run.
pub fn error_outputs(node: &GraphNode, inputs: &[Items], problem: &Problem) -> Vec<Items> {
    let mut ports = vec![Items::default(); node.outputs.len().max(1)];
    let input = inputs.first().map_or(&[][..], |items| items.as_slice());
    let failed = |(index, item): (usize, &Item)| failed_item(node, item, problem).1.paired(index);
    let items = input.iter().enumerate().map(failed).collect();
    ports[node.error_port().unwrap_or(0)] = Arc::new(items);
    ports
}

/// What becomes of an item that failed in a node that does not stop the run, and the port it goes to:
/// the item with its error where there is an error port, else the error alone.
pub fn failed_item(node: &GraphNode, item: &Item, problem: &Problem) -> (usize, Item) {
    match node.error_port() {
        Some(port) => (port, error_item(Some(item), problem)),
        None => (0, error_item(None, problem)),
    }
}

/// Brings outputs to the node's number of ports and does `always output`.
pub fn complete(node: &GraphNode, inputs: &[Items], mut outputs: Vec<Items>) -> Vec<Items> {
    outputs.resize(node.outputs.len().max(1), Items::default());
    if node.always_output && outputs[0].is_empty() {
        let all = inputs.iter().enumerate().flat_map(|(input, items)| {
            (0..items.len()).map(move |item| ItemSource { item: item as u32, input: input as u32 })
        });
        let item = Item { pairing: Pairing::of(all), ..Item::default() };
        outputs[0] = Arc::new(vec![item]);
    }
    outputs
}

/// The items of called runs, in the order of the calls; the first error if one failed. One call's
/// items pair with as many that went in, one by one.
pub fn gather_children(
    inputs: &[Items],
    results: Vec<Result<Items, Problem>>,
) -> Result<Vec<Items>, Problem> {
    let one_per_item = inputs.first().is_some_and(|items| items.len() == results.len());
    let mut gathered: Vec<Item> = Vec::new();
    for (index, result) in results.into_iter().enumerate() {
        for item in result?.iter() {
            let pairing = if one_per_item {
                Pairing::One(ItemSource { item: index as u32, input: 0 })
            } else {
                Pairing::Unknown
            };
            gathered.push(Item { pairing, ..item.clone() });
        }
    }
    if !one_per_item && inputs.first().is_some_and(|items| items.len() == gathered.len()) {
        for (index, item) in gathered.iter_mut().enumerate() {
            item.pairing = Pairing::One(ItemSource { item: index as u32, input: 0 });
        }
    }
    Ok(vec![Arc::new(gathered)])
}

/// `{…, error: {code, message}}`.
fn error_item(input: Option<&Item>, problem: &Problem) -> Item {
    let mut json = input.map_or_else(Object::new, |item| Object::clone(&item.json));
    let mut error = Object::new();
    error.insert("code".to_owned(), Value::String(problem.code.to_string()));
    error.insert("message".to_owned(), Value::String(problem.detail.clone()));
    json.insert("error".to_owned(), Value::Object(error));
    Item {
        json: Arc::new(json),
        binary: input.and_then(|item| item.binary.clone()),
        pairing: Pairing::Unknown,
    }
}
