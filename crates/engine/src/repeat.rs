//! Repeating a run: what the new run takes over from the old one, and where it goes its own way.
//!
//! An activation is the same as one of the old run when its node is unchanged and its inputs came from
//! the same outputs, all of them taken over. If that one ended with outputs, they are taken over and the
//! node does not run; of one that failed midway through its items, what became of the others is taken
//! over. Everything behind an activation that runs anew runs anew.
//!
//! It is worked out on a state of its own before the new run starts, and handed to it as the records
//! that follow its first: they become durable with it, or it never was.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use expr::Source;
use kernel::{Items, Problem, RunId, codes};
use workflow::{Graph, Labels};

use crate::door::StartRun;
use crate::plan::Plan;
use crate::record::{ActivationId, Record, Start, Times};
use crate::redact::Redaction;
use crate::state::{Activation, RunState};
use crate::{AnswerWhen, view, wire};

/// Where a run goes another way than the one it repeats.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// The node that runs anew.
    pub(crate) node: String,
    /// Which of its activations; `None`: the last one.
    pub(crate) activation: Option<ActivationId>,
    /// What stands in for the inputs of the ports with these names (the first one: `None`).
    pub(crate) inputs: Vec<(Option<String>, Items)>,
}

/// A run of `graph` that repeats `old`: from what failed on, or from a turn on.
///
/// Errors: `run.succeeded`, `run.redacted`, `run.node_not_reached`, `workflow.unknown_node`,
/// `workflow.unknown_port`.
pub(crate) fn repeat(
    old: &RunState,
    graph: Arc<Graph>,
    turn: Option<&Turn>,
) -> Result<StartRun, Problem> {
    if turn.is_none() && old.problem.is_none() {
        let detail = format!("Run {} has succeeded: nothing of it is left to be done.", old.run);
        return Err(Problem::new(codes::RUN_SUCCEEDED, detail));
    }
    let trigger = same_trigger(old, &graph)?;
    let turned = match turn {
        Some(turn) => Some((turn, find_turn(old, turn)?)),
        None => None,
    };
    let mut items = Arc::clone(&old.start.items);
    let at_trigger = turned.filter(|(_, id)| *id == 0);
    let edited = at_trigger.and_then(|(turn, _)| turn.inputs.first());
    if let Some((Some(port), _)) = edited {
        let detail = format!("A trigger has no input port \"{port}\"; give `input`.");
        return Err(Problem::new(codes::WORKFLOW_UNKNOWN_PORT, detail));
    }
    if let Some((None, edited)) = edited {
        items = Arc::clone(edited);
    } else if Redaction(&old.plan.graph.settings.redact).has_masked(&items) {
        return Err(redacted(old));
    }
    let mut labels: Labels = old
        .start
        .labels
        .iter()
        .filter(|label| !label.starts_with(Labels::ORIGIN))
        .cloned()
        .collect();
    labels.add(format!("{}{}", Labels::ORIGIN, old.run));
    let mut start = StartRun {
        test: old.start.test,
        pins: old.start.pins,
        labels,
        origin: Some(old.run),
        ..StartRun::new(Arc::clone(&graph), trigger, items)
    };
    if at_trigger.is_none() {
        let mut repeating = Repeating::new(old, &start);
        repeating.go(turned)?;
        start.prelude = repeating.records;
    }
    Ok(start)
}

/// The trigger of the old run in the graph of the new one.
fn same_trigger(old: &RunState, graph: &Graph) -> Result<usize, Problem> {
    let name = &old.plan.graph.nodes[old.start.trigger as usize].name;
    let found = graph
        .nodes
        .iter()
        .position(|node| node.name == *name && !node.disabled && node.prepared.trigger().is_some());
    found.ok_or_else(|| {
        let detail = format!("The run began at \"{name}\", which is no trigger of that version.");
        Problem::new(codes::WORKFLOW_UNKNOWN_NODE, detail)
    })
}

/// The activation of the old run at which a turn is taken.
fn find_turn(old: &RunState, turn: &Turn) -> Result<ActivationId, Problem> {
    let nodes = &old.plan.graph.nodes;
    let is_of_node = |one: &Activation| *nodes[one.node as usize].name == *turn.node;
    let found = match turn.activation {
        Some(id) => old.activations.get(id as usize).filter(|one| is_of_node(one)).map(|_| id),
        None => old.activations.iter().rposition(is_of_node).map(|id| id as ActivationId),
    };
    found.ok_or_else(|| {
        let known = nodes.iter().any(|node| *node.name == *turn.node);
        let (code, detail) = match (known, turn.activation) {
            (false, _) => {
                let detail = format!("The run's workflow has no node \"{}\".", turn.node);
                (codes::WORKFLOW_UNKNOWN_NODE, detail)
            }
            (true, Some(id)) => {
                let detail = format!("Activation {id} is none of \"{}\".", turn.node);
                (codes::RUN_NODE_NOT_REACHED, detail)
            }
            (true, None) => {
                let detail = format!(
                    "The run never reached \"{}\": there is nothing to go on from.",
                    turn.node
                );
                (codes::RUN_NODE_NOT_REACHED, detail)
            }
        };
        Problem::new(code, detail)
    })
}

fn redacted(old: &RunState) -> Problem {
    let detail = format!(
        "What run {} began with was not kept (settings.redact); start the workflow anew, or give the \
         input of its trigger.",
        old.run
    );
    Problem::new(codes::RUN_REDACTED, detail)
}

/// A node, and where each of its inputs came from.
type Provenance = (u32, Arc<[Option<Source>]>);

/// The beginning of the new run, as it is worked out.
struct Repeating<'a> {
    old: &'a RunState,
    new: RunState,
    /// For each node of the new graph the same one of the old, if it is unchanged.
    nodes: Vec<Option<u32>>,
    /// Activations of the old run by node (the old one's) and where their inputs came from.
    known: HashMap<Provenance, VecDeque<ActivationId>>,
    /// For outputs that were taken over, by node and number: their number in the old run.
    taken: HashMap<(u32, u32), u32>,
    records: Vec<Record>,
}

impl<'a> Repeating<'a> {
    fn new(old: &'a RunState, start: &StartRun) -> Self {
        let graph = &start.graph;
        let same = |index: usize| {
            let before = &old.plan.graph;
            let found = before.nodes.iter().position(|n| n.name == graph.nodes[index].name)?;
            is_same_node(before, found, graph, index).then_some(found as u32)
        };
        let mut known: HashMap<_, VecDeque<ActivationId>> = HashMap::new();
        for (id, one) in (0..).zip(&old.activations).skip(1) {
            known.entry((one.node, Arc::clone(&one.sources))).or_default().push_back(id);
        }
        let first = Start {
            trigger: start.trigger as u32,
            items: Arc::clone(&start.items),
            at: old.start.at,
            seed: 0,
            test: start.test,
            pins: start.pins,
            answer: AnswerWhen::Started,
            key: None,
            trace: None,
            origin: None,
            labels: Labels::default(),
            parent: None,
        };
        let plan = Arc::new(Plan::new(Arc::clone(graph)));
        Self {
            nodes: (0..graph.nodes.len()).map(same).collect(),
            known,
            taken: HashMap::from([((start.trigger as u32, 0), 0)]),
            records: Vec::new(),
            new: RunState::new(RunId(old.run.0), plan, first),
            old,
        }
    }

    /// Takes over all there is.
    fn go(&mut self, turn: Option<(&Turn, ActivationId)>) -> Result<(), Problem> {
        let mut seen = 0;
        let mut turned = turn.is_none();
        // Each activation is looked at once, when it has been made: its inputs do not change.
        while seen < self.new.activations.len() {
            let id = seen as ActivationId;
            seen += 1;
            let Some(before) = self.same_before(id) else { continue };
            match turn {
                Some((turn, at)) if at == before => {
                    turned = true;
                    self.edit(id, before, turn)?;
                }
                _ => self.take_over(id, before),
            }
        }
        if turned {
            return Ok(());
        }
        let node = turn.map_or("", |(turn, _)| turn.node.as_str());
        let detail = format!(
            "\"{node}\" cannot be reached with what run {} left: something before it failed, was \
             changed since, or was not kept.",
            self.old.run
        );
        Err(Problem::new(codes::RUN_NODE_NOT_REACHED, detail))
    }

    /// The activation of the old run that is the same as this one.
    fn same_before(&mut self, id: ActivationId) -> Option<ActivationId> {
        let one = &self.new.activations[id as usize];
        if one.phase.is_final() {
            return None;
        }
        let node = self.nodes[one.node as usize]?;
        let before = |source: &Option<Source>| match source {
            None => Some(None),
            Some(Source { node, run, output }) => {
                let run = *self.taken.get(&(*node, *run))?;
                let node = self.nodes[*node as usize]?;
                Some(Some(Source { node, run, output: *output }))
            }
        };
        let sources: Option<Arc<[_]>> = one.sources.iter().map(before).collect();
        self.known.get_mut(&(node, sources?))?.pop_front()
    }

    fn take_over(&mut self, id: ActivationId, before: ActivationId) {
        let (old, one) = (self.old, &self.old.activations[before as usize]);
        let redaction = Redaction(&old.plan.graph.settings.redact);
        if let Some(run) = one.run_index {
            let outputs = view::outputs(old, one);
            if outputs.iter().any(|items| redaction.has_masked(items)) {
                return;
            }
            self.record(Record::TakenOver { activation: id, outputs });
            let new = &self.new.activations[id as usize];
            if let Some(new_run) = new.run_index {
                self.taken.insert((new.node, new_run), run);
            }
            return;
        }
        if let Some(inputs) = &one.edited {
            self.record(Record::Edited { activation: id, inputs: Arc::clone(inputs) });
        }
        let done = (0..).zip(&one.done).filter_map(|(item, outcome)| match outcome {
            Some(Ok(items)) if !redaction.has_masked(items) => Some((item, Ok(Vec::clone(items)))),
            Some(Ok(_) | Err(_)) | None => None,
        });
        let outcomes: Vec<_> = done.collect();
        if !outcomes.is_empty() {
            self.record(Record::Performed { activation: id, outcomes, times: Times::default() });
        }
    }

    fn edit(&mut self, id: ActivationId, before: ActivationId, turn: &Turn) -> Result<(), Problem> {
        let one = &self.new.activations[id as usize];
        let ports = &self.new.plan.graph.nodes[one.node as usize].inputs;
        let mut inputs = match &self.old.activations[before as usize].edited {
            Some(edited) => edited.to_vec(),
            None => one.inputs.to_vec(),
        };
        for (name, items) in &turn.inputs {
            let port = match name {
                None => Some(0),
                Some(name) => ports.iter().position(|port| port == name),
            };
            let Some(place) = port.and_then(|port| inputs.get_mut(port)) else {
                let known = ports.join(", ");
                let detail = format!("\"{}\" has these input ports: {known}.", turn.node);
                return Err(Problem::new(codes::WORKFLOW_UNKNOWN_PORT, detail));
            };
            *place = Arc::clone(items);
        }
        let was_edited = self.old.activations[before as usize].edited.is_some();
        if !turn.inputs.is_empty() || was_edited {
            self.record(Record::Edited { activation: id, inputs: inputs.into() });
        }
        Ok(())
    }

    fn record(&mut self, record: Record) {
        self.records.push(record.clone());
        self.new.apply(record);
    }
}

/// Whether a node does the same in both graphs.
fn is_same_node(before: &Graph, old: usize, graph: &Graph, new: usize) -> bool {
    let (one, other) = (&before.nodes[old], &graph.nodes[new]);
    one.kind == other.kind
        && before.names.parameters[old] == graph.names.parameters[new]
        && (&one.inputs, &one.outputs) == (&other.inputs, &other.outputs)
        && one.on_error == other.on_error
        && (one.execute_once, one.always_output) == (other.execute_once, other.always_output)
        && one.disabled == other.disabled
}

/// Writes and applies the records that follow a run's first.
pub(crate) fn begin_with(state: &mut RunState, prelude: Vec<Record>) {
    for record in prelude {
        let inputs = record.activation().and_then(|id| state.activations.get(id as usize));
        let inputs = inputs.map(|one| Arc::clone(&one.inputs)).unwrap_or_default();
        wire::write(&record, &inputs, &mut state.journal);
        state.apply(record);
    }
}
