//! The state of a run, and how each record changes it.
//!
//! `apply` is the only way the state changes, so that replaying the journal gives the same state as
//! living through it. It has no I/O, no clock and no chance.

mod joins;

use std::collections::VecDeque;
use std::sync::Arc;

use expr::{NodeData, NodeRun, RunData, Source};
use kernel::{Item, Items, Problem, RunId, codes};
use node::Callee;
use workflow::{OnError, Order};

use joins::{Arrival, Gathered};

use crate::door::RunStatus;
use crate::outcome;
use crate::plan::Plan;
use crate::record::{ActivationId, Effect, Outcomes, Record, Start, Times};

/// One execution of a node in a run.
#[derive(Clone, Debug)]
pub struct Activation {
    /// Index of the node.
    pub node: u32,
    /// How many back edges lie between the trigger and it: the iteration of the loop it is in.
    pub path: u32,
    /// How often the node was reached before.
    pub ordinal: u32,
    /// Items of each input port, only the first where the node is executed once; let go of when it
    /// ends.
    pub inputs: Arc<[Items]>,
    /// Who delivered each input port.
    pub sources: Arc<[Option<Source>]>,
    /// Where it is.
    pub phase: Phase,
    /// Attempt it is at or ended with, from 1.
    pub attempt: u32,
    /// Outcome of each input item, for effects that go item by item; empty until the first intent.
    pub done: Vec<Option<Result<Arc<Vec<Item>>, Problem>>>,
    /// Effects whose intent is recorded and whose outcome is not.
    pub intended: Option<Arc<[Effect]>>,
    /// Index into the node's `NodeData::runs`, once it has outputs.
    pub run_index: Option<u32>,
    /// Why it failed, or the last attempt did.
    pub problem: Option<Problem>,
    /// When its last attempt began and how long it took.
    pub times: Times,
    /// Whether its outputs were taken over from the run that this one repeats.
    pub taken_over: bool,
    /// What stood in for its inputs.
    pub edited: Option<Arc<[Items]>>,
}

/// Where an activation is.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// May begin.
    Ready,
    /// Begun in this process.
    Running,
    /// Waits for a time: a wait node, or the next attempt.
    Waiting {
        /// Until when.
        due: jiff::Timestamp,
        /// Whether it begins again then; else it ends.
        retry: bool,
    },
    /// Waits for the runs it called: for their ends, or only until their starts are durable.
    Calling {
        /// Which workflow, for each run.
        workflow: Callee,
        /// Ids of the called runs.
        children: Vec<RunId>,
        /// Their results so far.
        results: Vec<Option<Result<Items, Problem>>>,
        /// Whether their ends are waited for.
        wait: bool,
    },
    /// An effect may have run; waits for a person.
    Asked,
    /// Ended with outputs.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Stopped because its run ended.
    Cancelled,
}

impl Phase {
    /// Whether nothing more will happen to it.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// A run in memory.
pub struct RunState {
    /// Its id.
    pub run: RunId,
    /// The workflow and what was worked out about it.
    pub plan: Arc<Plan>,
    /// How it began.
    pub start: Start,
    /// Records applied so far; the position of the next one.
    pub position: u64,
    /// Bytes of the records so far: a measure of what the run holds.
    pub bytes: usize,
    /// `Running` or how it ended.
    pub status: RunStatus,
    /// Why it failed.
    pub problem: Option<Problem>,
    /// When it ended, in microseconds since its start.
    pub ended_us: u64,
    /// Outputs so far, as expressions see them.
    pub data: Arc<RunData>,
    /// How often a member read it back from its journal.
    pub resumed: u32,
    /// What the respond node said.
    pub reply: Option<node::Reply>,
    /// The activation that ended last.
    pub last: Option<ActivationId>,
    /// Every activation, in order of creation.
    pub activations: Vec<Activation>,
    /// Activations that may begin, in the order in which they shall.
    pub ready: VecDeque<ActivationId>,
    /// How many are in [`Phase::Running`].
    pub running: usize,
    /// How many are neither final nor ready nor running.
    pub parked: usize,
    /// Called runs that had not returned when the run ended: nobody waits for them any more.
    pub orphans: Vec<RunId>,
    /// Records not yet offered to the flusher, as written by [`crate::wire::write`].
    pub journal: Vec<u8>,
    gathered: Vec<Gathered>,
    waiting_joins: usize,
    live: Vec<u32>,
    reached: Vec<u32>,
    fatal: Option<Problem>,
}

impl RunState {
    /// The state after the first record.
    pub fn new(run: RunId, plan: Arc<Plan>, start: Start) -> Self {
        let count = plan.graph.nodes.len();
        let data = RunData {
            names: Arc::clone(&plan.graph.names),
            // All the same empty one until each is written to.
            nodes: std::iter::repeat_n(Arc::new(NodeData::default()), count).collect(),
        };
        let gathered = plan
            .graph
            .nodes
            .iter()
            .map(|node| Gathered {
                ports: if node.inputs.len() > 1 {
                    vec![VecDeque::new(); node.inputs.len()]
                } else {
                    Vec::new()
                },
                waiting: false,
            })
            .collect();
        let mut state = Self {
            run,
            journal: Vec::new(),
            waiting_joins: 0,
            plan,
            position: 1,
            bytes: 0,
            status: RunStatus::Running,
            problem: None,
            ended_us: 0,
            data: Arc::new(data),
            resumed: 0,
            reply: None,
            last: None,
            activations: Vec::with_capacity(count),
            ready: VecDeque::new(),
            running: 0,
            parked: 0,
            orphans: Vec::new(),
            gathered,
            live: vec![0; count],
            reached: vec![0; count],
            fatal: None,
            start,
        };
        state.begin();
        state
    }

    fn begin(&mut self) {
        let node = self.start.trigger as usize;
        let id = self.activate(node, Arc::new([]), Arc::new([]), 0);
        let items = Arc::clone(&self.start.items);
        self.ready.clear();
        let ports = self.plan.graph.nodes[node].outputs.len().max(1);
        let mut outputs = vec![Items::default(); ports];
        outputs[0] = items;
        self.finish(id, outputs, Times::default());
        self.settle();
    }

    /// Applies the next record. Records about activations that have ended are ignored: a result may
    /// come in after its run was cancelled.
    pub fn apply(&mut self, record: Record) {
        self.position += 1;
        if self.status.is_final() {
            return;
        }
        match record {
            Record::Started(_) => {}
            Record::Finished { activation, outputs, times } => {
                if self.leave(activation, Phase::Succeeded) {
                    self.finish(activation, outputs, times);
                }
            }
            Record::Replied { activation, reply, times } => {
                if self.leave(activation, Phase::Succeeded) {
                    self.reply.get_or_insert(reply);
                    let outputs = vec![self.passed_on(activation)];
                    self.finish(activation, outputs, times);
                }
            }
            Record::TakenOver { activation, outputs } => {
                if self.leave(activation, Phase::Succeeded) {
                    self.activations[activation as usize].taken_over = true;
                    self.finish(activation, outputs, Times::default());
                }
            }
            Record::Edited { activation, inputs } => {
                let activation = &mut self.activations[activation as usize];
                activation.inputs = Arc::clone(&inputs);
                activation.edited = Some(inputs);
            }
            Record::Failed { activation, problem, times } => {
                if self.leave(activation, Phase::Failed) {
                    self.fail(activation, problem, times);
                }
            }
            Record::Retrying { activation, attempt, problem, due } => {
                self.park(activation, Phase::Waiting { due, retry: true });
                let activation = &mut self.activations[activation as usize];
                activation.attempt = attempt + 1;
                activation.intended = None;
                activation.problem = Some(problem);
            }
            Record::Intended { activation, attempt, effects } => {
                self.unpark(activation);
                let activation = &mut self.activations[activation as usize];
                activation.attempt = attempt;
                activation.intended = Some(effects);
            }
            Record::Performed { activation, outcomes, times } => {
                self.perform(activation, outcomes, times);
            }
            Record::Waiting { activation, due } => {
                self.park(activation, Phase::Waiting { due, retry: false });
            }
            Record::Calling { activation, workflow, children, wait, .. } => {
                let results = vec![None; children.len()];
                self.park(activation, Phase::Calling { workflow, children, results, wait });
            }
            Record::Returned { activation, child, result } => {
                self.returned(activation, child, result);
            }
            Record::Asked { activation } => self.park(activation, Phase::Asked),
            Record::Resumed { .. } => self.resumed += 1,
            Record::Ended { status, problem, at_us } => self.end(status, problem, at_us),
        }
        self.settle();
    }

    /// Why the run has to fail, once an activation failed whose node stops the run.
    pub fn fatal(&self) -> Option<&Problem> {
        self.fatal.as_ref()
    }

    /// `Running`, `Waiting` when only timers, children or persons are waited for, or how it ended.
    pub fn shown_status(&self) -> RunStatus {
        if self.is_idle() { RunStatus::Waiting } else { self.status }
    }

    /// Whether nothing goes on in it before a time, a child or a person lets it.
    pub fn is_idle(&self) -> bool {
        // In sequential order what is ready waits for what is parked.
        let blocked = self.ready.is_empty() || self.plan.graph.settings.order == Order::Sequential;
        self.status == RunStatus::Running && self.running == 0 && self.parked > 0 && blocked
    }

    /// Whether times are all that it waits for.
    pub fn only_waits(&self) -> bool {
        let sleeps = |one: &Activation| match one.phase {
            Phase::Waiting { .. } => true,
            Phase::Ready | Phase::Running | Phase::Calling { .. } | Phase::Asked => false,
            Phase::Succeeded | Phase::Failed | Phase::Cancelled => false,
        };
        let sleeping = self.activations.iter().filter(|one| sleeps(one)).count();
        self.is_idle() && sleeping == self.parked
    }

    /// Whether it waits for runs that it called.
    pub fn is_calling(&self) -> bool {
        self.activations.iter().rev().any(|one| matches!(one.phase, Phase::Calling { .. }))
    }

    /// Whether nothing is left to do.
    pub fn is_exhausted(&self) -> bool {
        self.ready.is_empty() && self.running == 0 && self.parked == 0
    }

    /// Takes the next activation to run, as far as order and parallelism allow.
    pub fn next_ready(&mut self) -> Option<ActivationId> {
        let settings = &self.plan.graph.settings;
        let room = match settings.order {
            Order::Parallel => settings.max_parallel_nodes,
            Order::Sequential => 1,
        };
        // In sequential order a parked activation holds its place: its branch is not done.
        let busy = match settings.order {
            Order::Parallel => self.running,
            Order::Sequential => self.running + self.parked,
        };
        if busy >= room {
            return None;
        }
        let id = self.ready.pop_front()?;
        self.activations[id as usize].phase = Phase::Running;
        self.running += 1;
        Some(id)
    }

    /// Brings a parked activation back: its wait for the next attempt is over, or it was asked
    /// about.
    pub fn resume(&mut self, id: ActivationId) {
        let activation = &mut self.activations[id as usize];
        if matches!(activation.phase, Phase::Waiting { .. } | Phase::Asked) {
            activation.phase = Phase::Running;
            self.parked -= 1;
            self.running += 1;
        }
    }

    /// What a node that changes nothing puts out: its first input, paired one to one.
    pub fn passed_on(&self, id: ActivationId) -> Items {
        outcome::pass_on(&self.activations[id as usize].inputs)
    }

    /// Every input item's index that has no outcome yet.
    pub fn open_items(&self, id: ActivationId) -> Vec<u32> {
        let activation = &self.activations[id as usize];
        let count = activation.inputs.first().map_or(0, |items| items.len());
        (0..count as u32)
            .filter(|item| activation.done.get(*item as usize).is_none_or(Option::is_none))
            .collect()
    }

    fn activate(
        &mut self,
        node: usize,
        inputs: Arc<[Items]>,
        sources: Arc<[Option<Source>]>,
        path: u32,
    ) -> ActivationId {
        let id = self.activations.len() as ActivationId;
        let inputs = if self.plan.graph.nodes[node].execute_once {
            inputs.iter().map(|items| Arc::new(items.iter().take(1).cloned().collect())).collect()
        } else {
            inputs
        };
        self.activations.push(Activation {
            node: node as u32,
            path,
            ordinal: self.reached[node],
            inputs,
            sources,
            phase: Phase::Ready,
            attempt: 1,
            done: Vec::new(),
            intended: None,
            run_index: None,
            problem: None,
            times: Times::default(),
            taken_over: false,
            edited: None,
        });
        self.reached[node] += 1;
        self.live[node] += 1;
        self.ready.push_back(id);
        id
    }

    /// Moves an activation to its end; false if it had ended already.
    fn leave(&mut self, id: ActivationId, to: Phase) -> bool {
        let activation = &mut self.activations[id as usize];
        match activation.phase {
            Phase::Succeeded | Phase::Failed | Phase::Cancelled => return false,
            Phase::Running => self.running -= 1,
            Phase::Ready => self.ready.retain(|ready| *ready != id),
            Phase::Waiting { .. } | Phase::Calling { .. } | Phase::Asked => self.parked -= 1,
        }
        if to == Phase::Succeeded {
            // An earlier attempt's failure is history.
            activation.problem = None;
        }
        activation.phase = to;
        true
    }

    /// An intent or a result says that a wait was over: in a replay nothing else does.
    fn unpark(&mut self, id: ActivationId) {
        let activation = &mut self.activations[id as usize];
        if matches!(activation.phase, Phase::Waiting { .. } | Phase::Asked) {
            activation.phase = Phase::Ready;
            self.parked -= 1;
            // It had begun: in sequential order nothing else may begin before it has ended.
            self.ready.push_front(id);
        }
    }

    fn park(&mut self, id: ActivationId, phase: Phase) {
        let activation = &mut self.activations[id as usize];
        match activation.phase {
            Phase::Running => self.running -= 1,
            Phase::Ready => self.ready.retain(|ready| *ready != id),
            Phase::Waiting { .. } | Phase::Calling { .. } | Phase::Asked => {
                activation.phase = phase;
                return;
            }
            Phase::Succeeded | Phase::Failed | Phase::Cancelled => return,
        }
        activation.phase = phase;
        self.parked += 1;
    }

    /// Stores the outputs and delivers them along the connections.
    fn finish(&mut self, id: ActivationId, outputs: Vec<Items>, times: Times) {
        let activation = &mut self.activations[id as usize];
        if activation.phase == Phase::Ready {
            activation.phase = Phase::Succeeded;
        }
        activation.times = times;
        activation.inputs = Arc::new([]);
        activation.done = Vec::new();
        activation.intended = None;
        let (node, path) = (activation.node as usize, activation.path);
        let sources = Arc::clone(&activation.sources);
        self.live[node] -= 1;
        self.last = Some(id);

        let data = Arc::make_mut(&mut self.data);
        let runs = &mut Arc::make_mut(&mut data.nodes[node]).runs;
        let run = runs.len() as u32;
        runs.push(Arc::new(NodeRun { outputs: outputs.clone(), sources }));
        self.activations[id as usize].run_index = Some(run);

        let first_new = self.ready.len();
        let plan = Arc::clone(&self.plan);
        for (port, items) in outputs.into_iter().enumerate() {
            if items.is_empty() {
                continue;
            }
            let source = Source { node: node as u32, run, output: port as u32 };
            for edge in plan.graph.nodes[node].targets.get(port).into_iter().flatten() {
                let path = path + u32::from(edge.back);
                self.deliver(*edge, Arrival { items: Arc::clone(&items), source, path });
            }
        }
        if plan.graph.settings.order == Order::Sequential {
            // Depth first: what just became ready goes before what was ready.
            self.ready.rotate_left(first_new.min(self.ready.len()));
        }
    }

    fn perform(&mut self, id: ActivationId, outcomes: Outcomes, times: Times) {
        if self.activations[id as usize].phase.is_final() {
            return;
        }
        self.unpark(id);
        let activation = &mut self.activations[id as usize];
        let count = activation.inputs.first().map_or(0, |items| items.len());
        activation.done.resize(count, None);
        for (index, outcome) in outcomes {
            if let Some(done) = activation.done.get_mut(index as usize) {
                let paired = |item: Item| item.paired(index as usize);
                let outcome = outcome.map(|items| items.into_iter().map(paired).collect());
                *done = Some(outcome.map(Arc::new));
            }
        }
        activation.intended = None;
        activation.times = times;
        if activation.done.iter().any(Option::is_none) {
            // The attempts of the next items are counted anew.
            activation.attempt = 1;
            return;
        }
        let done: Vec<_> = activation.done.drain(..).flatten().collect();
        let inputs = Arc::clone(&activation.inputs);
        let node = &self.plan.graph.nodes[activation.node as usize];
        match outcome::assemble(node, &inputs, done) {
            Ok(outputs) => {
                if self.leave(id, Phase::Succeeded) {
                    self.finish(id, outputs, times);
                }
            }
            Err(problem) => {
                if self.leave(id, Phase::Failed) {
                    self.fail(id, problem, times);
                }
            }
        }
    }

    fn returned(&mut self, id: ActivationId, child: u32, result: Result<Items, Problem>) {
        let Phase::Calling { results, wait, .. } = &mut self.activations[id as usize].phase else {
            return;
        };
        let wait = *wait;
        if let Some(place) = results.get_mut(child as usize) {
            *place = Some(result);
        }
        if results.iter().any(Option::is_none) {
            return;
        }
        let results: Vec<_> = results.drain(..).flatten().collect();
        let inputs = Arc::clone(&self.activations[id as usize].inputs);
        let gathered = match wait {
            true => outcome::gather_children(&inputs, results),
            // They were only started: the items pass through.
            false => results
                .into_iter()
                .collect::<Result<Vec<_>, _>>()
                .map(|_| vec![outcome::pass_on(&inputs)]),
        };
        match gathered {
            Ok(outputs) => {
                self.leave(id, Phase::Succeeded);
                self.finish(id, outputs, Times::default());
            }
            Err(problem) => {
                self.leave(id, Phase::Failed);
                self.fail(id, problem, Times::default());
            }
        }
    }

    /// A final failure: the run stops, or the items pass on with the error.
    fn fail(&mut self, id: ActivationId, problem: Problem, times: Times) {
        let activation = &mut self.activations[id as usize];
        activation.problem = Some(problem.clone());
        activation.times = times;
        let index = activation.node as usize;
        let node = &self.plan.graph.nodes[index];
        let stops = node.on_error == OnError::Stop || problem.code == codes::RUN_LIMIT;
        if stops {
            activation.inputs = Arc::new([]);
            self.live[index] -= 1;
            self.last = Some(id);
            let name = node.name.to_string();
            self.fatal.get_or_insert_with(|| problem.in_node(name));
            return;
        }
        let outputs = outcome::error_outputs(node, &activation.inputs, &problem);
        self.finish(id, outputs, times);
    }

    fn end(&mut self, status: RunStatus, problem: Option<Problem>, at_us: u64) {
        self.status = status;
        self.problem = problem;
        self.ended_us = at_us;
        for activation in &mut self.activations {
            if let Phase::Calling { children, results, wait: true, .. } = &activation.phase {
                let open = children.iter().zip(results).filter(|(_, result)| result.is_none());
                self.orphans.extend(open.map(|(child, _)| *child));
            }
            if !activation.phase.is_final() {
                activation.phase = Phase::Cancelled;
                activation.inputs = Arc::new([]);
            }
        }
        self.ready.clear();
        self.running = 0;
        self.parked = 0;
    }
}
