//! Who is told of saves and publishes: the crates that keep something derived from a document.

use db::Tx;
use futures::future::BoxFuture;
use kernel::{Problem, VersionId, WorkflowId, WorkspaceId};

use crate::graph::Graph;

/// What was stored in the transaction at hand.
#[derive(Clone, Copy)]
pub struct Stored<'a> {
    /// Whose workflow.
    pub workspace: WorkspaceId,
    /// Which workflow.
    pub workflow: WorkflowId,
    /// The version that was published; `None`: the draft was saved.
    pub version: Option<VersionId>,
    /// Its graph; `None`: a draft that is not valid, so whatever was derived of the one before goes.
    pub graph: Option<&'a Graph>,
}

/// Is told of every save and publish. Wired by the binary.
pub trait PublishObserver: Send + Sync {
    /// Called in the transaction that stores it; an error undoes the whole save or publish.
    fn stored<'a>(
        &'a self,
        tx: &'a mut Tx,
        stored: Stored<'a>,
    ) -> BoxFuture<'a, Result<(), Problem>>;

    /// Called in this process after that transaction is committed: a hint to look again.
    fn committed(&self, workspace: WorkspaceId);
}
