//! `PATCH /v1/workflows/{workflow_id}`

use function::{MutationContext, Problem, mutation};
use kernel::Object;
use schemars::JsonSchema;
use serde::Deserialize;

use super::change::Change;
use super::incoming::{RevisionQuery, WorkflowPath};
use crate::model::WorkflowView;
use crate::service::copies;

/// What is to be changed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WorkflowPatch {
    /// Name or id of the project it goes to.
    project: Option<String>,
    /// All of its tags from now on; at most 50 of at most 64 bytes.
    tags: Option<Vec<String>>,
    /// Its name.
    name: Option<String>,
    /// What it is for.
    description: Option<String>,
    /// Settings to change; null takes one away.
    settings: Option<Object>,
}

/// Changes parts of a workflow: its project and tags, or name, description and settings of its draft.
///
/// What is absent stays. `settings` is a merge patch: null takes a setting away. The draft may then be
/// one that cannot be published yet.
#[mutation(
    PATCH "/v1/workflows/{workflow_id}",
    permission = crate::WRITE,
    audit = "workflow.changed"
)]
pub(super) async fn patch_workflow(
    cx: &MutationContext,
    path: WorkflowPath,
    query: RevisionQuery,
    body: WorkflowPatch,
) -> Result<WorkflowView, Problem> {
    let mut change = Change::begin(cx, &path.workflow_id).await?;
    let Change { tx, author, publishing, .. } = &mut change;
    let WorkflowPatch { project, tags, name, description, settings } = body;
    let wanted = copies::Change { project, tags, name, description, settings };
    let workflow = &path.workflow_id;
    let done = copies::change(tx, *author, publishing, workflow, query.revision, wanted).await?;
    Ok(change.done(done))
}
