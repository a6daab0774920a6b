//! `POST /v1/runs/{run_id}/answer`

use function::{ActionContext, Problem, action};
use kernel::{RunId, codes};
use schemars::JsonSchema;
use serde::Deserialize;

use super::path::{RunPath, not_found};
use crate::decide::Decision;
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
    if !is_taken {
        require_answered(&view, &body.node)?;
    }
    Ok(view)
}

/// What a repetition finds that was not taken: the node has ended, so the first call has answered it.
/// While it has not, a run that was cut off may ask again, and nothing must be acknowledged.
fn require_answered(view: &RunView, node: &str) -> Result<(), Problem> {
    let activations = view.nodes.get(node).map(Vec::as_slice).unwrap_or_default();
    let mut run = activations.iter().filter(|one| one.id.is_some()).peekable();
    if run.peek().is_none() {
        return Err(asks_nothing(view.run_id, node));
    }
    if run.all(|one| matches!(one.status, "succeeded" | "failed" | "cancelled")) {
        return Ok(());
    }
    let detail = format!("Whether \"{node}\" has the answer is known when it asks again or ends.");
    let mut problem = Problem::new(codes::REQUEST_IN_FLIGHT, detail);
    problem.retry_after_ms = Some(1_000);
    Err(problem)
}

fn asks_nothing(run: RunId, node: &str) -> Problem {
    let detail = format!("The node \"{node}\" of run {run} does not ask anything.");
    Problem::new(codes::REQUEST_CONFLICT, detail)
}
