//! Who is told of saves and publishes: the crates that keep something derived from a document.

use std::sync::Arc;

use db::Tx;
use futures::future::BoxFuture;
use kernel::{Problem, VersionId, WorkflowId, WorkspaceId};
use node::Registry;

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
    /// Its graph; `None`: a draft that is not valid, or (with the nil version) that nothing is
    /// published any more, so whatever was derived of the one before goes.
    /// A draft's graph has the nil version: store it by [`crate::service::store_draft`] to run it.
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

/// What saving and publishing need besides the database: put into the services of the process.
#[derive(Clone)]
pub struct Publishing {
    /// The node types there are.
    pub registry: Arc<Registry>,
    /// Who is told, in order.
    pub observers: Vec<Arc<dyn PublishObserver>>,
}

impl Publishing {
    /// Tells everybody inside the transaction.
    pub(crate) async fn stored(&self, tx: &mut Tx, stored: Stored<'_>) -> Result<(), Problem> {
        for observer in &self.observers {
            observer.stored(tx, stored).await?;
        }
        Ok(())
    }

    /// Tells everybody that a transaction was committed. The API does so itself; whoever calls
    /// [`crate::service`] in a transaction of their own does it after the commit.
    pub fn committed(&self, workspace: WorkspaceId) {
        for observer in &self.observers {
            observer.committed(workspace);
        }
    }
}
