//! `GET /v1/workflows`

use function::{Page, PageQuery, Problem, QueryContext, query};

use crate::model::WorkflowView;
use crate::store;

/// The workspace's workflows, newest first.
#[query(GET "/v1/workflows", permission = crate::READ)]
pub(super) async fn list_workflows(
    cx: &QueryContext,
    query: PageQuery,
) -> Result<Page<WorkflowView>, Problem> {
    let page = cx.page(&query)?;
    let mut tx = cx.tx().await;
    let rows = store::list(&mut tx, cx.workspace(), page.after, page.rows()).await?;
    Ok(page.of(rows, |workflow| workflow.id))
}
