//! What a worker has to do later, by wall time.

use std::collections::BTreeSet;

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

/// Timers, soonest first. A timer of a run that is gone is simply ignored; long ones are removed
/// with their run, so that they do not pile up.
#[derive(Default)]
pub(crate) struct Timers {
    set: BTreeSet<(Timestamp, RunId, Timer)>,
}

impl Timers {
    pub(crate) fn add(&mut self, at: Timestamp, run: RunId, timer: Timer) {
        self.set.insert((at, run, timer));
    }

    pub(crate) fn remove(&mut self, at: Timestamp, run: RunId, timer: Timer) {
        self.set.remove(&(at, run, timer));
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
        self.set.pop_first().map(|(_, run, timer)| (run, timer))
    }
}
