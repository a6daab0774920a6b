//! What a worker has to do later, by wall time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

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
    /// The run's time is up.
    Deadline,
}

/// Timers, soonest first. A timer of a run that is gone is simply ignored.
#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Timestamp, RunId, Timer)>>,
}

impl Timers {
    pub(crate) fn add(&mut self, at: Timestamp, run: RunId, timer: Timer) {
        self.heap.push(Reverse((at, run, timer)));
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// Takes the next one that is due.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<(RunId, Timer)> {
        let Reverse((at, run, timer)) = *self.heap.peek()?;
        if at > now {
            return None;
        }
        self.heap.pop();
        Some((run, timer))
    }
}
