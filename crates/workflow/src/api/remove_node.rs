//! `DELETE /v1/workflows/{workflow_id}/nodes/{node}`

use function::{MutationContext, Problem, mutation};

use super::change;
use super::incoming::{NodePath, SaveQuery};
use crate::model::Saved;
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
    change::edit(cx, query.draft(&path.workflow_id), |document, _| {
        edit::remove_node(document, &path.node)
    })
    .await
}
