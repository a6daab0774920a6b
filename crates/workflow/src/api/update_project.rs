//! `PATCH /v1/projects/{project_id}`

use function::{MutationContext, Problem, mutation};
use schemars::JsonSchema;
use serde::Deserialize;

use super::change;
use super::get_project::ProjectPath;
use super::incoming::RevisionQuery;
use crate::model::ProjectView;
use crate::service::projects::{self, Change};

/// What is to be changed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ProjectPatch {
    /// Its name; 1 to 200 bytes.
    #[schemars(length(min = 1, max = 200))]
    name: Option<String>,
    /// What it is for; at most 10 000 bytes.
    #[schemars(length(max = 10_000))]
    description: Option<String>,
}

/// Changes parts of a project; what is absent stays.
#[mutation(
    PATCH "/v1/projects/{project_id}",
    permission = crate::WRITE,
    audit = "project.updated"
)]
pub(super) async fn update_project(
    cx: &MutationContext,
    path: ProjectPath,
    query: RevisionQuery,
    body: ProjectPatch,
) -> Result<ProjectView, Problem> {
    let author = change::author(cx);
    let change = Change { name: body.name.as_deref(), description: body.description.as_deref() };
    let (project, revision) = (&path.project_id, query.revision);
    let mut tx = cx.tx().await;
    if cx.expects_version() {
        let current = projects::find(&mut tx, cx.workspace(), project).await?;
        cx.require_version(current.revision)?;
    }
    let updated = projects::update(&mut tx, author, project, revision, change).await?;
    cx.subject("project", updated.id);
    cx.set_version(updated.revision);
    Ok(updated)
}
