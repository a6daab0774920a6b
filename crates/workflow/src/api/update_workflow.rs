//! `PUT /v1/workflows/{workflow_id}`

use function::{MutationContext, Problem, RawBody, mutation};

use super::incoming::{self, SaveQuery, WorkflowPath};
use crate::model::Saved;
use crate::observer::Publishing;
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
    let publishing = cx.service::<Publishing>();
    incoming::tell_when_committed(cx);
    let (author, strictness) = (incoming::author(cx), query.strictness());
    let (workflow, revision) = (&path.workflow_id, query.revision);
    incoming::require(cx, workflow).await?;
    let mut tx = cx.tx().await;
    let saved =
        service::update(&mut tx, author, publishing, workflow, revision, &incoming, strictness)
            .await?;
    incoming::note(cx, saved.id, saved.revision);
    Ok(saved)
}
