//! `GET /v1/projects`

use function::{Page, PageQuery, Problem, QueryContext, query};

use crate::model::ProjectView;
use crate::store::projects;

/// The workspace's projects, by name.
#[query(GET "/v1/projects", permission = crate::READ)]
pub(super) async fn list_projects(
    cx: &QueryContext,
    query: PageQuery,
) -> Result<Page<ProjectView>, Problem> {
    let page = cx.page::<String>(&query)?;
    let mut tx = cx.tx().await;
    let rows = projects::list(&mut tx, cx.workspace(), page.after.as_deref(), page.rows()).await?;
    Ok(page.of(rows, |project| project.name.clone()))
}
