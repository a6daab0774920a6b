//! `POST /v1/runs/{run_id}/answer`

use function::{ActionContext, Problem, action};
use kernel::{RunId, codes};
use schemars::JsonSchema;
use serde::Deserialize;

use super::path::{RunPath, not_found};
use crate::decide::Decision;
use crate::view::ActivationView;
use crate::{Engine, RunView};

/// What a person says of an effect that may have happened before a crash.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunAnswer {
    /// Name of the node that asks.
    #[schemars(length(min = 1, max = 200))]
    node: String,
    /// What shall be done.
    decision: Decision,
}

/// Says what became of an effect that may have happened before a crash.
///
/// The node's latest activation that asks is answered.
#[action(
    POST "/v1/runs/{run_id}/answer",
    permission = crate::WRITE,
    audit = "run.answered",
    timeout = "30s"
)]
pub(super) async fn answer_run(
    cx: &ActionContext,
    path: RunPath,
    body: RunAnswer,
) -> Result<RunView, Problem> {
    let run = path.run()?;
    let engine = cx.service::<Engine>();
    let is_taken = engine.answer(cx.workspace(), run, &body.node, body.decision).await?;
    if !is_taken && !cx.is_repetition() {
        return Err(asks_nothing(run, &body.node));
    }
    let view = engine.find_run(cx.workspace(), run).await?;
    let view = view.ok_or_else(|| not_found(&run.to_string()))?;
    if !is_taken && !is_past(&view, &body.node) {
        return Err(asks_nothing(run, &body.node));
    }
    Ok(view)
}

/// Whether the node has run and waits for nobody any more: then the first call has answered it.
fn is_past(view: &RunView, node: &str) -> bool {
    let activations = view.nodes.get(node).map(Vec::as_slice).unwrap_or_default();
    let is_past = |one: &ActivationView| one.id.is_some() && one.status != "waiting";
    !activations.is_empty() && activations.iter().all(is_past)
}

fn asks_nothing(run: RunId, node: &str) -> Problem {
    let detail = format!("The node \"{node}\" of run {run} does not ask anything.");
    Problem::new(codes::REQUEST_CONFLICT, detail)
}
