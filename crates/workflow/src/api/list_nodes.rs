//! `GET /v1/workflows/{workflow_id}/nodes`

use function::{Problem, QueryContext, query};
use kernel::Value;
use schemars::JsonSchema;
use serde::Serialize;

use super::incoming::WorkflowPath;
use crate::document::DocumentNode;
use crate::service::edit;

/// Nodes.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Nodes {
    /// In the document's order.
    items: Vec<Value>,
}

/// The nodes of the draft.
#[query(GET "/v1/workflows/{workflow_id}/nodes", permission = crate::READ)]
pub(super) async fn list_nodes(cx: &QueryContext, path: WorkflowPath) -> Result<Nodes, Problem> {
    let document = edit::read(&mut *cx.tx().await, cx.workspace(), &path.workflow_id).await?;
    Ok(Nodes { items: document.nodes.iter().map(DocumentNode::to_value).collect() })
}
