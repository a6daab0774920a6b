//! `GET /v1/workspace`

use function::{Problem, QueryContext, query};
use kernel::codes;

use crate::model::WorkspaceView;
use crate::store;

/// The caller's workspace.
#[query(GET "/v1/workspace", permission = crate::READ_WORKSPACE)]
pub(super) async fn get_workspace(cx: &QueryContext) -> Result<WorkspaceView, Problem> {
    let found = store::find_workspace(&mut *cx.tx().await, cx.workspace()).await?;
    let gone = || Problem::new(codes::REQUEST_NOT_FOUND, "The workspace was deleted.");
    let workspace = found.ok_or_else(gone)?;
    cx.set_version(workspace.version());
    Ok(workspace)
}
