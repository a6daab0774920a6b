//! `GET /v1/workflows/{workflow_id}/nodes/{node}`

use function::{Problem, QueryContext, query};
use kernel::Value;

use super::incoming::NodePath;
use crate::service::edit;

/// One node of the draft.
#[query(GET "/v1/workflows/{workflow_id}/nodes/{node}", permission = crate::READ)]
pub(super) async fn get_node(cx: &QueryContext, path: NodePath) -> Result<Value, Problem> {
    let document = edit::read(&mut *cx.tx().await, cx.workspace(), &path.workflow_id).await?;
    let index = edit::find_node(&document, &path.node)?;
    Ok(document.nodes[index].to_value())
}
