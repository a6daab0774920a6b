//! The graph: one version of a workflow, checked and prepared, as the engine runs it.
//!
//! A graph is immutable and shared by every run of its version. Nodes are addressed by index, in
//! the document's order.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use expr::{Names, WorkflowInfo};
use kernel::{Items, VersionId, WorkspaceId};
use node::{MayHaveRun, SharedNode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::labels::Labels;

/// One version of a workflow, ready to run.
pub struct Graph {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Id, name and zone.
    pub workflow: Arc<WorkflowInfo>,
    /// The version; runs keep theirs.
    pub version: VersionId,
    /// Settings of the document, defaults filled in.
    pub settings: Settings,
    /// Nodes, in the document's order.
    pub nodes: Vec<GraphNode>,
    /// Names, raw parameters and edges for expressions.
    pub names: Arc<Names>,
}

/// One node of a graph.
pub struct GraphNode {
    /// Unique name.
    pub name: Arc<str>,
    /// `core.set@1`: type and version.
    pub kind: Arc<str>,
    /// The node itself. Disabled nodes pass input 0 through and are not asked.
    pub prepared: SharedNode,
    /// Input port names; empty for triggers.
    pub inputs: Vec<String>,
    /// Output port names; the error port, if any, is the last one.
    pub outputs: Vec<String>,
    /// For each output port: where it leads, in the order of execution.
    pub targets: Vec<Vec<Edge>>,
    /// For each input port: the (node, output port) pairs that lead to it; back edges excluded.
    pub feeds: Vec<Vec<(usize, usize)>>,
    /// Retry policy; `None`: one attempt.
    pub retry: Option<Retry>,
    /// Time one attempt may take; `None`: the engine's default.
    pub timeout: Option<Duration>,
    /// What a final failure does.
    pub on_error: OnError,
    /// Only the first item of each input is used.
    pub execute_once: bool,
    /// An empty output 0 becomes one empty item.
    pub always_output: bool,
    /// Passes its first input through.
    pub disabled: bool,
    /// What to do with an effect that may have run before a crash.
    pub may_have_run: MayHaveRun,
    /// Position on the canvas, for `sequential` order (top-left first).
    pub position: [f64; 2],
    /// Mock outputs of port 0, used by runs with pins.
    pub pinned: Option<Items>,
}

impl GraphNode {
    /// Index of the error output, when `on_error` is [`OnError::ErrorOutput`].
    pub fn error_port(&self) -> Option<usize> {
        (self.on_error == OnError::ErrorOutput).then(|| self.outputs.len() - 1)
    }
}

/// One connection, seen from its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Index of the target node.
    pub to: usize,
    /// Its input port.
    pub input: usize,
    /// Whether it closes a loop.
    pub back: bool,
}

/// What a node's final failure does.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The run fails.
    #[default]
    Stop,
    /// Failed items pass on as `{json: {error}}`.
    Continue,
    /// Failed items go to the port `error`.
    ErrorOutput,
}

/// How a failed attempt is repeated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// Attempts in all, the first included; 1 to 100.
    pub max_attempts: u32,
    /// How the wait grows.
    pub backoff: Backoff,
    /// First wait.
    pub initial: Duration,
    /// Longest wait.
    pub max: Duration,
    /// Whether the wait is drawn evenly from (half of it, all of it).
    pub jitter: bool,
}

/// How the wait between attempts grows.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// Doubles each time.
    #[default]
    Exponential,
    /// Stays the same.
    Fixed,
}

/// Settings of a workflow, defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Whether branches run in parallel or one after another, top-left first.
    pub order: Order,
    /// Wall time of a run; `None`: the engine's default.
    pub timeout: Option<Duration>,
    /// Nodes of one run that may be running at once.
    pub max_parallel_nodes: usize,
    /// Id or name of the workflow that is told of failures.
    pub error_workflow: Option<String>,
    /// How long succeeded runs are kept.
    pub keep_succeeded: Retention,
    /// How long failed and cancelled runs are kept.
    pub keep_failed: Retention,
    /// Whether an acknowledged run may be lost with the last moments before a power cut.
    pub relaxed: bool,
    /// Labels of every run.
    pub labels: Labels,
    /// Fields of items that are not shown; see the document's setting.
    pub redact: Vec<String>,
}

/// Order of branches.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As they become ready, up to `max_parallel_nodes` at once.
    #[default]
    Parallel,
    /// One at a time, depth first, top-left first.
    Sequential,
}

/// How long finished runs are kept: each class is a set of partitions that are dropped whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Not stored at all.
    None,
    /// This many days: 1, 7, 30, 90 or 365.
    Days(u16),
    /// Until deleted.
    Forever,
}

impl Retention {
    /// Every class.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Days(1),
        Self::Days(7),
        Self::Days(30),
        Self::Days(90),
        Self::Days(365),
        Self::Forever,
    ];

    /// The class of a text such as `30d`; `None` when there is no such class.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.to_string() == text)
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Days(days) => write!(f, "{days}d"),
            Self::Forever => f.write_str("forever"),
        }
    }
}

impl Serialize for Retention {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Retention {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom("expected none, 1d, 7d, 30d, 90d, 365d or forever")
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            order: Order::Parallel,
            timeout: None,
            max_parallel_nodes: 16,
            error_workflow: None,
            keep_succeeded: Retention::Days(30),
            keep_failed: Retention::Days(90),
            relaxed: false,
            labels: Labels::default(),
            redact: Vec::new(),
        }
    }
}
