//! `POST /v1/runs/{run_id}/cancel`

use function::{ActionContext, Problem, action};
use kernel::codes;

use super::path::{RunPath, not_found};
use crate::{Engine, RunStatus, RunView};

/// Ends a run; what its nodes have under way is stopped.
///
/// Answers the run as it is then. One that has ended already is refused with `run.finished`.
#[action(
    POST "/v1/runs/{run_id}/cancel",
    permission = crate::WRITE,
    audit = "run.cancelled",
    timeout = "30s"
)]
pub(super) async fn cancel_run(cx: &ActionContext, path: RunPath) -> Result<RunView, Problem> {
    let run = path.run()?;
    let engine = cx.service::<Engine>();
    let cancelled = engine.cancel(cx.workspace(), run).await;
    let repeats = |problem: &Problem| cx.is_repetition() && problem.code == codes::RUN_FINISHED;
    if let Err(problem) = cancelled {
        let view = match repeats(&problem) {
            true => engine.find_run(cx.workspace(), run).await?,
            false => None,
        };
        // The first call has cancelled it.
        return view.filter(|view| view.status == RunStatus::Cancelled).ok_or(problem);
    }
    let view = engine.find_run(cx.workspace(), run).await?;
    view.ok_or_else(|| not_found(&run.to_string()))
}
