//! The queue's workload: enqueue jobs that do nothing in batches, then claim and complete them all.

use std::time::Duration;

use bytes::Bytes;
use kernel::clock::{SystemClock, SystemDice};
use kernel::{Clock, Problem, WorkspaceId};
use queue::{NewJob, Priority, Queue};
use tokio::task::JoinSet;

use super::load::{Samples, Seen};
use crate::system::System;

/// Lane of its own, so that nobody else's jobs are in the way.
const LANE: &str = "bench";
/// Jobs of one enqueue, and of one claim.
const ENQUEUED_AT_ONCE: usize = 1_000;
const CLAIMED_AT_ONCE: u32 = 500;
/// Jobs enqueued ahead for each second of the measurement: about as many as are drained in one.
const JOBS_PER_SECOND: usize = 150_000;

/// Drains for at most `seconds`; the samples are whole batches, counted by their jobs.
///
/// # Errors
/// Those of the queue while it is filled.
pub(super) async fn drive(
    system: &System,
    seconds: u64,
    concurrency: usize,
) -> Result<Seen, Problem> {
    let queue = system.queue();
    fill(queue, JOBS_PER_SECOND * seconds as usize).await?;
    let clock = SystemClock;
    let start = clock.monotonic();
    let end = start + Duration::from_secs(seconds);
    let mut hands = JoinSet::new();
    for _ in 0..concurrency {
        hands.spawn(drain(queue.clone(), end));
    }
    let mut all = Samples::default();
    while let Some(one) = hands.join_next().await {
        all.add(one.unwrap_or_default());
    }
    Ok(all.seen(clock.monotonic() - start))
}

async fn fill(queue: &Queue, jobs: usize) -> Result<(), Problem> {
    // A workspace of nobody: jobs belong to one, but nothing looks it up.
    let workspace = WorkspaceId::new(&SystemClock, &SystemDice);
    for _ in 0..jobs.div_ceil(ENQUEUED_AT_ONCE) {
        let batch: Vec<NewJob> = (0..ENQUEUED_AT_ONCE).map(|_| job()).collect();
        queue.enqueue(workspace, LANE, Priority::Normal, &batch).await?;
    }
    Ok(())
}

fn job() -> NewJob {
    NewJob {
        id: kernel::id::uuid_v7(&SystemClock, &SystemDice),
        kind: "bench.nothing".to_owned(),
        key: None,
        run_at: None,
        payload: Bytes::from_static(b"{}"),
    }
}

/// Claims and completes until nothing is left or time is up.
async fn drain(queue: Queue, end: Duration) -> Samples {
    let clock = SystemClock;
    let mut samples = Samples::default();
    while clock.monotonic() < end {
        let before = clock.monotonic();
        let done = batch(&queue).await;
        let took = clock.monotonic() - before;
        match done {
            Ok(0) => break,
            Ok(jobs) => (0..jobs).for_each(|_| samples.record(Ok(()), took)),
            Err(problem) => samples.record(Err(problem.to_string().into()), took),
        }
    }
    samples
}

async fn batch(queue: &Queue) -> Result<usize, Problem> {
    let jobs = queue.claim(LANE, CLAIMED_AT_ONCE).await?;
    let held: Vec<_> = jobs.iter().map(|job| job.held).collect();
    queue.complete(&held).await?;
    Ok(jobs.len())
}
