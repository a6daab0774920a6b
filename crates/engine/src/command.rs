//! What a worker is told.

use jiff::Timestamp;
use kernel::{Problem, RunId, WorkspaceId};
use tokio::sync::oneshot;

use crate::calls::Slot;
use crate::cell::AnswerSender;
use crate::decide::{Decision, Input};
use crate::door::StartRun;
use crate::flusher::{FlushOp, Flushed};
use crate::record::Parent;
use crate::state::RunState;
use crate::view::{RunView, Shown};

/// What a worker is told.
pub(crate) enum Command {
    /// A new run.
    Start(Box<NewRun>),
    /// A run read back from its journal.
    Adopt(Box<Adopted>),
    /// Something happened to a run.
    Input(RunId, Input),
    /// Verdicts of a flush.
    Flushed(Vec<Flushed>),
    /// A body has become a blob: offer the operation that names it, or give the run up.
    Stored(RunId, Result<Box<FlushOp>, Problem>),
    /// Somebody wants a run to end.
    Cancel {
        /// Whose it must be.
        workspace: WorkspaceId,
        /// Which.
        run: RunId,
        /// Told when its end is durable; dropped when the worker does not have it.
        ended: oneshot::Sender<()>,
    },
    /// A run has something in its inbox.
    Signalled(RunId),
    /// The error workflow has been told of a run's failure.
    ErrorTold(RunId),
    /// The records of a run as its journal has them, or why they could not be read.
    ReadBack(RunId, Result<Vec<u8>, Problem>),
    /// The runs that a run had called and no longer waits for have been told to end.
    OrphansCancelled(RunId),
    /// Show a run.
    View {
        /// Whose it must be.
        workspace: WorkspaceId,
        /// Which.
        run: RunId,
        /// How much of it.
        shown: Shown,
        /// Where to.
        reply: oneshot::Sender<Option<RunView>>,
    },
    /// Look at a run's state; dropped unused when the worker does not have it.
    Look {
        /// Whose it must be.
        workspace: WorkspaceId,
        /// Which.
        run: RunId,
        /// What to do with it, at once.
        look: Box<dyn FnOnce(&RunState) + Send>,
    },
    /// A person says what became of an effect that may have run.
    Answer {
        /// Whose it must be.
        workspace: WorkspaceId,
        /// Which run.
        run: RunId,
        /// The node that asks.
        node: String,
        /// What shall be done.
        decision: Decision,
        /// Told whether anything was asked.
        reply: oneshot::Sender<bool>,
    },
    /// Which of these runs does the worker not have?
    Missing {
        /// Runs that are its own by their ids.
        runs: Vec<RunId>,
        /// Where to.
        reply: oneshot::Sender<Vec<RunId>>,
    },
    /// A run's inbox was read.
    Inbox {
        /// Whose.
        run: RunId,
        /// How many signals it had had when the reading began.
        signals: i32,
        /// Whether one of them cancels it.
        cancel: bool,
    },
    /// Time may have moved by more than the worker has slept.
    Tick,
}

/// A run to be begun.
pub(crate) struct NewRun {
    pub(crate) run: RunId,
    pub(crate) start: StartRun,
    pub(crate) parent: Option<Parent>,
    /// A called run's place among those under way.
    pub(crate) slot: Option<Slot>,
    pub(crate) answer: AnswerSender,
}

/// A run taken over.
pub(crate) struct Adopted {
    pub(crate) state: RunState,
    pub(crate) written: Vec<u8>,
    pub(crate) epoch: i32,
    pub(crate) seq: i32,
    pub(crate) segment_at: Timestamp,
    pub(crate) seen: i32,
    /// Whether it was parked, and nothing has happened to it.
    pub(crate) woken: bool,
    /// Whether a signal asks it to end.
    pub(crate) cancel: bool,
    /// Why it must not go on.
    pub(crate) poison: Option<Problem>,
}
