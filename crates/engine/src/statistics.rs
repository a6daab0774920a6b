//! Statistics: ended runs counted by workflow, time, outcome and duration.
//!
//! A worker counts a run in memory when its end is durable; every two seconds what was counted is added
//! to the database, beside and after the flush, which knows nothing of it. So a process that dies
//! takes the counts of its last two seconds with it, and a connection that is lost in the moment of a
//! commit may count what was sent twice. Nothing but these figures depends on them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;
use kernel::{Problem, WorkflowId, WorkspaceId};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::engine::Shared;
use crate::flusher::Outcome;
use crate::state::RunState;
use crate::store::{Counted, Span};

/// How often what was counted is written.
const WRITE_EVERY: Duration = Duration::from_secs(2);
/// Different counts held while the database is away; what would be one more is not counted.
const COUNTS_MAX: usize = 100_000;
/// Counts written in one statement, which adds all of them or none: each is four rows.
const COUNTS_AT_ONCE: usize = 1_000;
/// Slots to a doubling of the duration.
const SLOTS_PER_DOUBLING: f64 = 4.0;

/// What this member has counted and not written.
#[derive(Default)]
pub(crate) struct Statistics {
    counts: Mutex<HashMap<Key, Sum>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    workspace: WorkspaceId,
    workflow: WorkflowId,
    /// Minutes since 1970.
    minute: i64,
    outcome: Outcome,
    slot: i16,
}

/// Runs, and the microseconds they took together.
#[derive(Clone, Copy, Default)]
struct Sum {
    runs: i64,
    took_us: i64,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.took_us = self.took_us.saturating_add(other.took_us);
    }
}

impl Statistics {
    /// Counts a run whose end is durable, or that ended and is not kept.
    pub(crate) fn count(&self, state: &RunState, outcome: Outcome) {
        let graph = &state.plan.graph;
        let took_us = i64::try_from(state.ended_us).unwrap_or(i64::MAX);
        let ended = state.start.at.as_microsecond().saturating_add(took_us);
        let key = Key {
            workspace: graph.workspace,
            workflow: graph.workflow.id,
            minute: ended.div_euclid(60_000_000),
            outcome,
            slot: slot_of(state.ended_us),
        };
        self.add(key, Sum { runs: 1, took_us });
    }

    fn add(&self, key: Key, sum: Sum) {
        let mut counts = self.counts();
        if counts.len() < COUNTS_MAX || counts.contains_key(&key) {
            counts.entry(key).or_default().add(sum);
        }
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Key, Sum>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was counted to the database. When that fails it is kept for the next time.
    pub(crate) async fn write(&self, shared: &Shared) -> Result<(), Problem> {
        let taken = std::mem::take(&mut *self.counts());
        let mut taken = taken.into_iter();
        loop {
            let some: HashMap<_, _> = taken.by_ref().take(COUNTS_AT_ONCE).collect();
            if some.is_empty() {
                return Ok(());
            }
            if let Err(problem) = shared.store.add_counts(rows(&some)).await {
                for (key, sum) in some.into_iter().chain(taken) {
                    self.add(key, sum);
                }
                return Err(problem);
            }
        }
    }
}

/// Each count four times: for the minute and the hour, for the workflow and the whole workspace. In
/// order, so that two members who add to the same rows never wait for each other in a circle.
fn rows(counts: &HashMap<Key, Sum>) -> Vec<Counted> {
    let mut rows: BTreeMap<_, Sum> = BTreeMap::new();
    for (key, sum) in counts {
        for workflow in [key.workflow.0, Uuid::nil()] {
            for span in [Span::Minute, Span::Hour] {
                let at = key.minute - key.minute.rem_euclid(span.minutes().into());
                let place = (key.workspace.0, workflow, span.minutes(), at, key.outcome.as_str());
                rows.entry((place, key.slot)).or_default().add(*sum);
            }
        }
    }
    let row = |((place, slot), sum): (_, Sum)| {
        let (workspace, workflow, span, minute, state) = place;
        let at = Timestamp::from_second(minute * 60).unwrap_or(Timestamp::UNIX_EPOCH);
        let Sum { runs, took_us } = sum;
        Counted { workspace, workflow, span, at, state, slot, runs, took_us }
    };
    rows.into_iter().map(row).collect()
}

/// The slot of a duration: [2^(n/4), 2^((n+1)/4)) microseconds.
fn slot_of(took_us: u64) -> i16 {
    ((took_us.max(1) as f64).log2() * SLOTS_PER_DOUBLING) as i16
}

/// Writes until told to stop.
#[expect(clippy::disallowed_methods, reason = "a beat in real time")]
pub(crate) async fn keep_writing(shared: Weak<Shared>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(WRITE_EVERY) => {}
        }
        let Some(shared) = shared.upgrade() else { return };
        if let Err(problem) = shared.statistics.write(&shared).await {
            tracing::debug!(error.code = %problem.code, "statistics put off");
        }
    }
}

/// Durations of some runs, as a histogram.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durations(BTreeMap<i16, i64>);

impl Durations {
    /// Adds runs of one slot.
    pub(crate) fn add(&mut self, slot: i16, runs: i64) {
        *self.0.entry(slot).or_default() += runs;
    }

    /// What a share of the runs did not exceed, in milliseconds, to about a tenth of it.
    pub(crate) fn percentile_ms(&self, share: f64) -> Option<f64> {
        let total: i64 = self.0.values().sum();
        let wanted = total as f64 * share;
        let mut seen = 0.0;
        for (slot, runs) in &self.0 {
            let runs = *runs as f64;
            if seen + runs >= wanted && runs > 0.0 {
                let within = ((wanted - seen) / runs).clamp(0.0, 1.0);
                let us = ((f64::from(*slot) + within) / SLOTS_PER_DOUBLING).exp2();
                return Some((us / 10.0).round() / 100.0);
            }
            seen += runs;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_right_to_about_a_tenth() {
        let mut durations = Durations::default();
        assert_eq!(durations.percentile_ms(0.5), None);
        for took_us in 1..=100_000 {
            durations.add(slot_of(took_us), 1);
        }
        for (share, expected) in [(0.5, 50.0), (0.95, 95.0), (0.99, 99.0)] {
            let found = durations.percentile_ms(share).unwrap();
            assert!((found / expected - 1.0).abs() < 0.1, "{share}: {found}");
        }
    }

    #[test]
    fn every_duration_has_a_slot() {
        assert_eq!((slot_of(0), slot_of(1), slot_of(2), slot_of(1024)), (0, 0, 4, 40));
        assert!(slot_of(u64::MAX) < 260);
    }
}
