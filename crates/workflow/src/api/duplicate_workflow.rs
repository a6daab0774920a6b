//! `POST /v1/workflows/{workflow_id}/duplicate`

use function::{MutationContext, Problem, mutation};
use schemars::JsonSchema;
use serde::Deserialize;

use super::change::Change;
use super::incoming::WorkflowPath;
use crate::model::Saved;
use crate::service::copies;

/// What the copy is like.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "WorkflowCopy")]
pub(super) struct Copy {
    /// Its name; absent: that of the original with "(copy)".
    name: Option<String>,
    /// Name or id of its project; absent: that of the original.
    project: Option<String>,
}

/// Saves a copy of the draft as a new workflow, with the same tags; it is not published.
#[mutation(
    POST "/v1/workflows/{workflow_id}/duplicate",
    permission = crate::WRITE,
    audit = "workflow.duplicated",
    status = 201
)]
pub(super) async fn duplicate_workflow(
    cx: &MutationContext,
    path: WorkflowPath,
    body: Copy,
) -> Result<Saved, Problem> {
    let mut change = Change::of_new(cx).await;
    let Change { tx, author, publishing, .. } = &mut change;
    let (workflow, project) = (&path.workflow_id, body.project.as_deref());
    let done = copies::duplicate(tx, *author, publishing, workflow, body.name, project).await?;
    Ok(change.done(done))
}
