//! FlowForge's own node types: one file each.
//!
//! A new node type is one file and two lines here: its `mod`, and its `NODE` in [`NODES`]. Both
//! lists are sorted. Nodes are written against `node` only; the conformance suite in `tests/` runs
//! over all of them.
//!
//! Semantics shared by several nodes stand in files of their own: conditions, the paths by which
//! parameters name fields, the comparison of values.

mod manual;
mod no_op;
mod passing;

use node::{NodeType, Registry};

/// Every node type, sorted by name.
pub const NODES: &[NodeType] = &[manual::NODE, no_op::NODE];

/// The node types of this program.
pub fn registry() -> Registry {
    Registry::new(NODES.iter().copied())
}
