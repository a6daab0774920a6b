//! `PUT /v1/workflows/{workflow_id}`

use function::{MutationContext, Problem, RawBody, mutation};

use super::change::Change;
use super::incoming::{self, SaveQuery, WorkflowPath};
use crate::model::Saved;
use crate::service;

/// Replaces the draft of a workflow.
///
/// What is published stays as it is until the next publish. With `revision` a draft that somebody
/// else saved in between is not overwritten; the header `if-match` with the `etag` of what was read
/// does the same.
#[mutation(
    PUT "/v1/workflows/{workflow_id}",
    permission = crate::WRITE,
    audit = "workflow.updated",
    accepts = "application/json, application/yaml, text/yaml"
)]
pub(super) async fn update_workflow(
    cx: &MutationContext,
    path: WorkflowPath,
    query: SaveQuery,
    raw: RawBody,
) -> Result<Saved, Problem> {
    let incoming = incoming::read(&raw)?;
    let mut change = Change::begin(cx, &path.workflow_id).await?;
    let Change { tx, author, publishing, .. } = &mut change;
    let (workflow, revision) = (&path.workflow_id, query.revision);
    let strictness = query.strictness();
    let saved =
        service::update(tx, *author, publishing, workflow, revision, &incoming, strictness).await?;
    Ok(change.done(saved))
}
