//! `PUT /v1/workflows/{workflow_id}/nodes/{node}`

use function::{MutationContext, Problem, mutation};

use super::incoming::{self, NodePath, SaveQuery};
use crate::document::DocumentNode;
use crate::model::Saved;
use crate::observer::Publishing;
use crate::service::edit;

/// Puts another node in the place of one of the draft.
///
/// With another `name` it is renamed as by a patch.
#[mutation(
    PUT "/v1/workflows/{workflow_id}/nodes/{node}",
    permission = crate::WRITE,
    audit = "workflow.node_replaced"
)]
pub(super) async fn replace_node(
    cx: &MutationContext,
    path: NodePath,
    query: SaveQuery,
    body: DocumentNode,
) -> Result<Saved, Problem> {
    let publishing = cx.service::<Publishing>();
    incoming::tell_when_committed(cx);
    let author = incoming::author(cx);
    incoming::require(cx, &path.workflow_id).await?;
    let mut tx = cx.tx().await;
    let draft = query.draft(&path.workflow_id);
    let done = edit::edit(&mut tx, author, publishing, draft, |document, registry| {
        edit::replace_node(document, &path.node, body, registry)
    })
    .await?;
    incoming::note(cx, done.id, done.revision);
    Ok(done)
}
