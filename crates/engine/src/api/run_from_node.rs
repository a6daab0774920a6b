//! `POST /v1/runs/{run_id}/run-from`

use std::collections::BTreeMap;
use std::sync::Arc;

use function::{ActionContext, Problem, action};
use kernel::Value;
use schemars::JsonSchema;
use serde::Deserialize;

use super::path::RunPath;
use super::retry_run::Version;
use super::start_run::RunStarted;
use crate::entry::read_items;
use crate::record::ActivationId;
use crate::repeat::Turn;

/// Where the new run goes its own way.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunFrom {
    /// Name of the node that runs again, with everything behind it.
    node: String,
    /// Which of the node's activations, where it had several; absent: the last one.
    #[serde(default)]
    activation: Option<ActivationId>,
    /// What comes in by the node's first port (what a trigger puts out): an object, an item, or a list
    /// of either; absent: what came in.
    #[serde(default)]
    input: Option<Value>,
    /// The same for other ports, by name.
    #[serde(default)]
    inputs: BTreeMap<String, Value>,
    /// Which version of the workflow runs.
    #[serde(default)]
    version: Version,
}

/// Runs a finished run again from one of its nodes on, perhaps with other input, as a new run.
///
/// Everything that does not lie behind the node is taken over, as by a retry. An item given here that
/// names no `paired_item` has no origin that expressions could go back to.
#[action(
    POST "/v1/runs/{run_id}/run-from",
    permission = crate::WRITE,
    audit = "run.retried_from_node",
    timeout = "60s",
    status = 202
)]
pub(super) async fn run_from_node(
    cx: &ActionContext,
    path: RunPath,
    body: RunFrom,
) -> Result<RunStarted, Problem> {
    let RunFrom { node, activation, input, inputs, version } = body;
    let first = input.map(|input| (None, input));
    let others = inputs.into_iter().map(|(port, input)| (Some(port), input));
    let read = |(port, input)| Ok((port, Arc::new(read_items(Some(input))?)));
    let inputs = first.into_iter().chain(others).map(read).collect::<Result<_, Problem>>()?;
    let turn = Turn { node, activation, inputs };
    version.repeat(cx, &path, Some(&turn)).await
}
