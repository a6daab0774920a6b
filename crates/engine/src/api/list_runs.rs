//! `GET /v1/runs`

use function::{ActionContext, Page, Problem, action};
use kernel::{RunId, WorkflowId};

use crate::Engine;
use crate::door::RunStatus;
use crate::view::RunLine;

function::list_query! {
    /// Which runs.
    pub(super) struct RunsQuery {
        /// Only runs of the workflow with this id.
        workflow: Option<WorkflowId>,
        /// Only runs in this state.
        status: Option<RunStatus>,
    }
}

/// The workspace's runs, newest first.
#[action(GET "/v1/runs", permission = crate::READ, timeout = "30s")]
pub(super) async fn list_runs(
    cx: &ActionContext,
    query: RunsQuery,
) -> Result<Page<RunLine>, Problem> {
    let page = cx.page::<RunId>(&query)?;
    let rows = u32::try_from(page.rows()).unwrap_or(u32::MAX);
    let engine = cx.service::<Engine>();
    let rows =
        engine.list_runs(cx.workspace(), query.workflow, query.status, page.after, rows).await?;
    Ok(page.of(rows, |row| row.run_id))
}
