//! `POST /v1/workflows/{workflow_id}/nodes`

use function::{MutationContext, Problem, mutation};
use schemars::JsonSchema;
use serde::Deserialize;

use super::change;
use super::incoming::{self, WorkflowPath};
use crate::document::DocumentNode;
use crate::model::Saved;
use crate::service::edit::{self, Draft};

/// How a node is added.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AddQuery {
    /// Save it even if the draft cannot be published then; what is wrong is answered as `problem`.
    incomplete: bool,
    /// Revision this is based on; another one is refused with `request.conflict`.
    #[schemars(range(min = 1))]
    revision: Option<i64>,
    /// Its place among the nodes, from 0; absent: the last.
    index: Option<usize>,
}

/// Adds a node to the draft.
#[mutation(
    POST "/v1/workflows/{workflow_id}/nodes",
    permission = crate::WRITE,
    audit = "workflow.node_added",
    status = 201
)]
pub(super) async fn add_node(
    cx: &MutationContext,
    path: WorkflowPath,
    query: AddQuery,
    body: DocumentNode,
) -> Result<Saved, Problem> {
    let draft = Draft {
        workflow: &path.workflow_id,
        revision: query.revision,
        strictness: incoming::strictness(query.incomplete),
    };
    change::edit(cx, draft, |document, _| edit::add_node(document, body, query.index)).await
}
