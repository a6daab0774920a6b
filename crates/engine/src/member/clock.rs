//! The database's time, carried on between heartbeats by the monotonic clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use kernel::Clock;

/// A clock that follows the database's and never goes back.
pub struct MemberClock {
    base: Arc<dyn Clock>,
    /// Microseconds from the monotonic clock's start to the Unix epoch, as the database counts.
    offset_us: AtomicI64,
    /// The latest time given out, in microseconds.
    latest_us: AtomicI64,
}

/// A round trip longer than this says too little about the database's time.
const ROUND_TRIP_MAX: Duration = Duration::from_millis(250);

impl MemberClock {
    /// A clock that shows the wall time of `base` until it learns better.
    pub fn new(base: Arc<dyn Clock>) -> Self {
        let offset_us = base.now().as_microsecond() - micros(base.monotonic());
        Self { base, offset_us: AtomicI64::new(offset_us), latest_us: AtomicI64::new(i64::MIN) }
    }

    /// The database answered `at`, to a statement sent at the monotonic time `sent`, just now.
    pub fn learn(&self, sent: Duration, at: Timestamp) {
        let now = self.base.monotonic();
        let round_trip = now.saturating_sub(sent);
        if round_trip <= ROUND_TRIP_MAX {
            let middle = micros(sent) + micros(round_trip) / 2;
            self.offset_us.store(at.as_microsecond() - middle, Ordering::Relaxed);
        }
    }
}

impl Clock for MemberClock {
    fn now(&self) -> Timestamp {
        let now = micros(self.base.monotonic()) + self.offset_us.load(Ordering::Relaxed);
        let now = now.max(self.latest_us.fetch_max(now, Ordering::Relaxed));
        Timestamp::from_microsecond(now).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn monotonic(&self) -> Duration {
        self.base.monotonic()
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Wall time and monotonic time as the test sets them.
    struct Hands(Mutex<(Timestamp, Duration)>);

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            self.0.lock().unwrap().0
        }
        fn monotonic(&self) -> Duration {
            self.0.lock().unwrap().1
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn it_follows_the_database_and_not_the_wall() {
        let hands = Arc::new(Hands(Mutex::new((at(1_000), Duration::from_secs(10)))));
        let clock = MemberClock::new(hands.clone());
        assert_eq!(clock.now(), at(1_000));
        clock.learn(Duration::from_secs(10), at(5_000));
        *hands.0.lock().unwrap() = (at(3), Duration::from_secs(12));
        assert_eq!(clock.now(), at(5_002));
    }

    #[test]
    fn it_stands_still_rather_than_going_back() {
        let hands = Arc::new(Hands(Mutex::new((at(1_000), Duration::ZERO))));
        let clock = MemberClock::new(hands.clone());
        assert_eq!(clock.now(), at(1_000));
        clock.learn(Duration::ZERO, at(990));
        assert_eq!(clock.now(), at(1_000));
        hands.0.lock().unwrap().1 = Duration::from_secs(15);
        assert_eq!(clock.now(), at(1_005));
    }

    #[test]
    fn a_slow_answer_teaches_nothing() {
        let hands = Arc::new(Hands(Mutex::new((at(1_000), Duration::from_secs(1)))));
        let clock = MemberClock::new(hands);
        clock.learn(Duration::ZERO, at(5_000));
        assert_eq!(clock.now(), at(1_000));
    }
}
