//! The engine's door: how everybody else starts, cancels and looks at runs.

use std::sync::Arc;

use kernel::{Items, Problem, RunId};
use node::Reply;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use workflow::{Graph, Labels};

use crate::record::Record;

/// A run to be started.
pub struct StartRun {
    /// The version to run.
    pub graph: Arc<Graph>,
    /// Index of the trigger node it starts at.
    pub trigger: usize,
    /// What the trigger puts out.
    pub items: Items,
    /// Idempotency key: a second start with the same key in the workspace starts nothing and gets
    /// the first run's id and answer.
    pub key: Option<String>,
    /// Whether it runs for a person trying it out (`$execution.mode` is `test`).
    pub test: bool,
    /// Whether pinned outputs stand in for their nodes.
    pub pins: bool,
    /// When the caller is answered.
    pub answer: AnswerWhen,
    /// The caller's place in a trace, as a W3C `traceparent`: requests of the run's nodes carry it on.
    pub trace: Option<String>,
    /// What the run is found by, besides its workflow's labels.
    pub labels: Labels,
    /// The run that this one repeats, wholly or from a node on.
    pub origin: Option<RunId>,
    /// What has happened to it already: the records that follow its first.
    pub prelude: Vec<Record>,
}

impl StartRun {
    /// A run of this version that starts at a trigger with these items, for nobody who would want
    /// more than to know that it is durable.
    pub fn new(graph: Arc<Graph>, trigger: usize, items: Items) -> Self {
        Self {
            graph,
            trigger,
            items,
            key: None,
            test: false,
            pins: false,
            answer: AnswerWhen::Started,
            trace: None,
            labels: Labels::default(),
            origin: None,
            prelude: Vec::new(),
        }
    }
}

/// When the caller of [`crate::Engine::start`] gets its [`Answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerWhen {
    /// As soon as the run is durable.
    Started,
    /// When a respond node has answered and that is durable, or at the end.
    Replied,
    /// At the end, once it is durable.
    Ended,
}

/// A run that was let in. It goes on whether or not anybody waits for the answer.
pub struct Started {
    /// Its id.
    pub run: RunId,
    /// Fires once, after what it tells is durable. An error: the member is going down and somebody
    /// else will finish the run.
    pub answer: oneshot::Receiver<Result<Answer, Problem>>,
}

/// What the caller may be told. Everything in it is durable.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The run; with an idempotency key perhaps an earlier one.
    pub run: RunId,
    /// State at the time of the answer.
    pub status: RunStatus,
    /// What the respond node said.
    pub reply: Option<Reply>,
    /// Items of output 0 of the activation that ended last; for [`AnswerWhen::Ended`].
    pub last_items: Items,
    /// Why the run failed.
    pub error: Option<Problem>,
}

/// State of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Not begun.
    Queued,
    /// Owned by a member, something is running.
    Running,
    /// Nothing runs; a timer, a child or a person is waited for.
    Waiting,
    /// Ended well.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Ended on request.
    Cancelled,
}

impl RunStatus {
    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}
