//! How long the blobs that a run names must be there: as long as the run itself, live and in history.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kernel::Item;
use workflow::Retention;

use crate::flusher::{Op, kept_days};
use crate::state::{Phase, RunState};

/// History goes by partitions of up to a month, and a partition that is being read stays a little
/// longer.
const SLACK_DAYS: u64 = 35;
/// A run that goes on names its blobs again with every checkpoint, each day.
const LIVE_DAYS: u64 = 60;
/// A run that waits may go on for so long after it was woken before it names them again.
const PARKED_DAYS: u64 = 366;

/// Until when the blobs must be there that a run names with this operation; `None`: as long as the
/// store keeps what was just written.
pub(crate) fn needed_until(op: &Op) -> Option<Timestamp> {
    let after = |at: &Timestamp, days: u64| {
        Some(at.checked_add(Duration::from_secs(days * 86_400)).unwrap_or(Timestamp::MAX))
    };
    match op {
        Op::Start { .. } | Op::Progress { .. } => None,
        Op::Renew { at, .. } => after(at, LIVE_DAYS),
        Op::Park { due, .. } => {
            due.as_ref().map_or(Some(Timestamp::MAX), |due| after(due, PARKED_DAYS))
        }
        Op::End { finished_at, keep, .. } | Op::Whole { finished_at, keep, .. } => match keep {
            Retention::None => None,
            Retention::Forever => Some(Timestamp::MAX),
            Retention::Days(days) => after(finished_at, kept_days(*days) + SLACK_DAYS),
        },
    }
}

/// Keys of the files that travel with the run's items, each once.
pub(crate) fn files(state: &RunState) -> Vec<String> {
    let mut files = Files::default();
    let runs = state.data.nodes.iter().flat_map(|node| &node.runs);
    runs.flat_map(|run| &run.outputs).for_each(|items| files.add(items));
    for activation in &state.activations {
        let edited = activation.edited.iter().flat_map(|ports| ports.iter());
        activation.inputs.iter().chain(edited).for_each(|items| files.add(items));
        activation.done.iter().flatten().flatten().for_each(|items| files.add(items));
        if let Phase::Calling { results, .. } = &activation.phase {
            results.iter().flatten().flatten().for_each(|items| files.add(items));
        }
    }
    files.keys.into_iter().map(str::to_owned).collect()
}

/// Items share their files: most are met many times.
#[derive(Default)]
struct Files<'a> {
    seen: HashSet<*const ()>,
    keys: HashSet<&'a str>,
}

impl<'a> Files<'a> {
    fn add(&mut self, items: &'a [Item]) {
        for files in items.iter().filter_map(|item| item.binary.as_ref()) {
            if self.seen.insert(Arc::as_ptr(files).cast()) {
                self.keys.extend(files.values().map(|file| &*file.blob));
            }
        }
    }
}
