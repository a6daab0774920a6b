//! `DELETE /v1/workflows/{workflow_id}/nodes/{node}`

use function::{MutationContext, Problem, mutation};

use super::incoming::{self, NodePath, SaveQuery};
use crate::model::Saved;
use crate::observer::Publishing;
use crate::service::edit;

/// Removes a node from the draft, with its connections and pinned items.
///
/// Expressions that refer to it are faults then.
#[mutation(
    DELETE "/v1/workflows/{workflow_id}/nodes/{node}",
    permission = crate::WRITE,
    audit = "workflow.node_removed"
)]
pub(super) async fn remove_node(
    cx: &MutationContext,
    path: NodePath,
    query: SaveQuery,
) -> Result<Saved, Problem> {
    let publishing = cx.service::<Publishing>();
    incoming::tell_when_committed(cx);
    let author = incoming::author(cx);
    incoming::require(cx, &path.workflow_id).await?;
    let mut tx = cx.tx().await;
    let draft = query.draft(&path.workflow_id);
    let done = edit::edit(&mut tx, author, publishing, draft, |document, _| {
        edit::remove_node(document, &path.node)
    })
    .await?;
    incoming::note(cx, done.id, done.revision);
    Ok(done)
}
