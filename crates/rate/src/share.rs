//! The subjects a member knows, what they ask for, and which part of their budgets is given out here.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::gcra::{Budget, Cell, Verdict};
use crate::subject::Subject;
use crate::{Rates, lock};

/// Locks that subjects are spread over, so that requests seldom wait for each other.
const SHARDS: usize = 16;
/// How much the latest second counts for the demand: half of it, so that one lull changes little.
const LATEST: f64 = 0.5;
/// Less than this part of a budget is not told to the others.
const TOLD_FROM: f64 = 0.01;
/// Subjects that a member tells of at most, those that ask most.
const TOLD_MAX: usize = 2_000;

/// What one member was asked for, in requests a second.
pub(crate) type Demand = (Subject, f32);

#[derive(Default)]
struct Entry {
    cell: Cell,
    /// Requests since the last exchange, refused ones included.
    asked: u32,
    /// Requests a second, smoothed.
    demand: f64,
    /// The part given out here, once it was worked out.
    share: Option<f64>,
    per_minute: u32,
}

/// All subjects.
pub(crate) struct Table {
    shards: [Mutex<HashMap<Subject, Entry>>; SHARDS],
    hasher: RandomState,
    /// Members that give budgets out.
    members: AtomicU32,
}

impl Default for Table {
    fn default() -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self { shards, hasher: RandomState::new(), members: AtomicU32::new(1) }
    }
}

impl Table {
    pub(crate) fn take(&self, subject: Subject, budget: Budget, now: Duration) -> Verdict {
        let equal = 1.0 / f64::from(self.members.load(Ordering::Relaxed).max(1));
        let mut entries = lock(self.shard(&subject));
        let subject = if entries.contains_key(&subject) || make_room(&mut entries, now) {
            subject
        } else {
            Subject::everybody_else(subject.scope())
        };
        let entry = entries.entry(subject).or_default();
        entry.asked = entry.asked.saturating_add(1);
        entry.per_minute = budget.per_minute;
        entry.cell.take(budget, entry.share.unwrap_or(equal), now)
    }

    fn shard(&self, subject: &Subject) -> &Mutex<HashMap<Subject, Entry>> {
        &self.shards[self.hasher.hash_one(subject) as usize % SHARDS]
    }

    /// What was asked for per second, over the `elapsed` time since this was called last.
    pub(crate) fn demands(&self, elapsed: Duration) -> Vec<Demand> {
        let seconds = elapsed.as_secs_f64().max(0.001);
        let mut demands = Vec::new();
        for shard in &self.shards {
            for (subject, entry) in lock(shard).iter_mut() {
                let latest = f64::from(std::mem::take(&mut entry.asked)) / seconds;
                // The first second is all there is to know.
                entry.demand = match entry.share {
                    None => latest,
                    Some(_) => entry.demand + LATEST * (latest - entry.demand),
                };
                if entry.demand >= TOLD_FROM * f64::from(entry.per_minute) / 60.0 {
                    demands.push((*subject, entry.demand as f32));
                }
            }
        }
        demands.sort_by(|a, b| b.1.total_cmp(&a.1));
        demands.truncate(TOLD_MAX);
        demands
    }

    /// Works out the parts from what everybody told, ourselves included.
    pub(crate) fn share(&self, ours: &[Demand], others: &[Vec<Demand>], now: Duration) {
        self.members.store(1 + others.len() as u32, Ordering::Relaxed);
        let mut elsewhere: HashMap<Subject, f64> = HashMap::new();
        for (subject, demand) in others.iter().flatten() {
            *elsewhere.entry(*subject).or_default() += f64::from(*demand);
        }
        let ours: HashMap<_, _> = ours.iter().copied().collect();
        for shard in &self.shards {
            let mut entries = lock(shard);
            for (subject, entry) in entries.iter_mut() {
                let own = ours.get(subject).copied().map_or(0.0, f64::from);
                let all = own + elsewhere.get(subject).copied().unwrap_or_default();
                entry.share = (own > 0.0).then(|| own / all);
            }
            entries.retain(|_, entry| entry.share.is_some() || !entry.cell.is_whole(now));
        }
    }
}

/// Whether one more subject may be held, after letting go of those that ask no more.
fn make_room(entries: &mut HashMap<Subject, Entry>, now: Duration) -> bool {
    const MAX: usize = Rates::SUBJECTS_MAX / SHARDS;
    if entries.len() >= MAX {
        entries.retain(|_, entry| !entry.cell.is_whole(now));
    }
    entries.len() < MAX
}
