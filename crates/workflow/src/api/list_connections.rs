//! `GET /v1/workflows/{workflow_id}/connections`

use function::{Problem, QueryContext, query};
use schemars::JsonSchema;
use serde::Serialize;

use super::incoming::WorkflowPath;
use crate::document::Connection;
use crate::service::edit;

/// Connections.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Connections {
    /// In the document's order.
    items: Vec<Connection>,
}

/// The connections of the draft.
#[query(GET "/v1/workflows/{workflow_id}/connections", permission = crate::READ)]
pub(super) async fn list_connections(
    cx: &QueryContext,
    path: WorkflowPath,
) -> Result<Connections, Problem> {
    let document = edit::read(&mut *cx.tx().await, cx.workspace(), &path.workflow_id).await?;
    Ok(Connections { items: document.connections })
}
