//! The engine's mind: what follows from what happened.
//!
//! [`decide`] has no I/O, no clock and no chance: time comes in with the input, jitter from the
//! run's seed. It writes a record of every input that changes the state, applies it, and says what
//! shall be done. Records are numbered densely within a run; an action with `after` waits until the
//! journal is durable up to that position, so that nothing outside ever depends on something that a
//! crash could take back.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kernel::id::uuid_v7_at;
use kernel::{Item, Items, Problem, RunId, codes, limits};
use node::{CallMode, Callee, Directive, MayHaveRun, NodeError, Shape};
use workflow::OnError;

use crate::backoff::{backoff, chance_of, mix};
use crate::door::RunStatus;
use crate::excess;
use crate::input::is_stale;
pub use crate::input::{Decision, Input};
use crate::record::{ActivationId, Effect, Record, Times};
use crate::state::{Phase, RunState};
use crate::wire;

/// Something to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Run an activation's node: resolve its parameters and, unless it would change the outside,
    /// do its work.
    Execute {
        /// Which.
        activation: ActivationId,
    },
    /// Send these effects.
    Perform {
        /// Of which activation.
        activation: ActivationId,
        /// The effects.
        effects: Arc<[Effect]>,
        /// Not before the journal is durable up to here.
        after: u64,
    },
    /// Feed [`Input::Due`] at this time.
    Wake {
        /// For which activation.
        activation: ActivationId,
        /// When.
        due: Timestamp,
    },
    /// Start these runs of a workflow (those that have not been started) and feed
    /// [`Input::Returned`] for each: when it has ended, or, if that is not waited for, when its start
    /// is durable.
    Call {
        /// The calling activation.
        activation: ActivationId,
        /// Which workflow, for each run.
        workflow: Callee,
        /// Index among the activation's calls, id and input of each run.
        children: Vec<(u32, RunId, Items)>,
        /// Whether to feed their results back.
        wait: bool,
        /// Not before the journal is durable up to here.
        after: u64,
    },
    /// The respond node has spoken: tell the caller.
    Reply {
        /// Not before the journal is durable up to here.
        after: u64,
    },
    /// The run has ended: store it, stop what still runs.
    End,
}

/// Settings `decide` needs.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Activations a run may have.
    pub activations_max: u64,
    /// How deep runs may call runs.
    pub call_depth_max: u32,
    /// Bytes one record may have.
    pub step_bytes_max: usize,
    /// Bytes all records of a run may have.
    pub run_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            activations_max: limits::ACTIVATIONS_MAX,
            call_depth_max: limits::CALL_DEPTH_MAX,
            step_bytes_max: limits::STEP_BYTES_MAX,
            run_bytes_max: limits::RUN_BYTES_MAX,
        }
    }
}

/// What follows from `input` at `now`: changes `state`, appends records to `state.journal` and
/// actions to `actions`. Inputs about activations, attempts or runs that have ended change nothing.
pub fn decide(
    state: &mut RunState,
    input: Input,
    now: Timestamp,
    bounds: Bounds,
    actions: &mut Vec<Action>,
) {
    if state.status.is_final() {
        return;
    }
    if is_stale(state, &input) {
        return;
    }
    let mut mind = Mind { state, now, bounds, actions };
    mind.take(input);
    mind.schedule();
}

struct Mind<'a> {
    state: &'a mut RunState,
    now: Timestamp,
    bounds: Bounds,
    actions: &'a mut Vec<Action>,
}

impl Mind<'_> {
    fn take(&mut self, input: Input) {
        match input {
            Input::Begin => {}
            Input::Resume => {
                self.record(Record::Resumed { at_us: self.elapsed_us() });
                self.resume();
            }
            Input::Woken => self.resume(),
            Input::Finished { activation, outputs, times } => {
                self.record(Record::Finished { activation, outputs, times });
            }
            Input::Failed { activation, error, times, .. } => self.failed(activation, error, times),
            Input::Intend { activation, effects } => self.intend(activation, effects),
            Input::Performed { activation, outcomes, times, .. } => {
                self.performed(activation, outcomes, times);
            }
            Input::Steered { activation, directive, times } => {
                self.steered(activation, directive, times);
            }
            Input::Due { activation } => self.due(activation),
            Input::Returned { activation, child, result } => {
                self.record(Record::Returned { activation, child, result });
            }
            Input::Answered { activation, decision } => self.answered(activation, decision),
            Input::Cancel => {
                let problem = Problem::new(codes::RUN_CANCELLED, "Somebody cancelled the run.");
                self.end(RunStatus::Cancelled, Some(problem));
            }
            Input::Abort { problem } => self.end(RunStatus::Failed, Some(problem)),
            Input::TimedOut => {
                let problem = Problem::new(
                    codes::RUN_TIMEOUT,
                    "The run took longer than its workflow's timeout; raise settings.timeout.",
                );
                self.end(RunStatus::Failed, Some(problem));
            }
        }
    }

    fn record(&mut self, record: Record) {
        let inputs = record
            .activation()
            .map(|id| Arc::clone(&self.state.activations[id as usize].inputs))
            .unwrap_or_default();
        let before = self.state.journal.len();
        wire::write(&record, &inputs, &mut self.state.journal);
        let bytes = self.state.journal.len() - before;
        let written = &self.state.journal[before..];
        if let Some(instead) = excess::instead_of(&record, written, self.bounds.step_bytes_max) {
            self.state.journal.truncate(before);
            return self.record(instead);
        }
        self.state.bytes += bytes;
        self.state.apply(record);
    }

    /// Begins what may begin and ends the run when nothing is left.
    fn schedule(&mut self) {
        if self.state.status.is_final() {
            return;
        }
        if let Some(problem) = self.state.fatal().cloned() {
            return self.end(RunStatus::Failed, Some(problem));
        }
        if self.state.activations.len() as u64 > self.bounds.activations_max {
            let detail = format!(
                "The run reached {} activations. Is there a loop without an end?",
                self.bounds.activations_max
            );
            return self.end(RunStatus::Failed, Some(Problem::new(codes::RUN_LIMIT, detail)));
        }
        if self.state.bytes > self.bounds.run_bytes_max {
            let detail = format!(
                "The run holds {} bytes; the limit is {} (engine.run_bytes_max). Split the work \
                 into several runs.",
                self.state.bytes, self.bounds.run_bytes_max
            );
            return self.end(RunStatus::Failed, Some(Problem::new(codes::RUN_LIMIT, detail)));
        }
        while let Some(activation) = self.state.next_ready() {
            self.begin(activation);
            if self.state.status.is_final() || self.state.fatal().is_some() {
                return self.schedule();
            }
        }
        if self.state.is_exhausted() {
            self.end(RunStatus::Succeeded, None);
        }
    }

    fn begin(&mut self, activation: ActivationId) {
        let one = &self.state.activations[activation as usize];
        let Some(effects) = one.intended.clone() else {
            self.actions.push(Action::Execute { activation });
            return;
        };
        // Only after a crash: the intent is in the journal, its outcome is not.
        match self.state.plan.graph.nodes[one.node as usize].may_have_run {
            MayHaveRun::Retry => self.perform(activation, effects),
            MayHaveRun::Ask => self.record(Record::Asked { activation }),
            MayHaveRun::Fail => self.settle_unsure(activation, &effects, Err(unsure())),
        }
    }

    fn perform(&mut self, activation: ActivationId, effects: Arc<[Effect]>) {
        let after = self.state.position;
        self.actions.push(Action::Perform { activation, effects, after });
    }

    /// Takes effects that may have run for done, or for failed. The other items of a node that works
    /// item by item keep what became of them, and have their turn.
    fn settle_unsure(
        &mut self,
        activation: ActivationId,
        effects: &[Effect],
        outcome: Result<(), Problem>,
    ) {
        let times = Times::default();
        let one = &self.state.activations[activation as usize];
        let node = &self.state.plan.graph.nodes[one.node as usize];
        let itemwise = node.prepared.shape() == Shape::Each;
        let record = match outcome {
            Err(problem) if !itemwise || node.on_error == OnError::Stop => {
                Record::Failed { activation, problem, times }
            }
            Ok(()) if !itemwise => {
                let outputs = vec![self.state.passed_on(activation)];
                Record::Finished { activation, outputs, times }
            }
            outcome => {
                let items = one.inputs.first().map_or(&[][..], |items| items.as_slice());
                let input = |item: u32| items.get(item as usize).cloned().into_iter().collect();
                let settled =
                    |effect: &Effect| (effect.item, outcome.clone().map(|()| input(effect.item)));
                let outcomes = effects.iter().map(settled).collect();
                Record::Performed { activation, outcomes, times }
            }
        };
        self.record(record);
        if !self.state.activations[activation as usize].phase.is_final() {
            self.actions.push(Action::Execute { activation });
        }
    }

    /// Takes up again what was waited for.
    fn resume(&mut self) {
        for id in 0..self.state.activations.len() {
            let activation = id as ActivationId;
            match &self.state.activations[id].phase {
                Phase::Waiting { due, .. } => {
                    let due = *due;
                    self.actions.push(Action::Wake { activation, due });
                }
                Phase::Calling { workflow, children, results, wait } => {
                    let (workflow, children) = (workflow.clone(), children.clone());
                    let open: Vec<_> = results.iter().map(Option::is_none).collect();
                    self.call(activation, workflow, &children, &open, *wait);
                }
                Phase::Ready
                | Phase::Running
                | Phase::Asked
                | Phase::Succeeded
                | Phase::Failed
                | Phase::Cancelled => {}
            }
        }
    }

    fn failed(&mut self, activation: ActivationId, error: NodeError, times: Times) {
        match self.next_attempt(activation, &error) {
            Some(due) => self.retry(activation, error.problem(), due),
            None => self.record(Record::Failed { activation, problem: error.problem(), times }),
        }
    }

    fn retry(&mut self, activation: ActivationId, problem: Problem, due: Timestamp) {
        let attempt = self.state.activations[activation as usize].attempt;
        self.record(Record::Retrying { activation, attempt, problem, due });
        self.actions.push(Action::Wake { activation, due });
    }

    /// When the activation is tried again, if its node's policy and the error allow it.
    fn next_attempt(&self, activation: ActivationId, error: &NodeError) -> Option<Timestamp> {
        let NodeError::Retry { after, .. } = error else { return None };
        let one = &self.state.activations[activation as usize];
        let retry = self.state.plan.graph.nodes[one.node as usize].retry?;
        if one.attempt >= retry.max_attempts {
            return None;
        }
        let chance = chance_of(self.state.start.seed, activation, one.attempt);
        Some(self.after(backoff(&retry, one.attempt, chance).max(after.unwrap_or_default())))
    }

    /// The time so much later, to the microsecond: that is what the journal gives back.
    fn after(&self, span: Duration) -> Timestamp {
        let later = SignedDuration::try_from(span).ok();
        let later = later.and_then(|span| self.now.checked_add(span).ok());
        let micros = later.unwrap_or(Timestamp::MAX).as_microsecond();
        Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
    }

    fn intend(&mut self, activation: ActivationId, effects: Arc<[Effect]>) {
        let attempt = self.state.activations[activation as usize].attempt;
        let effects_of_record = Arc::clone(&effects);
        self.record(Record::Intended { activation, attempt, effects: effects_of_record });
        self.perform(activation, effects);
    }

    fn performed(
        &mut self,
        activation: ActivationId,
        outcomes: Vec<(u32, Result<Vec<Item>, NodeError>)>,
        times: Times,
    ) {
        let node = self.state.activations[activation as usize].node as usize;
        let stops = self.state.plan.graph.nodes[node].on_error == OnError::Stop;
        let attempt = self.state.activations[activation as usize].attempt;
        let mut settled = Vec::with_capacity(outcomes.len());
        let mut again: Option<(Problem, Timestamp)> = None;
        let mut fatal: Option<Problem> = None;
        for (item, outcome) in outcomes {
            match outcome {
                Ok(items) => settled.push((item, Ok(items))),
                Err(error) => match self.next_attempt(activation, &error) {
                    Some(due) => again = Some((error.problem(), due)),
                    None if stops => fatal = Some(error.problem()),
                    None => settled.push((item, Err(error.problem()))),
                },
            }
        }
        if !settled.is_empty() {
            self.record(Record::Performed { activation, outcomes: settled, times });
        }
        if let Some(problem) = fatal {
            return self.record(Record::Failed { activation, problem, times });
        }
        if let Some((problem, due)) = again {
            self.record(Record::Retrying { activation, attempt, problem, due });
            self.actions.push(Action::Wake { activation, due });
        } else if !self.state.activations[activation as usize].phase.is_final() {
            self.actions.push(Action::Execute { activation });
        }
    }

    fn steered(&mut self, activation: ActivationId, directive: Directive, times: Times) {
        match directive {
            Directive::Outputs(outputs) => {
                self.record(Record::Finished { activation, outputs, times });
            }
            Directive::Wait(span) => {
                let due = self.after(span);
                self.record(Record::Waiting { activation, due });
                self.actions.push(Action::Wake { activation, due });
            }
            Directive::Respond(reply) => {
                self.record(Record::Replied { activation, reply, times });
                self.actions.push(Action::Reply { after: self.state.position });
            }
            Directive::Call { workflow, mode, wait } => {
                self.begin_call(activation, workflow, mode, wait, times);
            }
        }
    }

    fn begin_call(
        &mut self,
        activation: ActivationId,
        workflow: Callee,
        mode: CallMode,
        wait: bool,
        times: Times,
    ) {
        let depth = self.state.start.parent.map_or(0, |parent| parent.depth);
        if depth >= self.bounds.call_depth_max {
            let detail = format!(
                "Workflows call each other more than {} levels deep.",
                self.bounds.call_depth_max
            );
            let problem = Problem::new(codes::RUN_LIMIT, detail);
            return self.record(Record::Failed { activation, problem, times });
        }
        let items = self.state.activations[activation as usize].inputs.first();
        let count = match mode {
            CallMode::Once => 1,
            CallMode::EachItem => items.map_or(0, |items| items.len()),
        };
        if count == 0 {
            let outputs = vec![Items::default()];
            return self.record(Record::Finished { activation, outputs, times });
        }
        let children: Vec<_> =
            (0..count as u32).map(|child| self.child_id(activation, child)).collect();
        self.record(Record::Calling {
            activation,
            workflow: workflow.clone(),
            mode,
            children: children.clone(),
            wait,
        });
        let open = vec![true; count];
        self.call(activation, workflow, &children, &open, wait);
    }

    fn call(
        &mut self,
        activation: ActivationId,
        workflow: Callee,
        children: &[RunId],
        open: &[bool],
        wait: bool,
    ) {
        let inputs = self.call_inputs(activation, children.len());
        let children = (0..)
            .zip(children.iter().zip(inputs))
            .zip(open)
            .filter(|(_, open)| **open)
            .map(|((index, (child, items)), _)| (index, *child, items))
            .collect();
        let after = self.state.position;
        self.actions.push(Action::Call { activation, workflow, children, wait, after });
    }

    /// The input of each called run: all items for one call, else one item each.
    fn call_inputs(&self, activation: ActivationId, calls: usize) -> Vec<Items> {
        let inputs = &self.state.activations[activation as usize].inputs;
        let items = inputs.first().cloned().unwrap_or_default();
        if calls == 1 {
            return vec![items];
        }
        items.iter().map(|item| Arc::new(vec![item.clone()])).collect()
    }

    /// Derived from the calling run and activation, and shaped like a UUIDv7.
    fn child_id(&self, activation: ActivationId, child: u32) -> RunId {
        let (high, low) = self.state.run.0.as_u64_pair();
        let place = u64::from(activation) << 32 | u64::from(child);
        let millis = self.now.as_millisecond().max(0) as u64;
        RunId(uuid_v7_at(millis, mix(high ^ place), mix(low ^ place.rotate_left(17))))
    }

    fn due(&mut self, activation: ActivationId) {
        match self.state.activations[activation as usize].phase {
            Phase::Waiting { retry: true, .. } => {
                self.state.resume(activation);
                self.actions.push(Action::Execute { activation });
            }
            Phase::Waiting { retry: false, .. } => {
                let outputs = vec![self.state.passed_on(activation)];
                self.record(Record::Finished { activation, outputs, times: Times::default() });
            }
            Phase::Ready
            | Phase::Running
            | Phase::Calling { .. }
            | Phase::Asked
            | Phase::Succeeded
            | Phase::Failed
            | Phase::Cancelled => {}
        }
    }

    fn answered(&mut self, activation: ActivationId, decision: Decision) {
        let one = &self.state.activations[activation as usize];
        if one.phase != Phase::Asked {
            return;
        }
        match (decision, one.intended.clone()) {
            (Decision::Retry, Some(effects)) => {
                self.state.resume(activation);
                self.perform(activation, effects);
            }
            (Decision::Done, Some(effects)) => {
                self.state.resume(activation);
                self.settle_unsure(activation, &effects, Ok(()));
            }
            (Decision::Fail, Some(effects)) => {
                self.state.resume(activation);
                self.settle_unsure(activation, &effects, Err(unsure()));
            }
            // Nobody asks without an intent.
            (_, None) => {}
        }
    }

    fn end(&mut self, status: RunStatus, problem: Option<Problem>) {
        self.record(Record::Ended { status, problem, at_us: self.elapsed_us() });
        self.actions.push(Action::End);
    }

    fn elapsed_us(&self) -> u64 {
        (self.now.as_microsecond() - self.state.start.at.as_microsecond()).max(0) as u64
    }
}

fn unsure() -> Problem {
    Problem::new(
        codes::RUN_MAY_HAVE_RUN,
        "The process died after the effect's intent was stored and before its result was: it may have happened.",
    )
}
