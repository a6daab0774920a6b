//! `POST /v1/runs/{run_id}/answer`

use function::{ActionContext, Problem, action};
use kernel::codes;
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
    if !engine.answer(cx.workspace(), run, &body.node, body.decision).await? {
        let detail = format!("The node \"{}\" of run {run} does not ask anything.", body.node);
        return Err(Problem::new(codes::REQUEST_CONFLICT, detail));
    }
    let view = engine.find_run(cx.workspace(), run).await?;
    view.ok_or_else(|| not_found(&run.to_string()))
}
