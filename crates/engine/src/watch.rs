//! What a member looks after while its runs go on: signals that came through the database, and runs
//! that the database says are its own and nobody here has.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use kernel::{Problem, RunId, WorkspaceId};
use tokio_util::sync::CancellationToken;

use crate::command::Command;
use crate::engine::Shared;
use crate::load;

/// How often signals to runs that have nothing to flush are looked for.
const INBOX_EVERY: Duration = Duration::from_millis(500);
/// Looks at the inbox between two comparisons of what is owned: 10 s.
const LOOKS_PER_COMPARISON: u32 = 20;

/// Looks until told to stop.
#[expect(clippy::disallowed_methods, reason = "a poll in real time")]
pub(crate) async fn watch(shared: Weak<Shared>, stop: CancellationToken) {
    let mut suspects = HashSet::new();
    for look in 1_u32.. {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INBOX_EVERY) => {}
        }
        let Some(shared) = shared.upgrade() else { return };
        // The database being away is told by the flusher: a look that fails is simply skipped.
        if shared.live.load(Ordering::Relaxed) > 0 {
            for (_, run) in shared.store.signalled().await.unwrap_or_default() {
                shared.send(run, Command::Signalled(run));
            }
        }
        if look % LOOKS_PER_COMPARISON == 0
            && let Ok(missing) = compare(&shared, &suspects).await
        {
            suspects = missing;
        }
    }
}

/// Compares what is owned with what is in memory. A run may be on its way in or out, so only one that
/// was missing twice is taken up: a take whose answer was lost leaves such a run.
async fn compare(
    shared: &Arc<Shared>,
    suspects: &HashSet<RunId>,
) -> Result<HashSet<RunId>, Problem> {
    let owned = shared.store.owned().await?;
    let missing = shared.missing(owned.iter().map(|(_, run)| *run).collect()).await;
    let missing: HashSet<RunId> = missing.into_iter().collect();
    let twice = |(_, run): &&(WorkspaceId, RunId)| missing.contains(run) && suspects.contains(run);
    for (workspace, run) in owned.iter().filter(twice) {
        tracing::warn!(run.id = %run, "the run was ours and nobody had it; taken up again");
        load::take_up(shared, *workspace, *run, None).await?;
    }
    Ok(missing)
}
