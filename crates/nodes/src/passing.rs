//! Passing items on unchanged: two pointers are cloned, and the pairing says where each came from.

use std::sync::Arc;

use kernel::{Item, ItemSource, Items, Pairing};
use node::NodeContext;

/// This item as an output made of item `index` of input `input`.
pub(crate) fn pass(item: &Item, index: usize, input: usize) -> Item {
    Item { json: Arc::clone(&item.json), binary: item.binary.clone(), pairing: from(index, input) }
}

/// These items of one input, each with its index there.
pub(crate) fn passed<'a>(items: impl Iterator<Item = (usize, &'a Item)>, input: usize) -> Items {
    Arc::new(items.map(|(index, item)| pass(item, index, input)).collect())
}

/// A pairing with one item.
pub(crate) fn from(index: usize, input: usize) -> Pairing {
    Pairing::One(source(index, input))
}

/// One input item. Indexes fit: the engine bounds items and ports far below 2^32.
pub(crate) fn source(index: usize, input: usize) -> ItemSource {
    ItemSource { item: index as u32, input: input as u32 }
}

/// The items of the first input that a node works on one by one, each with its index there.
pub(crate) fn chosen<'a>(
    cx: &NodeContext,
    inputs: &'a [Items],
) -> impl Iterator<Item = (usize, &'a Item)> {
    let (skip, take) = cx.only.map_or((0, usize::MAX), |only| (only, 1));
    first(inputs).iter().enumerate().skip(skip).take(take)
}

/// The first input's items; none if nothing arrived.
pub(crate) fn first(inputs: &[Items]) -> &[Item] {
    inputs.first().map(|items| items.as_slice()).unwrap_or_default()
}
