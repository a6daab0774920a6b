//! `GET /v1/runs`

use function::{ActionContext, Page, Problem, action};
use kernel::{RunId, WorkflowId, codes};
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
    workflow: Option<String>,
    /// Only runs in this state.
    status: Option<RunStatus>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows of the page, 1 to 200; 50 unless given.
    limit: Option<u32>,
}

/// The workspace's runs, newest first.
#[action(GET "/v1/runs", permission = crate::READ, timeout = "30s")]
pub(super) async fn list_runs(
    cx: &ActionContext,
    query: RunsQuery,
) -> Result<Page<RunLine>, Problem> {
    let wrong = |name: &str| {
        let detail = format!("`{name}` is not an id.");
        Problem::new(codes::REQUEST_INVALID, detail.clone()).at(
            format!("/query/{name}"),
            codes::REQUEST_INVALID,
            detail,
        )
    };
    let workflow = query.workflow.map(|id| id.parse::<WorkflowId>()).transpose();
    let before = query.cursor.map(|id| id.parse::<RunId>()).transpose();
    let limit = query.limit.unwrap_or(50).clamp(1, 200);
    let engine = cx.service::<Engine>();
    let rows = engine
        .list_runs(
            cx.workspace(),
            workflow.map_err(|_| wrong("workflow"))?,
            query.status,
            before.map_err(|_| wrong("cursor"))?,
            limit + 1,
        )
        .await?;
    Ok(Page::of(rows, limit as usize, |row| row.run_id.to_string()))
}
