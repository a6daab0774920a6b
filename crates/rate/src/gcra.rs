//! The generic cell rate algorithm: one time per subject.

use std::time::Duration;

/// So many requests a minute, and so many of them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Requests a minute, at least 1.
    pub per_minute: u32,
    /// How much of the budget may be saved up, at least the time of one request.
    pub burst: Duration,
}

impl Budget {
    /// Time that one request costs when this part of the budget is given out here.
    fn cost(self, share: f64) -> f64 {
        60.0 / f64::from(self.per_minute.max(1)) / share
    }

    /// Requests that may come at once.
    pub fn quota(self) -> u32 {
        let quota = self.burst.as_secs_f64() * f64::from(self.per_minute) / 60.0;
        quota.max(1.0).min(f64::from(u32::MAX)) as u32
    }

    /// Time in which an empty budget is whole again.
    pub fn window(self) -> Duration {
        Duration::from_secs_f64(f64::from(self.quota()) * 60.0 / f64::from(self.per_minute.max(1)))
    }
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The budget.
    pub budget: Budget,
    /// Whether the request may go on.
    pub allowed: bool,
    /// Requests that would be let through at once after this one.
    pub remaining: u32,
    /// When the budget is whole again.
    pub reset: Duration,
    /// When the next request would be let through; zero: at once.
    pub retry_after: Duration,
}

/// When a subject's budget is whole again, in seconds of the monotonic clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cell {
    whole_at: f64,
}

impl Cell {
    /// Takes one request at `now` out of the part `share` (above 0, at most 1) of a budget.
    pub(crate) fn take(&mut self, budget: Budget, share: f64, now: Duration) -> Verdict {
        let (now, cost) = (now.as_secs_f64(), budget.cost(share));
        // A part of the budget is a part of its burst; less than one request would let nothing in.
        let tolerance = budget.window().as_secs_f64().max(cost);
        let used = (self.whole_at - now).clamp(0.0, tolerance);
        let allowed = used + cost <= tolerance + cost * 1e-9;
        let used_now = if allowed { used + cost } else { used };
        self.whole_at = now + used_now;
        let left = ((tolerance - used_now) / cost + 1e-9).max(0.0);
        let span = |seconds: f64| Duration::from_secs_f64(seconds.max(0.0));
        Verdict {
            budget,
            allowed,
            remaining: left as u32,
            reset: span(used_now),
            retry_after: if allowed { Duration::ZERO } else { span(used + cost - tolerance) },
        }
    }

    /// Whether nothing has been taken lately.
    pub(crate) fn is_whole(self, now: Duration) -> bool {
        self.whole_at <= now.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget { per_minute: 600, burst: Duration::from_secs(2) };

    #[test]
    fn a_burst_is_let_through_and_then_one_request_per_tick() {
        let mut cell = Cell::default();
        let at = |ms: u64| Duration::from_millis(10_000 + ms);
        let burst = (0..30).filter(|_| cell.take(BUDGET, 1.0, at(0)).allowed).count();
        assert_eq!(burst, 20);
        let refused = cell.take(BUDGET, 1.0, at(0));
        assert_eq!((refused.remaining, refused.retry_after), (0, Duration::from_millis(100)));
        assert!(!cell.take(BUDGET, 1.0, at(99)).allowed);
        assert!(cell.take(BUDGET, 1.0, at(101)).allowed);
        assert!(!cell.take(BUDGET, 1.0, at(101)).allowed);
        let later = cell.take(BUDGET, 1.0, at(60_000));
        assert_eq!((later.remaining, later.allowed), (19, true));
    }

    #[test]
    fn a_part_of_a_budget_lets_a_part_of_its_requests_through() {
        let mut cell = Cell::default();
        let mut allowed = 0;
        for tick in 0..6_000_u64 {
            let now = Duration::from_secs(1) + Duration::from_millis(tick * 10);
            allowed += u32::from(cell.take(BUDGET, 0.25, now).allowed);
        }
        // 60 s (but for the last tick) at a quarter of 10 requests a second, a quarter of the burst.
        assert_eq!(allowed, 149 + 5);
    }

    #[test]
    fn a_budget_smaller_than_its_burst_still_lets_one_request_through() {
        let slow = Budget { per_minute: 1, burst: Duration::from_secs(1) };
        assert_eq!((slow.quota(), slow.window()), (1, Duration::from_secs(60)));
        let mut cell = Cell::default();
        assert!(cell.take(slow, 0.1, Duration::from_secs(5)).allowed);
        assert!(!cell.take(slow, 0.1, Duration::from_secs(6)).allowed);
    }
}
