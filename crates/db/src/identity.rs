//! On whose behalf a transaction runs.

use kernel::{PrincipalId, WorkspaceId};

/// The workspace every statement of a transaction is confined to, and who acts in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Rows of other workspaces do not exist for the transaction.
    pub workspace: WorkspaceId,
    /// Who acts; `None` for the program itself (a hook, a job).
    pub principal: Option<PrincipalId>,
}

impl Identity {
    /// Somebody in a workspace.
    pub fn new(workspace: WorkspaceId, principal: PrincipalId) -> Self {
        Self { workspace, principal: Some(principal) }
    }

    /// The program itself, acting for a workspace.
    pub fn of_workspace(workspace: WorkspaceId) -> Self {
        Self { workspace, principal: None }
    }
}
