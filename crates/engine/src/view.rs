//! A run as people and programs see it: the JSON of `GET /v1/runs/{id}` and `flowforge run --json`.

use std::sync::Arc;

use expr::Source;
use indexmap::IndexMap;
use jiff::Timestamp;
use kernel::{Item, Items, Problem, RunId, Value, VersionId, WorkflowId};
use serde::Serialize;

use crate::door::RunStatus;
use crate::record::ActivationId;
use crate::redact::Redaction;
use crate::state::{Activation, Phase, RunState};
use crate::store::{Failure, RunSummary};

/// One run.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct RunView {
    /// Its id.
    #[schemars(with = "String")]
    pub run_id: RunId,
    /// Its workflow.
    #[schemars(with = "String")]
    pub workflow_id: WorkflowId,
    /// The version it runs.
    #[schemars(with = "String")]
    pub version_id: VersionId,
    /// State.
    pub status: RunStatus,
    /// Why it failed.
    pub error: Option<ErrorView>,
    /// When it was let in (RFC 3339).
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    /// Milliseconds from its start to its end, or to now.
    pub duration_ms: f64,
    /// What it is found by.
    pub labels: Vec<String>,
    /// How often it was taken up again after its process died.
    pub resumed: u32,
    /// The run it repeats, wholly or from a node on.
    #[schemars(with = "Option<String>")]
    pub origin: Option<RunId>,
    /// How many activations there are.
    pub activation_count: usize,
    /// The first activations by node, in order, with the first items of each output; nodes that could
    /// have run and did not are `skipped`. The rest is under `/v1/runs/{run_id}/activations`.
    pub nodes: IndexMap<Arc<str>, Vec<ActivationView>>,
}

/// How much of a run is shown at once.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// Activations.
    pub activations: usize,
    /// Items of each output.
    pub items_per_output: usize,
    /// Bytes of items, about.
    pub bytes: usize,
}

impl Shown {
    /// All there is.
    pub const EVERYTHING: Self =
        Self { activations: usize::MAX, items_per_output: usize::MAX, bytes: usize::MAX };
}

/// One line of a list of runs.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct RunLine {
    /// Its id.
    #[schemars(with = "String")]
    pub run_id: RunId,
    /// Its workflow.
    #[schemars(with = "String")]
    pub workflow_id: WorkflowId,
    /// The version it runs.
    #[schemars(with = "String")]
    pub version_id: VersionId,
    /// State.
    pub status: RunStatus,
    /// When it was let in (RFC 3339).
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    /// When it ended (RFC 3339).
    #[schemars(with = "Option<String>")]
    pub finished_at: Option<Timestamp>,
    /// What it is found by.
    pub labels: Vec<String>,
    /// Why it failed or was cancelled; a long text is cut.
    pub error: Option<ErrorView>,
}

impl From<RunSummary> for RunLine {
    fn from(run: RunSummary) -> Self {
        let error = |Failure { code, detail, node }| ErrorView { code, message: detail, node };
        Self {
            run_id: run.run,
            workflow_id: run.workflow,
            version_id: run.version,
            status: run.status,
            started_at: run.started_at,
            finished_at: run.finished_at,
            labels: run.labels,
            error: run.failure.map(error),
        }
    }
}

/// Why a run or an activation failed.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ErrorView {
    /// A code of the table.
    pub code: String,
    /// What is wrong and how to mend it.
    pub message: String,
    /// The node.
    pub node: Option<String>,
}

/// One activation.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct ActivationView {
    /// Its number in the run; none of what was skipped.
    pub id: Option<ActivationId>,
    /// `waiting ready running succeeded failed skipped cancelled`
    pub status: &'static str,
    /// The first items of each output port.
    #[schemars(with = "Vec<Vec<serde_json::Value>>")]
    pub outputs: Vec<Items>,
    /// How many items each output port has.
    pub item_counts: Vec<usize>,
    /// Why it failed.
    pub error: Option<ErrorView>,
    /// Milliseconds its last attempt took.
    pub duration_ms: f64,
    /// Attempts so far.
    pub attempts: u32,
    /// Whether its outputs were taken over from the run that this one repeats.
    pub taken_over: bool,
}

impl ErrorView {
    pub(crate) fn new(problem: &Problem, node: Option<&str>) -> Self {
        Self {
            code: problem.code.to_string(),
            message: problem.detail.clone(),
            node: problem.node.clone().or_else(|| node.map(str::to_owned)),
        }
    }
}

impl RunView {
    /// What is to be seen of a run at `now`.
    pub fn of(state: &RunState, now: Timestamp, shown: Shown) -> Self {
        let graph = &state.plan.graph;
        let mut nodes: IndexMap<Arc<str>, Vec<ActivationView>> = IndexMap::new();
        let mut bytes = shown.bytes;
        for (id, activation) in state.activations.iter().enumerate().take(shown.activations) {
            let name = &graph.nodes[activation.node as usize].name;
            let mut view = ActivationView::of(state, id as ActivationId);
            view.shorten(shown.items_per_output, &mut bytes);
            nodes.entry(Arc::clone(name)).or_default().push(view);
        }
        if state.status.is_final() {
            for node in skipped(state) {
                let name = Arc::clone(&graph.nodes[node].name);
                nodes.entry(name).or_default().push(ActivationView::skipped());
            }
        }
        let elapsed_us = if state.status.is_final() {
            state.ended_us
        } else {
            (now.as_microsecond() - state.start.at.as_microsecond()).max(0) as u64
        };
        Self {
            run_id: state.run,
            workflow_id: graph.workflow.id,
            version_id: graph.version,
            status: state.shown_status(),
            error: state.problem.as_ref().map(|problem| ErrorView::new(problem, None)),
            started_at: state.start.at,
            duration_ms: elapsed_us as f64 / 1_000.0,
            labels: state.start.labels.iter().cloned().collect(),
            resumed: state.resumed,
            origin: state.start.origin,
            activation_count: state.activations.len(),
            nodes,
        }
    }
}

impl ActivationView {
    /// All of an activation; what its workflow says is not to be shown is masked.
    pub(crate) fn of(state: &RunState, id: ActivationId) -> Self {
        let activation = &state.activations[id as usize];
        let graph = &state.plan.graph;
        let name = &graph.nodes[activation.node as usize].name;
        let redaction = Redaction(&graph.settings.redact);
        let outputs = outputs(state, activation);
        Self {
            id: Some(id),
            status: phase_text(&activation.phase),
            item_counts: outputs.iter().map(|items| items.len()).collect(),
            outputs: outputs.iter().map(|items| redaction.items(items)).collect(),
            error: activation.problem.as_ref().map(|problem| ErrorView::new(problem, Some(name))),
            duration_ms: activation.times.took_us as f64 / 1_000.0,
            attempts: activation.attempt,
            taken_over: activation.taken_over,
        }
    }

    fn skipped() -> Self {
        Self {
            id: None,
            status: "skipped",
            outputs: Vec::new(),
            item_counts: Vec::new(),
            error: None,
            duration_ms: 0.0,
            attempts: 0,
            taken_over: false,
        }
    }

    /// Keeps the first items of each output, as long as there are bytes left for them.
    fn shorten(&mut self, items_max: usize, bytes: &mut usize) {
        if items_max == usize::MAX && *bytes == usize::MAX {
            return;
        }
        for items in &mut self.outputs {
            let mut kept = 0;
            for item in items.iter().take(items_max) {
                let size = size_of_item(item);
                if size > *bytes {
                    break;
                }
                *bytes -= size;
                kept += 1;
            }
            if kept < items.len() {
                *items = Arc::new(items[..kept].to_vec());
            }
        }
    }
}

/// A phase as it is shown.
pub(crate) fn phase_text(phase: &Phase) -> &'static str {
    match phase {
        Phase::Ready => "ready",
        Phase::Running => "running",
        Phase::Waiting { .. } | Phase::Calling { .. } | Phase::Asked => "waiting",
        Phase::Succeeded => "succeeded",
        Phase::Failed => "failed",
        Phase::Cancelled => "cancelled",
    }
}

/// About how many bytes an item's data takes as JSON.
pub(crate) fn size_of_item(item: &Item) -> usize {
    let fields = item.json.iter();
    64 + fields.map(|(name, value)| name.len() + 4 + size_of(value)).sum::<usize>()
}

fn size_of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 12,
        Value::String(text) => text.len() + 2,
        Value::Array(list) => 2 + list.iter().map(|below| size_of(below) + 1).sum::<usize>(),
        Value::Object(object) => {
            2 + object.iter().map(|(name, below)| name.len() + 4 + size_of(below)).sum::<usize>()
        }
    }
}

/// Items of each output port of an activation.
pub(crate) fn outputs(state: &RunState, activation: &Activation) -> Vec<Items> {
    activation.run_index.map_or_else(Vec::new, |run| {
        state.data.nodes[activation.node as usize].runs[run as usize].outputs.clone()
    })
}

/// Items of each input port of an activation: also after its end, when it has let go of them.
pub(crate) fn inputs(state: &RunState, activation: &Activation) -> Vec<Items> {
    if let Some(edited) = &activation.edited {
        return edited.to_vec();
    }
    let once = state.plan.graph.nodes[activation.node as usize].execute_once;
    let port = |source: &Option<Source>| {
        let items = source.and_then(|source| {
            let runs = &state.data.nodes.get(source.node as usize)?.runs;
            runs.get(source.run as usize)?.outputs.get(source.output as usize).cloned()
        });
        let items = items.unwrap_or_default();
        if once { Arc::new(items.iter().take(1).cloned().collect()) } else { items }
    };
    activation.sources.iter().map(port).collect()
}

/// Nodes that lie behind the trigger and never ran, in the document's order.
fn skipped(state: &RunState) -> Vec<usize> {
    let nodes = &state.plan.graph.nodes;
    let mut seen = vec![false; nodes.len()];
    let mut open = vec![state.start.trigger as usize];
    while let Some(node) = open.pop() {
        if !std::mem::replace(&mut seen[node], true) {
            open.extend(nodes[node].targets.iter().flatten().map(|edge| edge.to));
        }
    }
    for activation in &state.activations {
        seen[activation.node as usize] = false;
    }
    (0..nodes.len()).filter(|node| seen[*node]).collect()
}

/// Items of the first output that has any, of the activation that ended last.
pub(crate) fn last_items(state: &RunState) -> Items {
    let Some(last) = state.last else { return Items::default() };
    let outputs = outputs(state, &state.activations[last as usize]);
    outputs.into_iter().find(|items| !items.is_empty()).unwrap_or_default()
}
