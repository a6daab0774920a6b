//! The heartbeat's thread: renews the lease, learns the time, watches the others.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use db::{Columns, Lane};
use jiff::Timestamp;
use kernel::{Clock, Problem};

use super::watch::Watch;
use super::{BEAT, Shared, fence, lane_settings, millis, others};
use crate::store::members;

/// Until the member leaves or finds itself fenced. On a thread and a connection of its own, so that
/// nothing else in the process can keep it from beating.
pub(super) fn beat(shared: &Shared) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(error.cause = %error, "no event loop for the heartbeat");
            return;
        }
    };
    runtime.block_on(async {
        let lane = Lane::new(shared.database.clone(), lane_settings());
        let mut watch = Watch::default();
        while !shared.leaving.load(Ordering::Acquire) && !shared.fenced.load(Ordering::Relaxed) {
            if let Err(problem) = once(shared, &lane, &mut watch).await {
                tracing::warn!(error.code = %problem.code, "the heartbeat missed a beat");
                watch.interrupted();
            }
            let _left_or_due = tokio::time::timeout(BEAT, shared.leave.notified()).await;
        }
    });
}

async fn once(shared: &Shared, lane: &Lane, watch: &mut Watch) -> Result<(), Problem> {
    if is_alive(shared) {
        let sent = shared.clock.monotonic();
        let row = lane.query_opt(&members::BEAT, &[&shared.id.0]).await?;
        let row = row.ok_or_else(|| {
            tracing::error!(member.id = %shared.id, "this member's row is gone");
            Problem::internal()
        })?;
        if row.column::<bool>("fenced")? {
            tracing::error!(member.id = %shared.id, "this member was declared dead");
            shared.fenced.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let now: Timestamp = row.column("seen_at")?;
        shared.clock.learn(sent, now);
        shared.renewed_ms.store(millis(sent), Ordering::Relaxed);
    }
    let leases = others(lane, shared.id).await?;
    let now = shared.clock.monotonic();
    for dead in watch.sample(now, leases.into_iter().map(|(id, _, lease)| (id, lease))) {
        tracing::warn!(member.id = %dead, "a member stopped renewing its lease; fencing it");
        fence(&shared.database, lane, dead).await?;
        shared.reaped.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn is_alive(shared: &Shared) -> bool {
    let vitals = shared.vitals.read().unwrap_or_else(PoisonError::into_inner);
    let alive = vitals.iter().all(|vital| vital());
    if !alive {
        tracing::error!(member.id = %shared.id, "a thread of this member stands still");
    }
    alive
}
