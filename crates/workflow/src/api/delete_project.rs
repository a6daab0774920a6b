//! `DELETE /v1/projects/{project_id}`

use function::{MutationContext, Problem, mutation};

use super::get_project::ProjectPath;
use crate::service::projects;

/// Deletes a project that no workflow is in; the default one stays.
#[mutation(
    DELETE "/v1/projects/{project_id}",
    permission = crate::WRITE,
    audit = "project.deleted"
)]
pub(super) async fn delete_project(cx: &MutationContext, path: ProjectPath) -> Result<(), Problem> {
    let mut tx = cx.tx().await;
    let project = projects::find(&mut tx, cx.workspace(), &path.project_id).await?;
    cx.require_version(project.revision)?;
    cx.subject("project", project.id);
    projects::delete(&mut tx, cx.workspace(), &project).await
}
