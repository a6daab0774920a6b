//! A worker: a thread that owns runs, feeds them what happens and does what follows.
//!
//! A run stays on one worker from its start to its end. Work that gives its result at once is done
//! in place; work that waits becomes a task of this thread; pure work on many items goes to the slow
//! threads. The worker never waits for the database: verdicts come back as commands.

mod act;
mod durable;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kernel::{RunId, WorkspaceId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::cell::{Cell, Stage};
use crate::command::{Adopted, Command, NewRun};
use crate::decide::{Action, Input, decide};
use crate::door::{RunStatus, StartRun};
use crate::engine::Shared;
use crate::flusher::{FIRST_EPOCH, SinkId};
use crate::plan::Plan;
use crate::record::{ActivationId, Record, Start};
use crate::repeat;
use crate::state::{Activation, Phase, RunState};
use crate::timers::{Timer, Timers};
use crate::view::RunView;
use crate::wire;

/// Plans kept for the versions a worker has run lately.
const PLANS_MAX: usize = 1_000;
/// Commands handled before tasks of the thread get their turn.
const COMMANDS_AT_ONCE: usize = 256;
/// Inputs that follow from one another before other runs and the worker's pulse get their turn.
const INPUTS_AT_ONCE: usize = 256;
/// How soon a run is looked at again that could not be moved to today's journal segment.
const RENEW_LOOK: SignedDuration = SignedDuration::from_secs(10);
/// The longest a worker sleeps, so that it is seen to live.
const NAP_MAX: Duration = Duration::from_millis(500);

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
            self.shared.pulse(self.index, self.timers.len());
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "sleeps until the next timer; Tick cuts it short"
    )]
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
                        self.set_long_timers(run);
                        self.flush(run);
                    }
                }
                Timer::Lease => self.release(run),
                Timer::Renew => self.renew(run, now),
                Timer::Due(activation) => self.feed(run, Input::Due { activation }),
                Timer::Deadline => self.feed(run, Input::TimedOut),
            }
        }
    }

    /// Moves a run to today's journal segment, or looks again soon: something of it may be on its way.
    fn renew(&mut self, run: RunId, now: Timestamp) {
        self.flush(run);
        let Some(cell) = self.cells.get(&run) else { return };
        let soon = now.saturating_add(RENEW_LOOK).unwrap_or(Timestamp::MAX);
        self.timers.add(cell.renew_at().max(soon), run, Timer::Renew);
    }

    /// Sets what lies hours ahead; runs that end at once never come here.
    fn set_long_timers(&mut self, run: RunId) {
        let Some(cell) = self.cells.get(&run) else { return };
        for (at, timer) in cell.long_timers(self.shared.settings.run_timeout) {
            self.timers.add(at, run, timer);
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
            Command::Cancel { workspace, run, ended } => {
                let cell = self.cells.get_mut(&run).filter(|cell| cell.workspace() == workspace);
                if let Some(cell) = cell {
                    cell.cancellers.push(ended);
                    self.feed(run, Input::Cancel);
                }
            }
            Command::ErrorTold(run) => self.told(run, |cell| cell.error_told = true),
            Command::ReadBack(run, written) => self.read_back(run, written),
            Command::OrphansCancelled(run) => self.told(run, |cell| cell.orphans_told = true),
            Command::View { workspace, run, shown, reply } => {
                let now = self.shared.clock.now();
                let cell = self.cells.get(&run).filter(|cell| cell.workspace() == workspace);
                let view = cell.map(|cell| {
                    let mut view = RunView::of(&cell.state, now, shown);
                    if view.status.is_final() {
                        // Its end is not durable yet: it would have gone.
                        (view.status, view.error) = (RunStatus::Running, None);
                    }
                    view
                });
                let _ = reply.send(view);
            }
            Command::Look { workspace, run, look } => {
                let cell = self.cells.get(&run).filter(|cell| cell.workspace() == workspace);
                if let Some(cell) = cell {
                    look(&cell.state);
                }
            }
            Command::Answer { workspace, run, node, decision, reply } => {
                let Some(activation) = self.asking(workspace, run, &node) else {
                    let _ = reply.send(false);
                    return;
                };
                self.feed(run, Input::Answered { activation, decision });
                if let Some(cell) = self.cells.get_mut(&run) {
                    cell.answered.push((cell.state.position, reply));
                    self.release(run);
                }
            }
            Command::Missing { mut runs, reply } => {
                runs.retain(|run| !self.cells.contains_key(run));
                let _ = reply.send(runs);
            }
            Command::Inbox { run, signals, cancel } => self.inbox(run, signals, cancel),
            Command::Tick => {}
        }
    }

    /// Somebody has been told of a run's end, which waited for that.
    fn told(&mut self, run: RunId, note: impl FnOnce(&mut Cell)) {
        if let Some(cell) = self.cells.get_mut(&run) {
            note(cell);
            cell.in_flight = false;
            self.flush(run);
        }
    }

    /// The latest activation of a node that asks a person.
    fn asking(&self, workspace: WorkspaceId, run: RunId, node: &str) -> Option<ActivationId> {
        let cell = self.cells.get(&run).filter(|cell| cell.workspace() == workspace)?;
        let nodes = &cell.graph().nodes;
        let activations = &cell.state.activations;
        let asks =
            |one: &Activation| one.phase == Phase::Asked && &*nodes[one.node as usize].name == node;
        activations.iter().rposition(asks).map(|id| id as ActivationId)
    }

    fn start(&mut self, new: NewRun) {
        let NewRun { run, mut start, parent, slot, answer } = new;
        start.labels.extend(&start.graph.settings.labels);
        let prelude = std::mem::take(&mut start.prelude);
        let plan = self.plan(&start);
        let first = Start {
            trigger: start.trigger as u32,
            items: start.items,
            at: self.shared.clock.now(),
            seed: self.shared.dice.next_u64(),
            test: start.test,
            pins: start.pins,
            answer: start.answer,
            key: start.key,
            trace: start.trace,
            origin: start.origin,
            labels: start.labels,
            parent,
        };
        let mut journal = Vec::with_capacity(512);
        let record = Record::Started(Box::new(first.clone()));
        wire::write(&record, &[], &mut journal);
        let mut state = RunState::new(run, plan, first);
        state.bytes = journal.len();
        state.journal = journal;
        repeat::begin_with(&mut state, prelude);
        let cell = Cell {
            segment_at: state.start.at,
            state,
            epoch: FIRST_EPOCH,
            stage: Stage::New,
            durable: 0,
            counted_bytes: 0,
            seq: 0,
            in_flight: false,
            visible: false,
            held: Vec::new(),
            written: Some(Vec::new()),
            answer: Some(answer),
            reply_after: None,
            cancellers: Vec::new(),
            answered: Vec::new(),
            cancel: CancellationToken::new(),
            seen: 0,
            error_told: false,
            orphans_told: false,
            slot,
            deferred: Vec::new(),
            successor: None,
            began: self.shared.clock.monotonic(),
        };
        self.insert(cell);
        kernel::fault!("run.started");
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
        if let Some(cell) = self.cells.get_mut(&adopted.state.run) {
            if cell.stage == Stage::Parking {
                // It has been, then: the verdict is on its way.
                cell.successor = Some(Box::new(adopted));
            }
            return;
        }
        let Adopted { state, written, epoch, seq, segment_at, seen, woken, cancel, poison } =
            adopted;
        let now = self.shared.clock.now();
        let ago = now.duration_since(state.start.at).max(SignedDuration::ZERO).unsigned_abs();
        let run = state.run;
        let cell = Cell {
            durable: state.position,
            counted_bytes: 0,
            epoch,
            stage: Stage::Written,
            seq,
            segment_at,
            in_flight: false,
            visible: true,
            held: Vec::new(),
            written: Some(written),
            answer: None,
            reply_after: None,
            cancellers: Vec::new(),
            answered: Vec::new(),
            cancel: CancellationToken::new(),
            seen,
            error_told: false,
            orphans_told: false,
            slot: None,
            deferred: Vec::new(),
            successor: None,
            began: self.shared.clock.monotonic().saturating_sub(ago),
            state,
        };
        self.insert(cell);
        self.set_long_timers(run);
        self.feed(
            run,
            match (poison, cancel) {
                (Some(problem), _) => Input::Abort { problem },
                (None, true) => Input::Cancel,
                (None, false) if woken => Input::Woken,
                (None, false) => Input::Resume,
            },
        );
        // Its state may already say that it is over: the journal was written, the end was not.
        self.flush(run);
    }

    fn insert(&mut self, cell: Cell) {
        let run = cell.run();
        self.cells.insert(run, cell);
        self.shared.live.fetch_add(1, Ordering::Relaxed);
    }

    fn remove(&mut self, run: RunId) -> Option<Cell> {
        let cell = self.cells.remove(&run)?;
        self.timers.forget(run);
        self.shared.held_bytes.fetch_sub(cell.counted_bytes, Ordering::Relaxed);
        cell.cancel.cancel();
        self.shared.live.fetch_sub(1, Ordering::Relaxed);
        Some(cell)
    }

    /// Feeds an input to a run, and what follows at once from it: a loop without an end does not
    /// keep the thread.
    fn feed(&mut self, run: RunId, input: Input) {
        if let Some(cell) = self.cells.get_mut(&run).filter(|cell| cell.stage == Stage::Parking) {
            cell.deferred.push(input);
            return;
        }
        let mut inputs = VecDeque::from([input]);
        for _ in 0..INPUTS_AT_ONCE {
            let Some(input) = inputs.pop_front() else { break };
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
        if let Some(cell) = self.cells.get_mut(&run) {
            cell.give_up_slot();
            let more = cell.state.bytes - cell.counted_bytes;
            cell.counted_bytes += more;
            self.shared.held_bytes.fetch_add(more, Ordering::Relaxed);
        }
        for input in inputs {
            let _ = self.commands.send(Command::Input(run, input));
        }
        self.flush(run);
    }
}
