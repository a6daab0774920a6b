//! `GET /v1/workflows/{workflow_id}/versions`

use function::{Page, PageQuery, Problem, QueryContext, query};

use super::incoming::WorkflowPath;
use super::list_workflows::bad_cursor;
use crate::model::VersionView;
use crate::{service, store};

/// The versions of a workflow, newest first.
#[query(GET "/v1/workflows/{workflow_id}/versions", permission = crate::READ)]
pub(super) async fn list_versions(
    cx: &QueryContext,
    path: WorkflowPath,
    query: PageQuery,
) -> Result<Page<VersionView>, Problem> {
    let before = query.cursor.as_deref().map(str::parse).transpose().map_err(|_| bad_cursor())?;
    let mut tx = cx.tx().await;
    let id = service::find(&mut tx, cx.workspace(), &path.workflow_id).await?.view.id;
    let rows = store::list_versions(&mut tx, cx.workspace(), id, before, query.rows()).await?;
    Ok(Page::of(rows, query.limit(), |version| version.number.to_string()))
}
