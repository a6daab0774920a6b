//! What the flusher is asked to make durable, and what it answers.

use bytes::Bytes;
use jiff::Timestamp;
use kernel::{Problem, RunId, VersionId, WorkflowId, WorkspaceId};
use workflow::{Labels, Retention};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every branch came to its end.
    Succeeded,
    /// A failure nobody handled.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Succeeded, Self::Failed, Self::Cancelled];

    /// As stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Which commit a run's records wait for; the same for all operations of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Synchronous commit: what was answered survives a power cut.
    #[default]
    Strict,
    /// Asynchronous commit: survives the death of a process, not always that of the machine.
    Relaxed,
}

impl Lane {
    /// Both, in the order in which fencing closes them.
    pub const ALL: [Self; 2] = [Self::Strict, Self::Relaxed];

    /// The lane's number in `forge.fences`.
    pub const fn number(self) -> i16 {
        match self {
            Self::Strict => 0,
            Self::Relaxed => 1,
        }
    }
}

/// One operation of one run. A run has at most one operation in a flush; further ones of the same
/// run keep their order and wait for the next flush.
#[derive(Clone, Debug)]
pub struct FlushOp {
    /// Whose run it is.
    pub workspace: WorkspaceId,
    /// The run.
    pub run: RunId,
    /// Term of ownership: [`FIRST_EPOCH`] for a run started here, else what taking it returned.
    pub epoch: i32,
    /// Which commit it waits for.
    pub lane: Lane,
    /// Who is told: what [`super::Flusher::register`] returned.
    pub sink: SinkId,
    /// Given back with the verdict, untouched.
    pub token: u64,
    /// What the run is found by besides its id: with [`Op::Start`], [`Op::End`], [`Op::Whole`].
    pub marks: Marks,
    /// What to do.
    pub op: Op,
}

/// What a run is found by besides its id. Runs without any cost nothing more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    labels: Option<String>,
    failure: Option<String>,
}

/// Between labels and between the parts of a failure; neither has control characters.
const BETWEEN: char = '\u{1f}';
/// Bytes of a failure's text that it can be found by.
const DETAIL_BYTES_MAX: usize = 2_000;

impl Marks {
    /// Of a run with these labels that ended because of this, if it did not end well.
    pub fn of(labels: &Labels, problem: Option<&Problem>) -> Self {
        let joined = || labels.iter().map(|label| plain(label)).collect::<Vec<_>>();
        Self {
            labels: (!labels.is_empty()).then(|| joined().join(&BETWEEN.to_string())),
            failure: problem.map(failure),
        }
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.labels.is_none() && self.failure.is_none()
    }

    pub(super) fn labels(&self) -> Option<&str> {
        self.labels.as_deref()
    }

    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }
}

fn failure(problem: &Problem) -> String {
    let node = plain(problem.node.as_deref().unwrap_or_default());
    let mut detail = plain(&problem.detail);
    detail.truncate(detail.floor_char_boundary(DETAIL_BYTES_MAX));
    format!("{}{BETWEEN}{node}{BETWEEN}{detail}", problem.code)
}

/// Without what PostgreSQL's texts cannot hold, and what stands between them.
fn plain(text: &str) -> String {
    text.replace(['\0', BETWEEN], "\u{fffd}")
}

/// Epoch of a run that has never changed hands.
pub const FIRST_EPOCH: i32 = 1;

/// Names a receiver of verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SinkId(pub(crate) u16);

/// What happened to a run, coalesced since its last operation. Times are the member's and are sent
/// again unchanged when the outcome of a flush is unknown.
#[derive(Clone, Debug)]
pub enum Op {
    /// The run is live from now on: a row of its own and its first journal row.
    Start {
        /// The run's workflow.
        workflow: WorkflowId,
        /// The version it runs, for good.
        version: VersionId,
        /// Birth; its UTC day is the run's first journal segment.
        started_at: Timestamp,
        /// When the run times out, if ever.
        deadline: Option<Timestamp>,
        /// Unique key of the run within its workspace.
        key: Option<String>,
        /// Number of the journal row, from 1.
        seq: i32,
        /// Journal body, made by [`crate::codec`].
        body: Bytes,
    },
    /// More journal.
    Progress {
        /// Number of the journal row: one more than the run's operation before.
        seq: i32,
        /// Journal body.
        body: Bytes,
    },
    /// The run lets go of its owner until `due`, a signal or both.
    Park {
        /// Now; its UTC day is the run's next journal segment.
        at: Timestamp,
        /// Journal rows up to this number are contained in the checkpoint.
        seq: i32,
        /// How many signals the run has taken into account.
        seen: i32,
        /// When to wake it; `None`: only by a signal.
        due: Option<Timestamp>,
        /// The checkpoint.
        body: Bytes,
    },
    /// A checkpoint without letting go: the journal before it is no longer needed.
    Renew {
        /// Now; its UTC day is the run's next journal segment.
        at: Timestamp,
        /// Journal rows up to this number are contained in the checkpoint.
        seq: i32,
        /// The checkpoint.
        body: Bytes,
    },
    /// A live run ends: out of the live rows, into history.
    End {
        /// How.
        outcome: Outcome,
        /// When.
        finished_at: Timestamp,
        /// How long history keeps it.
        keep: Retention,
        /// How many signals the run has taken into account.
        seen: i32,
        /// History body.
        body: Bytes,
    },
    /// A run that started and ended since the last flush: straight into history.
    Whole {
        /// The run's workflow.
        workflow: WorkflowId,
        /// The version it ran.
        version: VersionId,
        /// How it ended.
        outcome: Outcome,
        /// When it started.
        started_at: Timestamp,
        /// When it ended.
        finished_at: Timestamp,
        /// How long history keeps it.
        keep: Retention,
        /// Unique key of the run within its workspace.
        key: Option<String>,
        /// History body.
        body: Bytes,
    },
}

impl Op {
    /// The bytes it carries.
    pub fn body(&self) -> &Bytes {
        match self {
            Self::Start { body, .. }
            | Self::Progress { body, .. }
            | Self::Park { body, .. }
            | Self::Renew { body, .. }
            | Self::End { body, .. }
            | Self::Whole { body, .. } => body,
        }
    }
}

/// What became of an operation whose flush was committed (or found closed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Durable. `signals` is how many signals the run had then (0 for new and finished runs): more
    /// than seen means that its inbox has something.
    Ok {
        /// Signals the run had received.
        signals: i32,
    },
    /// Not written: the run is still ours but was signalled meanwhile. Read the inbox, decide
    /// again, offer again.
    Moved {
        /// Signals the run had received.
        signals: i32,
    },
    /// Not written: the key belongs to another run; answer with that one's result.
    Duplicate,
    /// Not written: the run belongs to somebody else by now. Drop it from memory.
    Lost,
    /// Not written: this incarnation was declared dead. Nothing it holds is its own any more.
    Fenced,
}

/// One answer of the flusher.
#[derive(Clone, Debug)]
pub struct Flushed {
    /// The run.
    pub run: RunId,
    /// The operation's token.
    pub token: u64,
    /// The verdict; or why this very operation can never be stored (the others of its flush were).
    pub outcome: Result<Verdict, Problem>,
}
