//! `PUT /v1/workflows/{workflow_id}/nodes/{node}`

use function::{MutationContext, Problem, mutation};

use super::change;
use super::incoming::{NodePath, SaveQuery};
use crate::document::DocumentNode;
use crate::model::Saved;
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
    change::edit(cx, query.draft(&path.workflow_id), |document, registry| {
        edit::replace_node(document, &path.node, body, registry)
    })
    .await
}
