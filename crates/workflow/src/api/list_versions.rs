//! `GET /v1/workflows/{workflow_id}/versions`

use function::{Page, PageQuery, Problem, QueryContext, query};

use super::incoming::WorkflowPath;
use crate::model::VersionView;
use crate::{service, store};

/// The versions of a workflow, newest first.
#[query(GET "/v1/workflows/{workflow_id}/versions", permission = crate::READ)]
pub(super) async fn list_versions(
    cx: &QueryContext,
    path: WorkflowPath,
    query: PageQuery,
) -> Result<Page<VersionView>, Problem> {
    let page = cx.page(&query)?;
    let mut tx = cx.tx().await;
    let id = service::find(&mut tx, cx.workspace(), &path.workflow_id).await?.view.id;
    let rows = store::versions::list(&mut tx, cx.workspace(), id, page.after, page.rows()).await?;
    Ok(page.of(rows, |version| version.number))
}
