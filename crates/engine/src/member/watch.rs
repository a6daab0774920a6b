//! Who among the others is dead: decided from what this member saw itself, never by comparing clocks.

use std::collections::HashMap;
use std::time::Duration;

use kernel::MemberId;

use super::DEAD_AFTER;

/// Samples further apart than this say nothing about what happened between them.
const SAMPLE_GAP_MAX: Duration = Duration::from_millis(1_500);

/// What was seen of the others' lease counters.
#[derive(Default)]
pub(super) struct Watch {
    seen: HashMap<MemberId, Seen>,
    last: Option<Duration>,
}

struct Seen {
    lease: i64,
    since: Duration,
}

impl Watch {
    /// Takes a sample at a monotonic time and says who has stood still for [`DEAD_AFTER`], in samples
    /// without a gap.
    pub(super) fn sample(
        &mut self,
        now: Duration,
        leases: impl IntoIterator<Item = (MemberId, i64)>,
    ) -> Vec<MemberId> {
        let gap = self.last.is_none_or(|last| now.saturating_sub(last) > SAMPLE_GAP_MAX);
        self.last = Some(now);
        let mut before = std::mem::take(&mut self.seen);
        let mut dead = Vec::new();
        for (member, lease) in leases {
            let since = match before.remove(&member) {
                Some(seen) if seen.lease == lease && !gap => seen.since,
                _ => now,
            };
            if now.saturating_sub(since) >= DEAD_AFTER {
                dead.push(member);
            }
            self.seen.insert(member, Seen { lease, since });
        }
        dead
    }

    /// The database could not be asked: everything counts anew.
    pub(super) fn interrupted(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const OTHER: MemberId = MemberId(Uuid::from_u128(1));

    fn dead_at(samples: &[(f64, i64)]) -> Option<f64> {
        let mut watch = Watch::default();
        samples
            .iter()
            .find(|(at, lease)| {
                !watch.sample(Duration::from_secs_f64(*at), [(OTHER, *lease)]).is_empty()
            })
            .map(|(at, _)| *at)
    }

    #[test]
    fn a_member_that_stands_still_for_five_seconds_is_dead() {
        let samples: Vec<_> = (0..10).map(|second| (f64::from(second), 7)).collect();
        assert_eq!(dead_at(&samples), Some(5.0));
    }

    #[test]
    fn any_movement_starts_the_count_again() {
        let samples: Vec<_> =
            (0..12).map(|second| (f64::from(second), i64::from(second / 4))).collect();
        assert_eq!(dead_at(&samples), None);
    }

    #[test]
    fn a_gap_between_samples_starts_the_count_again() {
        let samples: Vec<_> =
            [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0].map(|at| (at, 7)).to_vec();
        assert_eq!(dead_at(&samples), Some(11.0));
    }
}
