//! `GET /v1/projects/{project_id}`

use function::{Problem, QueryContext, query};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::ProjectView;
use crate::service::projects;

/// Which project.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ProjectPath {
    /// The project's id, or its name.
    #[schemars(length(min = 1, max = 200))]
    pub(super) project_id: String,
}

/// One project.
#[query(GET "/v1/projects/{project_id}", permission = crate::READ)]
pub(super) async fn get_project(
    cx: &QueryContext,
    path: ProjectPath,
) -> Result<ProjectView, Problem> {
    let project = projects::find(&mut *cx.tx().await, cx.workspace(), &path.project_id).await?;
    cx.set_version(project.revision);
    Ok(project)
}
