//! `GET /v1/runs`

use function::{ActionContext, Page, PageLimit, Problem, action, parse_cursor};
use kernel::WorkflowId;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Engine;
use crate::door::RunStatus;
use crate::view::RunLine;

/// Which runs, and from where on.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RunsQuery {
    /// Only runs of the workflow with this id.
    workflow: Option<WorkflowId>,
    /// Only runs in this state.
    status: Option<RunStatus>,
    /// Where the page begins: `next` of the page before.
    cursor: Option<String>,
    /// Rows of a page, 1 to 200; 50 unless given.
    limit: PageLimit,
}

/// The workspace's runs, newest first.
#[action(GET "/v1/runs", permission = crate::READ, timeout = "30s")]
pub(super) async fn list_runs(
    cx: &ActionContext,
    query: RunsQuery,
) -> Result<Page<RunLine>, Problem> {
    let RunsQuery { workflow, status, cursor, limit } = query;
    let before = parse_cursor(cursor.as_deref())?;
    let engine = cx.service::<Engine>();
    let rows = limit.shown() as u32 + 1;
    let rows = engine.list_runs(cx.workspace(), workflow, status, before, rows).await?;
    Ok(Page::of(rows, limit.shown(), |row| row.run_id.to_string()))
}
