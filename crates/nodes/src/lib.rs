//! FlowForge's own node types: one file each.
//!
//! A new node type is one file and two lines here: its `mod`, and its `NODE` in [`NODES`]. Both
//! lists are sorted. Nodes are written against `node` only; the conformance suite in `tests/` runs
//! over all of them.
//!
//! Semantics shared by several nodes stand in files of their own: conditions, the paths by which
//! parameters name fields, the comparison of values.

mod aggregate;
mod aside;
mod binary;
mod branch_if;
mod clash;
mod code;
mod code_items;
mod conditions;
mod csv_read;
mod csv_write;
mod decimal;
mod decode;
mod execute_workflow;
mod field;
mod filter;
mod http_answer;
mod http_body;
mod http_request;
mod join;
mod json_read;
mod json_repair;
mod json_write;
mod limit;
mod manual;
mod merge;
mod no_op;
mod operator;
mod output;
mod passing;
mod paths;
mod pattern;
mod read_file;
mod respond;
mod set;
mod sort;
mod split_out;
mod stop_and_error;
mod summarize;
mod switch;
mod values;
mod wait;
mod webhook;
mod webhook_rules;
mod write_file;

use node::{NodeType, Registry};

/// Every node type, sorted by name.
pub const NODES: &[NodeType] = &[
    aggregate::NODE,
    code::NODE,
    csv_read::NODE,
    csv_write::NODE,
    execute_workflow::NODE,
    filter::NODE,
    http_request::NODE,
    branch_if::NODE,
    json_read::NODE,
    json_write::NODE,
    limit::NODE,
    manual::NODE,
    merge::NODE,
    no_op::NODE,
    read_file::NODE,
    respond::NODE,
    set::NODE,
    sort::NODE,
    split_out::NODE,
    stop_and_error::NODE,
    summarize::NODE,
    switch::NODE,
    wait::NODE,
    webhook::NODE,
    write_file::NODE,
];

/// The node types of this program.
pub fn registry() -> Registry {
    Registry::new(NODES.iter().copied())
}
