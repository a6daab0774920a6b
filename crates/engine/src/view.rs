//! A run as people and programs see it: the JSON of `GET /v1/runs/{id}` and `flowforge run --json`.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use kernel::{Item, Items, Problem, RunId, VersionId, WorkflowId};
use serde::Serialize;

use crate::door::RunStatus;
use crate::state::{Activation, Phase, RunState};

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
    /// How often it was taken up again after its process died.
    pub resumed: u32,
    /// Every activation by node, in order; nodes that could have run and did not are `skipped`.
    #[schemars(with = "serde_json::Value")]
    pub nodes: IndexMap<Arc<str>, Vec<ActivationView>>,
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
#[derive(Clone, Debug, Serialize)]
pub struct ActivationView {
    /// `waiting ready running succeeded failed skipped cancelled`
    pub status: &'static str,
    /// Items of each output port.
    pub outputs: Vec<Arc<Vec<Item>>>,
    /// Why it failed.
    pub error: Option<ErrorView>,
    /// Milliseconds its last attempt took.
    pub duration_ms: f64,
    /// Attempts so far.
    pub attempts: u32,
}

impl ErrorView {
    fn new(problem: &Problem, node: Option<&str>) -> Self {
        Self {
            code: problem.code.to_string(),
            message: problem.detail.clone(),
            node: problem.node.clone().or_else(|| node.map(str::to_owned)),
        }
    }
}

impl RunView {
    /// What is to be seen of a run at `now`.
    pub fn of(state: &RunState, now: Timestamp) -> Self {
        let graph = &state.plan.graph;
        let mut nodes: IndexMap<Arc<str>, Vec<ActivationView>> = IndexMap::new();
        for activation in &state.activations {
            let name = &graph.nodes[activation.node as usize].name;
            nodes.entry(Arc::clone(name)).or_default().push(activation_view(state, activation));
        }
        if state.status.is_final() {
            for node in skipped(state) {
                nodes.entry(Arc::clone(&graph.nodes[node].name)).or_default().push(
                    ActivationView {
                        status: "skipped",
                        outputs: Vec::new(),
                        error: None,
                        duration_ms: 0.0,
                        attempts: 0,
                    },
                );
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
            resumed: state.resumed,
            nodes,
        }
    }
}

fn activation_view(state: &RunState, activation: &Activation) -> ActivationView {
    let name = &state.plan.graph.nodes[activation.node as usize].name;
    let status = match activation.phase {
        Phase::Ready => "ready",
        Phase::Running => "running",
        Phase::Waiting { .. } | Phase::Calling { .. } | Phase::Asked => "waiting",
        Phase::Succeeded => "succeeded",
        Phase::Failed => "failed",
        Phase::Cancelled => "cancelled",
    };
    ActivationView {
        status,
        outputs: outputs(state, activation),
        error: activation.problem.as_ref().map(|problem| ErrorView::new(problem, Some(name))),
        duration_ms: activation.times.took_us as f64 / 1_000.0,
        attempts: activation.attempt,
    }
}

fn outputs(state: &RunState, activation: &Activation) -> Vec<Items> {
    activation.run_index.map_or_else(Vec::new, |run| {
        state.data.nodes[activation.node as usize].runs[run as usize].outputs.clone()
    })
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
