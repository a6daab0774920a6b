//! The parts of a workflow document.

use indexmap::IndexMap;
use kernel::duration::Span;
use kernel::{Item, Object, Value};
use node::MayHaveRun;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::connection::Connection;
use super::schema;
use crate::graph::{Backoff, OnError, Order, Retention};
use crate::labels::Labels;

/// A workflow: nodes, the connections between them and how runs are treated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "FlowForge workflow")]
pub struct Document {
    /// Version of this format: always 1.
    #[schemars(range(min = 1, max = 1))]
    pub format: u8,
    /// Name, unique in the workspace; 1 to 200 bytes.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub description: String,
    /// How runs are treated.
    #[serde(default, skip_serializing_if = "is_default")]
    pub settings: DocumentSettings,
    /// The steps; at most 5 000. Names are unique.
    #[serde(default)]
    pub nodes: Vec<DocumentNode>,
    /// What leads where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<Connection>,
    /// Mock outputs by node name: runs with pins use them instead of running the node.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(schema_with = "schema::pinned")]
    pub pinned: IndexMap<String, Vec<Item>>,
    /// What only the editor shows.
    #[serde(default, skip_serializing_if = "is_default")]
    pub canvas: Canvas,
}

/// Settings of a workflow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DocumentSettings {
    /// Whether branches run in parallel or one after another, top-left first.
    #[serde(skip_serializing_if = "is_default")]
    pub order: Order,
    /// IANA time zone for dates in expressions; UTC when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::timezone")]
    pub timezone: Option<String>,
    /// Wall time a run may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_span")]
    pub timeout: Option<Span>,
    /// What is promised of an acknowledged run.
    #[serde(skip_serializing_if = "is_default")]
    pub durability: Durability,
    /// Nodes of one run that may be running at once; 1 to 1 000, 16 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_parallel_nodes: Option<u16>,
    /// Id or name of the workflow that is told of failures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_workflow: Option<String>,
    /// How long finished runs are kept.
    #[serde(skip_serializing_if = "is_default")]
    pub keep_runs: KeepRuns,
    /// Labels of every run; runs are found by them.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Fields of items that are masked wherever runs are shown, and in what is kept of ended runs:
    /// paths such as `password` or `card.*.number`, from an item's data; `*` is any one name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::field_paths")]
    pub redact: Vec<String>,
}

/// What is promised of an acknowledged run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// It is never lost.
    #[default]
    Strict,
    /// The last moments before a power cut may be lost, for more speed.
    Relaxed,
}

/// How long finished runs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeepRuns {
    /// Succeeded ones.
    #[schemars(schema_with = "schema::retention")]
    pub succeeded: Retention,
    /// Failed and cancelled ones.
    #[schemars(schema_with = "schema::retention")]
    pub failed: Retention,
}

impl Default for KeepRuns {
    fn default() -> Self {
        Self { succeeded: Retention::Days(30), failed: Retention::Days(90) }
    }
}

/// One step of a workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentNode {
    /// Unique name; what connections and expressions call it. 1 to 200 bytes.
    pub name: String,
    /// Node type such as `core.set`, or `core.set@2` for another than its newest version.
    #[serde(rename = "type")]
    pub kind: String,
    /// Parameters of the node type; a text that begins with `=` is an expression.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub parameters: Object,
    /// Place on the canvas, x and y; laid out automatically when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<[f64; 2]>,
    /// How a failed attempt is repeated; one attempt when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    /// Time one attempt may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_span")]
    pub timeout: Option<Span>,
    /// What a final failure does.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_error: OnError,
    /// Use only the first item of each input.
    #[serde(default, skip_serializing_if = "is_default")]
    pub execute_once: bool,
    /// Put out one empty item when there would be none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub always_output: bool,
    /// Pass the first input through instead of running.
    #[serde(default, skip_serializing_if = "is_default")]
    pub disabled: bool,
    /// Credentials by what the node type calls them: their names in the workspace.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub credentials: IndexMap<String, String>,
    /// Node that compensates this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
    /// What to do with an effect that may have run before a crash; the node type's own choice
    /// when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_have_run: Option<MayHaveRun>,
    /// For people.
    #[serde(default, skip_serializing_if = "is_default")]
    pub notes: String,
}

impl DocumentNode {
    /// The node as a value; keys in the order of the format.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).expect("a node has only text keys and finite numbers")
    }
}

/// How a failed attempt is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub max_attempts: u32,
    /// How the wait grows.
    pub backoff: Backoff,
    /// First wait.
    #[schemars(schema_with = "schema::span")]
    pub initial: Span,
    /// Longest wait.
    #[schemars(schema_with = "schema::span")]
    pub max: Span,
    /// Whether the wait is drawn evenly from (half of it, all of it).
    pub jitter: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        let second = std::time::Duration::from_secs(1);
        Self {
            max_attempts: 3,
            backoff: Backoff::Exponential,
            initial: Span(second),
            max: Span(60 * second),
            jitter: true,
        }
    }
}

/// What only the editor shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Canvas {
    /// Sticky notes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<CanvasNote>,
    /// Frames around nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<CanvasGroup>,
}

/// A sticky note.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CanvasNote {
    /// Markdown.
    pub text: String,
    /// Top-left corner, x and y.
    pub position: [f64; 2],
    /// Width and height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<[f64; 2]>,
    /// Colour 1 to 7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 7))]
    pub color: Option<u8>,
}

/// A frame around nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CanvasGroup {
    /// Its caption.
    pub name: String,
    /// Names of the nodes in it.
    #[serde(default)]
    pub nodes: Vec<String>,
    /// Colour 1 to 7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 7))]
    pub color: Option<u8>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
