//! `DELETE /v1/runs/{run_id}`

use function::{ActionContext, Problem, action};
use kernel::codes;

use super::path::RunPath;
use crate::Engine;

/// Removes a finished run.
///
/// Its row in history goes, with its journal, its labels and its key. Files it made stay until nothing
/// names them any more and their time is over. A run that has not finished is refused with
/// `run.not_finished`.
#[action(
    DELETE "/v1/runs/{run_id}",
    permission = crate::WRITE,
    audit = "run.deleted",
    timeout = "30s"
)]
pub(super) async fn delete_run(cx: &ActionContext, path: RunPath) -> Result<(), Problem> {
    match cx.service::<Engine>().delete(cx.workspace(), path.run()?).await {
        // The first call has removed it.
        Err(problem) if cx.is_repetition() && problem.code == codes::RUN_NOT_FOUND => Ok(()),
        outcome => outcome,
    }
}
