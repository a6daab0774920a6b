//! `POST /v1/workflows/{workflow_id}/connections`

use function::{MutationContext, Problem, mutation};

use super::incoming::{self, SaveQuery, WorkflowPath};
use crate::document::LongConnection;
use crate::model::Saved;
use crate::observer::Publishing;
use crate::service::edit;

/// Adds a connection to the draft.
#[mutation(
    POST "/v1/workflows/{workflow_id}/connections",
    permission = crate::WRITE,
    audit = "workflow.connection_added",
    status = 201
)]
pub(super) async fn add_connection(
    cx: &MutationContext,
    path: WorkflowPath,
    query: SaveQuery,
    body: LongConnection,
) -> Result<Saved, Problem> {
    let publishing = cx.service::<Publishing>();
    incoming::tell_when_committed(cx);
    let author = incoming::author(cx);
    incoming::require(cx, &path.workflow_id).await?;
    let mut tx = cx.tx().await;
    let draft = query.draft(&path.workflow_id);
    let done = edit::edit(&mut tx, author, publishing, draft, |document, _| {
        document.connections.push(body.into());
        Ok(())
    })
    .await?;
    incoming::note(cx, done.id, done.revision);
    Ok(done)
}
