//! `GET /v1/workflows`

use function::{Page, PageQuery, Problem, QueryContext, query};
use kernel::codes;

use crate::model::WorkflowView;
use crate::store;

/// The workspace's workflows, newest first.
#[query(GET "/v1/workflows", permission = crate::READ)]
pub(super) async fn list_workflows(
    cx: &QueryContext,
    query: PageQuery,
) -> Result<Page<WorkflowView>, Problem> {
    let before = query.cursor.as_deref().map(str::parse).transpose().map_err(|_| bad_cursor())?;
    let rows = store::list(&mut *cx.tx().await, cx.workspace(), before, query.rows()).await?;
    Ok(Page::of(rows, query.limit(), |workflow| workflow.id.to_string()))
}

/// The answer to a cursor that no page gave out.
pub(super) fn bad_cursor() -> Problem {
    let detail = "`cursor` is not the `next` of an earlier page.";
    Problem::new(codes::REQUEST_INVALID, detail).at(
        "/query/cursor",
        codes::REQUEST_INVALID,
        "not the `next` of an earlier page",
    )
}
