//! Waiting for a call of a draft: who builds a workflow sees what really comes in.
//!
//! One listening stands for each workflow. The next call of its draft that comes in time is kept with
//! it and answered like any other; the one after is not.

use std::time::Duration;

use db::{Database, Error, Identity};
use kernel::{Clock, Item, Problem, RunId, WorkflowId, WorkspaceId};
use tokio::sync::Notify;

use crate::address::Route;
use crate::store::listenings as store;
use crate::store::listenings::{CapturedRow, ListeningRow};

/// How often the database is asked while somebody waits: the call may come to another member.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A call of a draft: where it came in, what it brought, and the run it started.
#[derive(Clone, Copy)]
pub(crate) struct HeardCall<'a> {
    pub(crate) route: &'a Route,
    pub(crate) item: &'a Item,
    pub(crate) run: RunId,
}

/// Wakes those who wait in this process.
#[derive(Default)]
pub(crate) struct Listenings {
    captured: Notify,
}

impl Listenings {
    /// Keeps a call of a draft, if one is waited for, and says whether. A call is not refused because
    /// it cannot be kept.
    pub(crate) async fn offer(
        &self,
        database: &Database,
        workspace: WorkspaceId,
        call: HeardCall<'_>,
        clock: &dyn Clock,
    ) -> bool {
        match keep(database, workspace, call, clock).await {
            Ok(true) => {
                self.captured.notify_waiters();
                true
            }
            Ok(false) => false,
            Err(error) => {
                tracing::warn!(error = %error, run.id = %call.run, "a call could not be kept");
                false
            }
        }
    }

    /// What the workflow waits for or has got, once it has got it or `within` is over.
    pub(crate) async fn wait(
        &self,
        database: &Database,
        workspace: WorkspaceId,
        workflow: WorkflowId,
        within: Duration,
        clock: &dyn Clock,
    ) -> Result<Option<ListeningRow>, Problem> {
        let end = clock.monotonic() + within;
        loop {
            let captured = self.captured.notified();
            let mut tx = database.read(Identity::of_workspace(workspace)).await?;
            let found = store::find(&mut tx, workspace, workflow).await?;
            drop(tx);
            let waits = |row: &ListeningRow| row.captured.is_none() && row.expires_at > clock.now();
            let left = end.saturating_sub(clock.monotonic());
            if left.is_zero() || !found.as_ref().is_some_and(waits) {
                return Ok(found);
            }
            // Told or not, the database is asked again.
            let _ = tokio::time::timeout(left.min(LOOK_EVERY), captured).await;
        }
    }
}

async fn keep(
    database: &Database,
    workspace: WorkspaceId,
    HeardCall { route, item, run }: HeardCall<'_>,
    clock: &dyn Clock,
) -> Result<bool, Error> {
    let (identity, at) = (Identity::of_workspace(workspace), clock.now());
    let mut look = database.read(identity).await?;
    if !store::is_waited_for(&mut look, workspace, route.workflow, &route.node, at).await? {
        return Ok(false);
    }
    drop(look);
    let items = serde_json::to_string(&[item])
        .map_err(|error| Error::Internal(format!("an item cannot be written as JSON: {error}")))?;
    let call = CapturedRow { at, node: route.node.clone(), run, items };
    database
        .transact(identity, |mut tx| {
            let call = &call;
            async move {
                let kept = store::capture(&mut tx, workspace, route.workflow, call).await?;
                tx.commit().await?;
                Ok(kept)
            }
        })
        .await
}
