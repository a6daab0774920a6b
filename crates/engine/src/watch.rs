//! What a member looks after while its runs go on: signals that came through the database, parked runs
//! whose time has come, and runs that the database says are its own and nobody here has.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use kernel::{Problem, RunId, WorkspaceId};
use tokio_util::sync::CancellationToken;

use crate::command::Command;
use crate::engine::Shared;
use crate::load;

/// How often parked runs that are due, and signals to runs that have nothing to flush, are looked for;
/// at random up to half of it earlier, so that members take turns.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks between two comparisons of what is owned: about 10 s.
const LOOKS_PER_COMPARISON: u32 = 26;

/// Looks until told to stop.
#[expect(clippy::disallowed_methods, reason = "a poll in real time")]
pub(crate) async fn watch(shared: Weak<Shared>, stop: CancellationToken) {
    let mut suspects = HashSet::new();
    let mut pause = LOOK_EVERY;
    for look in 1_u32.. {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let Some(shared) = shared.upgrade() else { return };
        pause = LOOK_EVERY
            - (LOOK_EVERY / 2).mul_f64((shared.dice.next_u64() >> 11) as f64 / 2_f64.powi(53));
        // The database being away is told by the flusher: a look that fails is simply skipped.
        if shared.live.load(Ordering::Relaxed) > 0 {
            for (_, run) in shared.store.signalled().await.unwrap_or_default() {
                shared.send(run, Command::Signalled(run));
            }
        }
        if let Err(problem) = load::wake_due(&shared).await {
            tracing::debug!(error.code = %problem.code, "parked runs could not be looked for");
        }
        // What recovery has taken over and not yet read back is no lost run.
        if look % LOOKS_PER_COMPARISON == 0
            && !shared.recovering.load(Ordering::Relaxed)
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
        if let Err(problem) = load::take_up(shared, *workspace, *run, None).await {
            tracing::error!(run.id = %run, error.code = %problem.code, "it cannot be read back: {problem}");
        }
    }
    Ok(missing)
}
