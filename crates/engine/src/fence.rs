//! What an incarnation writes with, each under a fence of its own.

use crate::flusher::Lane;

/// One row of an incarnation in `forge.fences`. One shared row would be locked by all of them at
/// once, and each such moment costs the database a multixact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    /// A lane of the flusher.
    Flush(Lane),
    /// Taking runs over and waking parked ones.
    Taker,
    /// Claiming and completing jobs.
    Jobs,
}

impl Fence {
    /// All of an incarnation's fences, in the order in which they are closed.
    pub const ALL: [Self; 4] =
        [Self::Flush(Lane::Strict), Self::Flush(Lane::Relaxed), Self::Taker, Self::Jobs];

    /// The value of `forge.fences.lane`.
    pub const fn number(self) -> i16 {
        match self {
            Self::Flush(lane) => lane.number(),
            Self::Taker => 2,
            Self::Jobs => queue::FENCE,
        }
    }
}
