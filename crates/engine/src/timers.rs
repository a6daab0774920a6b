//! What a worker has to do later, by wall time.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use kernel::RunId;

use crate::record::ActivationId;

/// Something due at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The run must be seen by now.
    Visible,
    /// An activation's wait is over.
    Due(ActivationId),
    /// The member's lease is looked at again.
    Lease,
    /// The run's journal segment is old.
    Renew,
    /// The run's time is up.
    Deadline,
}

/// Timers, soonest first. They go with their run, so that those of a long wait do not pile up.
#[derive(Default)]
pub(crate) struct Timers {
    set: BTreeSet<(Timestamp, RunId, Timer)>,
    runs: HashMap<RunId, BTreeSet<(Timestamp, Timer)>>,
}

impl Timers {
    pub(crate) fn add(&mut self, at: Timestamp, run: RunId, timer: Timer) {
        self.set.insert((at, run, timer));
        self.runs.entry(run).or_default().insert((at, timer));
    }

    /// Removes all timers of a run.
    pub(crate) fn forget(&mut self, run: RunId) {
        for (at, timer) in self.runs.remove(&run).unwrap_or_default() {
            self.set.remove(&(at, run, timer));
        }
    }

    /// When the first wait of a run is over, unless that is before `from`; and how many of its
    /// activations wait for a time.
    pub(crate) fn waits_until(&self, run: RunId, from: Timestamp) -> Option<(Timestamp, usize)> {
        let waits = |(_, timer): &&(Timestamp, Timer)| matches!(timer, Timer::Due(_));
        let own = self.runs.get(&run)?;
        let (first, _) = own.iter().find(waits)?;
        (*first >= from).then(|| (*first, own.iter().filter(waits).count()))
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.set.first().map(|(at, ..)| *at)
    }

    /// Takes the next one that is due.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<(RunId, Timer)> {
        if self.next()? > now {
            return None;
        }
        let (at, run, timer) = self.set.pop_first()?;
        if let Entry::Occupied(mut own) = self.runs.entry(run) {
            own.get_mut().remove(&(at, timer));
            if own.get().is_empty() {
                own.remove();
            }
        }
        Some((run, timer))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.set.len()
    }
}
