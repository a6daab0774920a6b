//! `PATCH /v1/workspace`

use function::{MutationContext, Problem, mutation};
use kernel::codes;
use schemars::JsonSchema;
use serde::Deserialize;

use super::name::NAME;
use crate::model::WorkspaceView;
use crate::store;

/// What of the workspace shall change: a JSON merge patch (RFC 7396).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkspacePatch {
    /// Its name for people, 1 to 200 characters.
    #[serde(default)]
    #[schemars(with = "String", length(min = 1, max = 200), regex(pattern = NAME))]
    name: Option<String>,
}

/// Changes the name of the workspace; what is absent stays as it is.
///
/// With `if-match` it is refused unless the workspace is as it was read.
#[mutation(PATCH "/v1/workspace", permission = crate::WRITE_WORKSPACE, audit = "workspace.updated")]
pub(super) async fn update_workspace(
    cx: &MutationContext,
    body: WorkspacePatch,
) -> Result<WorkspaceView, Problem> {
    let mut tx = cx.tx().await;
    let found = store::find_workspace(&mut tx, cx.workspace()).await?;
    let gone = || Problem::new(codes::REQUEST_NOT_FOUND, "The workspace was deleted.");
    let mut workspace = found.ok_or_else(gone)?;
    cx.require_version(workspace.version())?;
    if let Some(name) = body.name {
        store::rename_workspace(&mut tx, cx.workspace(), &name).await?;
        workspace.name = name;
    }
    cx.subject("workspace", workspace.id);
    cx.set_version(workspace.version());
    Ok(workspace)
}
