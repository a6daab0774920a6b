//! What an expression would see at a place of a run: for people who write one.

use std::sync::Arc;

use expr::{Execution, NodeData, NodeRun, RunData, Scope, Source};
use jiff::SignedDuration;
use kernel::{Items, Problem, RunId, WorkspaceId, codes};

use crate::Engine;
use crate::redact::Redaction;
use crate::state::{Activation, RunState};

/// A place in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Name of the node; `None`: the trigger, from where everything can be reached.
    pub node: Option<String>,
    /// Which of the node's activations, from 0; `None`: the last one.
    pub activation: Option<u32>,
}

impl Engine {
    /// The scope of expressions at a place of a run, as far as the run has come. A node that did not
    /// run sees what it would be given now. `None` if the workspace has no such run (any more).
    ///
    /// Errors: `workflow.unknown_node`, `request.invalid`, `database.unavailable`.
    pub async fn scope_at(
        &self,
        workspace: WorkspaceId,
        run: RunId,
        place: Place,
    ) -> Result<Option<Scope>, Problem> {
        self.look(workspace, run, move |state| scope(state, &place)).await?.transpose()
    }
}

fn scope(state: &RunState, place: &Place) -> Result<Scope, Problem> {
    let graph = &state.plan.graph;
    let trigger = state.start.trigger as usize;
    let node = match &place.node {
        None => trigger,
        Some(name) => {
            graph.nodes.iter().position(|node| *node.name == **name).ok_or_else(|| {
                let names = graph.nodes.iter().map(|node| &*node.name);
                let hint = kernel::suggest::did_you_mean(name, names);
                let detail = format!("The run's workflow has no node \"{name}\".{hint}");
                let code = codes::WORKFLOW_UNKNOWN_NODE;
                Problem::new(code, detail.clone()).at("/node", code, detail)
            })?
        }
    };
    let mut activations = state.activations.iter().filter(|one| one.node as usize == node);
    let activation = match place.activation {
        None => activations.next_back(),
        Some(index) => {
            let found = activations.nth(index as usize);
            Some(found.ok_or_else(|| {
                let detail = format!("\"{}\" has no activation {index}.", graph.nodes[node].name);
                let code = codes::REQUEST_INVALID;
                Problem::new(code, detail.clone()).at("/activation", code, detail)
            })?)
        }
    };
    let (inputs, sources): Given = match activation {
        _ if node == trigger => (Arc::from([Arc::clone(&state.start.items)]), Arc::from([None])),
        Some(activation) => given(state, activation),
        None => would_be_given(state, node),
    };
    let began = activation.map_or(0, |activation| activation.times.began_us);
    let began = SignedDuration::from_micros(i64::try_from(began).unwrap_or(i64::MAX));
    let redaction = Redaction(&graph.settings.redact);
    Ok(Scope {
        workspace: graph.workspace,
        workflow: Arc::clone(&graph.workflow),
        execution: Execution { id: state.run, test: state.start.test },
        now: state.start.at.saturating_add(began).unwrap_or(state.start.at),
        node,
        run_index: activation.map_or(0, |activation| activation.ordinal),
        inputs: inputs.iter().map(|items| redaction.items(items)).collect(),
        sources,
        data: shown(&state.data, redaction),
    })
}

/// What the nodes put out, without what is not shown of it.
fn shown(data: &Arc<RunData>, redaction: Redaction<'_>) -> Arc<RunData> {
    if redaction.is_empty() {
        return Arc::clone(data);
    }
    let run = |run: &Arc<NodeRun>| {
        let outputs = run.outputs.iter().map(|items| redaction.items(items)).collect();
        Arc::new(NodeRun { outputs, ..NodeRun::clone(run) })
    };
    let node =
        |node: &Arc<NodeData>| Arc::new(NodeData { runs: node.runs.iter().map(run).collect() });
    let nodes = data.nodes.iter().map(node).collect();
    Arc::new(RunData { nodes, names: Arc::clone(&data.names) })
}

type Given = (Arc<[Items]>, Arc<[Option<Source>]>);

/// What an activation was given; one that has ended let go of it, but says who delivered it.
fn given(state: &RunState, activation: &Activation) -> Given {
    let sources = Arc::clone(&activation.sources);
    if !activation.inputs.is_empty() {
        return (Arc::clone(&activation.inputs), sources);
    }
    let once = state.plan.graph.nodes[activation.node as usize].execute_once;
    let items = |source: &Option<Source>| {
        let items = source.and_then(|source| delivered(state, source)).unwrap_or_default();
        if once { Arc::new(items.iter().take(1).cloned().collect()) } else { items }
    };
    (sources.iter().map(items).collect(), sources)
}

/// What the nodes before it put out last.
fn would_be_given(state: &RunState, node: usize) -> Given {
    let last = |(from, output): &(usize, usize)| {
        let run = state.data.nodes[*from].runs.len().checked_sub(1)?;
        let (node, run, output) = (*from as u32, run as u32, *output as u32);
        Some(Source { node, run, output })
    };
    let feeds = &state.plan.graph.nodes[node].feeds;
    let sources: Arc<[Option<Source>]> =
        feeds.iter().map(|feeds| feeds.iter().filter_map(last).next()).collect();
    let items = |source: &Option<Source>| {
        source.and_then(|source| delivered(state, source)).unwrap_or_default()
    };
    (sources.iter().map(items).collect(), sources)
}

fn delivered(state: &RunState, source: Source) -> Option<Items> {
    let run = state.data.nodes.get(source.node as usize)?.runs.get(source.run as usize)?;
    run.outputs.get(source.output as usize).cloned()
}
