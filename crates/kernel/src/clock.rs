//! Time and chance, passed in wherever they are needed so that tests can hold them still.

use std::time::Duration;

use jiff::Timestamp;

/// A source of time. `now` is wall time (database time once a member knows its offset);
/// `monotonic` never goes back and is only good for differences.
pub trait Clock: Send + Sync {
    /// Wall time.
    fn now(&self) -> Timestamp;
    /// Time since an arbitrary start; never goes back.
    fn monotonic(&self) -> Duration;
}

/// A source of chance.
pub trait Dice: Send + Sync {
    /// 64 evenly distributed bits.
    fn next_u64(&self) -> u64;
}

/// The machine's clocks.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the real clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the real clock")]
    fn monotonic(&self) -> Duration {
        use std::sync::OnceLock;
        use std::time::Instant;
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

/// The operating system's randomness, stretched by SplitMix64 from one seed per thread.
///
/// Good for ids and jitter, not for secrets: keys and tokens come from the TLS library's generator.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemDice;

impl Dice for SystemDice {
    fn next_u64(&self) -> u64 {
        use std::cell::Cell;
        use std::hash::{BuildHasher, RandomState};
        thread_local! {
            static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0_u64));
        }
        STATE.with(|state| {
            let next = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
            state.set(next);
            split_mix(next)
        })
    }
}

/// Dice that always roll the same sequence for the same seed.
#[derive(Debug)]
pub struct SeededDice(std::sync::atomic::AtomicU64);

impl SeededDice {
    /// Dice from a seed.
    pub fn new(seed: u64) -> Self {
        Self(std::sync::atomic::AtomicU64::new(seed))
    }
}

impl Dice for SeededDice {
    fn next_u64(&self) -> u64 {
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let old = self.0.fetch_add(step, std::sync::atomic::Ordering::Relaxed);
        split_mix(old.wrapping_add(step))
    }
}

/// The output function of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", 2014).
fn split_mix(state: u64) -> u64 {
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
