//! `POST /v1/projects`

use function::{MutationContext, Problem, mutation};
use schemars::JsonSchema;
use serde::Deserialize;

use super::change;
use crate::model::ProjectView;
use crate::service::projects;

/// A project to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewProject {
    /// Name, unique in the workspace; 1 to 200 bytes.
    #[schemars(length(min = 1, max = 200))]
    name: String,
    /// What it is for; at most 10 000 bytes.
    #[serde(default)]
    #[schemars(length(max = 10_000))]
    description: String,
}

/// Makes a project.
#[mutation(
    POST "/v1/projects",
    permission = crate::WRITE,
    audit = "project.created",
    status = 201
)]
pub(super) async fn create_project(
    cx: &MutationContext,
    body: NewProject,
) -> Result<ProjectView, Problem> {
    let author = change::author(cx);
    let mut tx = cx.tx().await;
    let project = projects::create(&mut tx, author, &body.name, &body.description).await?;
    cx.subject("project", project.id);
    cx.set_version(project.revision);
    Ok(project)
}
