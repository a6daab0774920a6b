//! A worker: a thread that owns runs, feeds them what happens and does what follows.
//!
//! A run stays on one worker from its start to its end. Work that gives its result at once is done
//! in place; work that waits becomes a task of this thread; pure work on many items goes to the slow
//! threads. The worker never waits for the database: verdicts come back as commands.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use expr::{Execution, Scope};
use kernel::{Problem, RunId, WorkspaceId, codes};
use node::NodeContext;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::actor::{self, Work};
use crate::cell::{AnswerSender, Cell, Next, Stage};
use crate::decide::{Action, Decision, Input, decide};
use crate::door::{Answer, StartRun};
use crate::engine::Shared;
use crate::flusher::{FIRST_EPOCH, FlushOp, Flushed, SinkId, Verdict};
use crate::plan::Plan;
use crate::record::{ActivationId, Effect, Parent, Record, Start, Times};
use crate::state::{Activation, Phase, RunState};
use crate::timers::{Timer, Timers};
use crate::view::RunView;
use crate::{calls, wire};

/// What a worker is told.
pub(crate) enum Command {
    /// A new run.
    Start(Box<NewRun>),
    /// A run read back from its journal.
    Adopt(Box<Adopted>),
    /// Something happened to a run.
    Input(RunId, Input),
    /// Verdicts of a flush.
    Flushed(Vec<Flushed>),
    /// A body has become a blob: offer the operation that names it, or give the run up.
    Stored(RunId, Result<Box<FlushOp>, Problem>),
    /// A run has something in its inbox.
    Signalled(RunId),
    /// The error workflow has been told of a run's failure.
    ErrorTold(RunId),
    /// Show a run.
    View {
        /// Whose it must be.
        workspace: WorkspaceId,
        /// Which.
        run: RunId,
        /// Where to.
        reply: oneshot::Sender<Option<RunView>>,
    },
    /// A person says what became of an effect that may have run.
    Answer {
        /// Whose it must be.
        workspace: WorkspaceId,
        /// Which run.
        run: RunId,
        /// The node that asks.
        node: String,
        /// What shall be done.
        decision: Decision,
        /// Told whether anything was asked.
        reply: oneshot::Sender<bool>,
    },
    /// A run's inbox was read.
    Inbox {
        /// Whose.
        run: RunId,
        /// How many signals it had had when the reading began.
        signals: i32,
        /// Whether one of them cancels it.
        cancel: bool,
    },
    /// Time may have moved by more than the worker has slept.
    Tick,
}

/// A run to be begun.
pub(crate) struct NewRun {
    pub(crate) run: RunId,
    pub(crate) start: StartRun,
    pub(crate) parent: Option<Parent>,
    pub(crate) answer: AnswerSender,
}

/// A run taken over.
pub(crate) struct Adopted {
    pub(crate) state: RunState,
    pub(crate) written: Vec<u8>,
    pub(crate) epoch: i32,
    pub(crate) seq: i32,
    pub(crate) seen: i32,
    /// Why it must not go on.
    pub(crate) poison: Option<Problem>,
}

/// Plans kept for the versions a worker has run lately.
const PLANS_MAX: usize = 1_000;
/// Commands handled before tasks of the thread get their turn.
const COMMANDS_AT_ONCE: usize = 256;
/// The longest a worker sleeps, so that it is seen to live.
const NAP_MAX: Duration = Duration::from_millis(500);

/// How soon a lapsed lease is looked at again.
const LEASE_LOOK: SignedDuration = SignedDuration::from_millis(200);

pub(crate) struct Worker {
    shared: Arc<Shared>,
    index: usize,
    sink: SinkId,
    commands: mpsc::UnboundedSender<Command>,
    cells: HashMap<RunId, Cell>,
    plans: HashMap<kernel::VersionId, Arc<Plan>>,
    timers: Timers,
    actions: Vec<Action>,
}

impl Worker {
    pub(crate) fn new(
        shared: Arc<Shared>,
        index: usize,
        sink: SinkId,
        commands: mpsc::UnboundedSender<Command>,
    ) -> Self {
        Self {
            shared,
            index,
            sink,
            commands,
            cells: HashMap::new(),
            plans: HashMap::new(),
            timers: Timers::default(),
            actions: Vec::new(),
        }
    }

    /// Works until the last sender of commands outside is gone and `stop` fires.
    pub(crate) async fn work(
        mut self,
        mut commands: mpsc::UnboundedReceiver<Command>,
        stop: CancellationToken,
    ) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                command = commands.recv() => {
                    let Some(command) = command else { return };
                    self.handle(command);
                    for _ in 0..COMMANDS_AT_ONCE {
                        let Ok(command) = commands.try_recv() else { break };
                        self.handle(command);
                    }
                }
                () = self.nap() => {}
            }
            self.fire_timers();
            self.shared.pulse(self.index);
        }
    }

    #[expect(clippy::disallowed_methods, reason = "sleeps until the next timer; Tick cuts it short")]
    fn nap(&self) -> tokio::time::Sleep {
        let now = self.shared.clock.now();
        let until = self.timers.next().map_or(NAP_MAX, |at| {
            let left = at.duration_since(now).max(SignedDuration::ZERO);
            left.unsigned_abs().min(NAP_MAX)
        });
        tokio::time::sleep(until)
    }

    fn fire_timers(&mut self) {
        let now = self.shared.clock.now();
        while let Some((run, timer)) = self.timers.take_due(now) {
            match timer {
                Timer::Visible => {
                    if let Some(cell) = self.cells.get_mut(&run) {
                        cell.visible = true;
                        self.flush(run);
                    }
                }
                Timer::Lease => self.release(run),
                Timer::Due(activation) => self.feed(run, Input::Due { activation }),
                Timer::Deadline => self.feed(run, Input::TimedOut),
            }
        }
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Start(new) => self.start(*new),
            Command::Adopt(adopted) => self.adopt(*adopted),
            Command::Input(run, input) => self.feed(run, input),
            Command::Flushed(verdicts) => {
                for flushed in verdicts {
                    self.flushed(flushed);
                }
            }
            Command::Signalled(run) => {
                if let Some(seen) = self.cells.get(&run).map(|cell| cell.seen) {
                    self.read_inbox(run, seen);
                }
            }
            Command::Stored(run, stored) => self.stored(run, stored),
            Command::ErrorTold(run) => {
                if let Some(cell) = self.cells.get_mut(&run) {
                    cell.error_told = true;
                    self.flush(run);
                }
            }
            Command::View { workspace, run, reply } => {
                let now = self.shared.clock.now();
                let cell = self.cells.get(&run).filter(|cell| cell.workspace() == workspace);
                let view = cell.map(|cell| RunView::of(&cell.state, now));
                let _ = reply.send(view);
            }
            Command::Answer { workspace, run, node, decision, reply } => {
                let asking = self.asking(workspace, run, &node);
                let _ = reply.send(asking.is_some());
                if let Some(activation) = asking {
                    self.feed(run, Input::Answered { activation, decision });
                }
            }
            Command::Inbox { run, signals, cancel } => self.inbox(run, signals, cancel),
            Command::Tick => {}
        }
    }

    /// The latest activation of a node that asks a person.
    fn asking(&self, workspace: WorkspaceId, run: RunId, node: &str) -> Option<ActivationId> {
        let cell = self.cells.get(&run).filter(|cell| cell.workspace() == workspace)?;
        let nodes = &cell.graph().nodes;
        let activations = &cell.state.activations;
        let asks = |one: &Activation| {
            one.phase == Phase::Asked && &*nodes[one.node as usize].name == node
        };
        activations.iter().rposition(asks).map(|id| id as ActivationId)
    }

    fn start(&mut self, new: NewRun) {
        let NewRun { run, start, parent, answer } = new;
        let plan = self.plan(&start);
        let first = Start {
            trigger: start.trigger as u32,
            items: start.items,
            at: self.shared.clock.now(),
            seed: self.shared.dice.next_u64(),
            test: start.test,
            pins: start.pins,
            answer: start.answer,
            parent,
        };
        let mut journal = Vec::with_capacity(512);
        let record = Record::Started(Box::new(first.clone()));
        wire::write(&record, &[], &mut journal);
        let mut state = RunState::new(run, plan, first);
        state.journal = journal;
        let cell = Cell {
            state,
            epoch: FIRST_EPOCH,
            stage: Stage::New,
            durable: 0,
            seq: 0,
            in_flight: false,
            visible: false,
            held: Vec::new(),
            written: Vec::new(),
            key: start.key,
            answer: Some(answer),
            reply_after: None,
            cancel: CancellationToken::new(),
            seen: 0,
            error_told: false,
            began: self.shared.clock.monotonic(),
        };
        self.insert(cell);
        self.feed(run, Input::Begin);
        if self.cells.contains_key(&run) {
            let soon = SignedDuration::try_from(self.shared.settings.visible_after);
            let at = self.shared.clock.now().saturating_add(soon.unwrap_or_default());
            self.timers.add(at.unwrap_or(Timestamp::MAX), run, Timer::Visible);
        }
    }

    fn plan(&mut self, start: &StartRun) -> Arc<Plan> {
        if let Some(plan) = self.plans.get(&start.graph.version)
            && Arc::ptr_eq(&plan.graph, &start.graph)
        {
            return Arc::clone(plan);
        }
        if self.plans.len() >= PLANS_MAX {
            self.plans.clear();
        }
        let plan = Arc::new(Plan::new(Arc::clone(&start.graph)));
        self.plans.insert(start.graph.version, Arc::clone(&plan));
        plan
    }

    fn adopt(&mut self, adopted: Adopted) {
        let Adopted { state, written, epoch, seq, seen, poison } = adopted;
        let now = self.shared.clock.now();
        let ago = now.duration_since(state.start.at).max(SignedDuration::ZERO).unsigned_abs();
        let run = state.run;
        let cell = Cell {
            durable: state.position,
            epoch,
            stage: Stage::Written,
            seq,
            in_flight: false,
            visible: true,
            held: Vec::new(),
            written,
            key: None,
            answer: None,
            reply_after: None,
            cancel: CancellationToken::new(),
            seen,
            error_told: false,
            began: self.shared.clock.monotonic().saturating_sub(ago),
            state,
        };
        self.insert(cell);
        self.feed(run, poison.map_or(Input::Resume, |problem| Input::Abort { problem }));
        // Its state may already say that it is over: the journal was written, the end was not.
        self.flush(run);
    }

    fn insert(&mut self, cell: Cell) {
        let timeout = cell.graph().settings.timeout.unwrap_or(self.shared.settings.run_timeout);
        let deadline = SignedDuration::try_from(timeout)
            .ok()
            .and_then(|timeout| cell.state.start.at.checked_add(timeout).ok());
        let run = cell.run();
        if let Some(deadline) = deadline
            && cell.graph().settings.timeout.is_some()
        {
            self.timers.add(deadline, run, Timer::Deadline);
        }
        self.cells.insert(run, cell);
        self.shared.live.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    fn remove(&mut self, run: RunId) -> Option<Cell> {
        let cell = self.cells.remove(&run)?;
        cell.cancel.cancel();
        self.shared.live.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        Some(cell)
    }

    /// Feeds an input to a run, and everything that follows at once from it.
    fn feed(&mut self, run: RunId, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let Some(cell) = self.cells.get_mut(&run) else { return };
            let mut actions = std::mem::take(&mut self.actions);
            let now = self.shared.clock.now();
            decide(&mut cell.state, input, now, self.shared.settings.bounds(), &mut actions);
            kernel::fault!("decide.recorded");
            for action in actions.drain(..) {
                self.act(run, action, &mut inputs);
            }
            self.actions = actions;
        }
        self.flush(run);
    }

    fn act(&mut self, run: RunId, action: Action, inputs: &mut VecDeque<Input>) {
        let Some(cell) = self.cells.get_mut(&run) else { return };
        match action {
            Action::Execute { activation } => {
                let work = work(&self.shared, cell, activation, false);
                let slow = work.size() > self.shared.settings.slow_from_items
                    && work.graph.nodes[work.node].prepared.about().effect == node::EffectClass::Pure;
                let (attempt, limit) = (work.attempt, work.cx.timeout);
                let times = Times { began_us: work.began_us, took_us: limit.as_micros() as u64 };
                let future = Box::pin(actor::execute(work));
                let cancel = cell.cancel.clone();
                let expired = actor::timed_out(activation, attempt, limit, times);
                if slow {
                    let task = self.shared.slow.spawn(future);
                    let future = Box::pin(async move {
                        task.await.unwrap_or_else(|_| actor::timed_out(activation, attempt, limit, times))
                    });
                    self.await_later(run, future, limit, expired, cancel);
                } else if let Some(input) = self.try_now(run, future, limit, expired, cancel) {
                    inputs.push_back(input);
                }
            }
            Action::Wake { activation, due } => {
                self.timers.add(due, run, Timer::Due(activation));
            }
            Action::Reply { after } => cell.reply_after = cell.reply_after.or(Some(after)),
            Action::End => cell.cancel.cancel(),
            Action::Perform { after, .. } | Action::Call { after, .. } if after > cell.durable => {
                cell.held.push(action);
            }
            // A member whose lease has lapsed starts nothing that others would do again.
            Action::Perform { .. } if !self.shared.member.may_start_effects() => {
                cell.held.push(action);
                let soon = self.shared.clock.now().saturating_add(LEASE_LOOK);
                self.timers.add(soon.unwrap_or(Timestamp::MAX), run, Timer::Lease);
            }
            Action::Perform { activation, effects, .. } => {
                inputs.extend(self.perform(run, activation, effects));
            }
            Action::Call { activation, workflow, children, wait, .. } => {
                let call = calls::Call { run, activation, workflow, children, wait };
                calls::begin(&self.shared, cell, call, self.commands.clone());
            }
        }
    }

    /// Polls once: most nodes give their result at once and need no task.
    fn try_now(
        &self,
        run: RunId,
        mut future: Pin<Box<dyn Future<Output = Input> + Send>>,
        limit: Duration,
        expired: Input,
        cancel: CancellationToken,
    ) -> Option<Input> {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(input) => Some(input),
            Poll::Pending => {
                self.await_later(run, future, limit, expired, cancel);
                None
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the node's time limit, in real time")]
    fn await_later(
        &self,
        run: RunId,
        future: Pin<Box<dyn Future<Output = Input> + Send>>,
        limit: Duration,
        expired: Input,
        cancel: CancellationToken,
    ) {
        let commands = self.commands.clone();
        tokio::task::spawn_local(async move {
            let input = tokio::select! {
                () = cancel.cancelled() => return,
                result = tokio::time::timeout(limit, future) => result.unwrap_or(expired),
            };
            let _ = commands.send(Command::Input(run, input));
        });
    }

    /// Offers what the run has to say, if nothing of it is on its way.
    fn flush(&mut self, run: RunId) {
        let Some(cell) = self.cells.get_mut(&run) else { return };
        if calls::must_tell_error_workflow(cell) {
            if !cell.in_flight {
                cell.in_flight = true;
                calls::tell_error_workflow(&self.shared, cell, self.commands.clone());
            }
            return;
        }
        match cell.next_op(self.sink) {
            Next::Rest => {}
            Next::Offer(op) => self.offer(run, *op),
            Next::Forget => {
                cell.durable = cell.state.position;
                self.finish(run);
            }
        }
    }

    fn offer(&mut self, run: RunId, op: FlushOp) {
        if op.op.body().len() < kernel::limits::BLOB_FROM_BYTES {
            self.shared.flusher.offer(op);
            return;
        }
        let (shared, commands) = (Arc::clone(&self.shared), self.commands.clone());
        tokio::task::spawn_local(async move {
            let stored = shared.blob_body(op).await.map(Box::new);
            kernel::fault!("blob.written");
            let _ = commands.send(Command::Stored(run, stored));
        });
    }

    fn stored(&mut self, run: RunId, stored: Result<Box<FlushOp>, Problem>) {
        match stored {
            Ok(op) => self.shared.flusher.offer(*op),
            Err(problem) => self.give_up(run, problem),
        }
    }

    fn flushed(&mut self, flushed: Flushed) {
        let Flushed { run, token, outcome } = flushed;
        let Some(cell) = self.cells.get_mut(&run) else { return };
        cell.in_flight = false;
        match outcome {
            Ok(Verdict::Ok { signals }) => {
                cell.durable = token;
                if cell.stage == Stage::Ending {
                    return self.finish(run);
                }
                if signals > cell.seen {
                    self.read_inbox(run, signals);
                }
                self.release(run);
                self.flush(run);
            }
            Ok(Verdict::Moved { signals }) => {
                cell.stage = Stage::Written;
                self.read_inbox(run, signals);
            }
            Ok(Verdict::Duplicate) => self.duplicate(run),
            Ok(Verdict::Lost | Verdict::Fenced) => {
                tracing::warn!(run.id = %run, "the run belongs to somebody else; dropped");
                let detail = "Another member took the run over; it goes on there.";
                self.give_up(run, Problem::new(codes::SERVER_OVERLOADED, detail));
            }
            Err(problem) => self.give_up(run, problem),
        }
    }

    /// Lets go of what waited for the journal.
    fn release(&mut self, run: RunId) {
        let Some(cell) = self.cells.get_mut(&run) else { return };
        cell.answer_if_due();
        let durable = cell.durable;
        let due: Vec<_> = cell
            .held
            .extract_if(.., |action| match action {
                Action::Perform { after, .. } | Action::Call { after, .. } => *after <= durable,
                Action::Execute { .. } | Action::Wake { .. } | Action::Reply { .. } | Action::End => {
                    false
                }
            })
            .collect();
        let mut inputs = VecDeque::new();
        for action in due {
            self.act(run, action, &mut inputs);
        }
        for input in inputs {
            self.feed(run, input);
        }
    }

    fn perform(&mut self, run: RunId, activation: ActivationId, effects: Arc<[Effect]>) -> Option<Input> {
        let cell = self.cells.get_mut(&run)?;
        if cell.state.activations[activation as usize].phase.is_final() {
            return None;
        }
        let work = work(&self.shared, cell, activation, true);
        let (attempt, limit) = (work.attempt, work.cx.timeout);
        let times = Times { began_us: work.began_us, took_us: limit.as_micros() as u64 };
        let expired = actor::timed_out(activation, attempt, limit, times);
        let future = Box::pin(actor::perform(work, effects));
        let cancel = cell.cancel.clone();
        self.try_now(run, future, limit, expired, cancel)
    }

    /// The run is over and that is durable: tell everybody who waits.
    fn finish(&mut self, run: RunId) {
        kernel::fault!("run.ended");
        let Some(mut cell) = self.remove(run) else { return };
        cell.answer_if_due();
        if let Some(parent) = cell.state.start.parent {
            let input = Input::Returned {
                activation: parent.activation,
                child: parent.child,
                result: cell.result(),
            };
            self.shared.send(parent.run, Command::Input(parent.run, input));
        }
    }

    /// The run cannot go on here; what is durable of it will be taken up by recovery.
    fn give_up(&mut self, run: RunId, problem: Problem) {
        tracing::error!(run.id = %run, error.code = %problem.code, "a run was given up: {problem}");
        if let Some(mut cell) = self.remove(run)
            && let Some(answer) = cell.answer.take()
        {
            let _ = answer.send(Err(problem));
        }
    }

    /// The key belongs to an earlier run: its answer is this caller's answer.
    fn duplicate(&mut self, run: RunId) {
        let Some(mut cell) = self.remove(run) else { return };
        let Some(answer) = cell.answer.take() else { return };
        let shared = Arc::clone(&self.shared);
        let (workspace, key) = (cell.workspace(), cell.key.clone().unwrap_or_default());
        let when = cell.state.start.answer;
        tokio::task::spawn_local(async move {
            let told: Result<Answer, Problem> = shared.answer_of_key(workspace, &key, when).await;
            let _ = answer.send(told);
        });
    }

    fn read_inbox(&self, run: RunId, signals: i32) {
        let Some(cell) = self.cells.get(&run) else { return };
        let (shared, commands) = (Arc::clone(&self.shared), self.commands.clone());
        let workspace = cell.workspace();
        tokio::task::spawn_local(async move {
            // An error is the database's: the next verdict says again that there is something.
            if let Ok(cancel) = shared.store.is_cancelled(workspace, run).await {
                let _ = commands.send(Command::Inbox { run, signals, cancel });
            }
        });
    }

    fn inbox(&mut self, run: RunId, signals: i32, cancel: bool) {
        let Some(cell) = self.cells.get_mut(&run) else { return };
        cell.seen = cell.seen.max(signals);
        if cancel {
            self.feed(run, Input::Cancel);
        } else {
            self.flush(run);
        }
    }
}

/// An activation as an actor needs it.
fn work(shared: &Shared, cell: &Cell, id: ActivationId, effect: bool) -> Work {
    let state = &cell.state;
    let activation = &state.activations[id as usize];
    let graph = &state.plan.graph;
    let node = &graph.nodes[activation.node as usize];
    let inputs = if node.execute_once {
        activation.inputs.iter().map(|items| Arc::new(items.iter().take(1).cloned().collect())).collect()
    } else {
        Arc::clone(&activation.inputs)
    };
    let mut open = state.open_items(id);
    if node.execute_once {
        open.truncate(1);
    }
    let idempotency_key = if effect {
        format!("{}:{}:{}:{}", state.run, activation.node, activation.path, activation.ordinal)
    } else {
        String::new()
    };
    let place = u64::from(activation.path) << 32 | u64::from(activation.ordinal);
    let crumb = shared.breadcrumbs.enter(state.run, activation.node, place, activation.attempt);
    let began = shared.clock.monotonic();
    let now = shared.clock.now();
    Work {
        graph: Arc::clone(graph),
        node: activation.node as usize,
        activation: id,
        open,
        attempt: activation.attempt,
        may_retry: node.retry.is_some_and(|retry| activation.attempt < retry.max_attempts),
        pins: state.start.pins,
        items_max: shared.settings.items_per_output_max,
        window: shared.settings.effects_at_once,
        cx: NodeContext {
            scope: Scope {
                workspace: graph.workspace,
                workflow: Arc::clone(&graph.workflow),
                execution: Execution { id: state.run, test: state.start.test },
                now,
                node: activation.node as usize,
                run_index: activation.ordinal,
                inputs: Arc::clone(&inputs),
                sources: Arc::clone(&activation.sources),
                data: Arc::clone(&state.data),
            },
            services: Arc::clone(&shared.services),
            idempotency_key,
            cancel: cell.cancel.clone(),
            timeout: node.timeout.unwrap_or(shared.settings.node_timeout),
        },
        inputs,
        _crumb: crumb,
        began_us: began.saturating_sub(cell.began).as_micros() as u64,
        began,
    }
}
