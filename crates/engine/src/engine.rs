//! The engine of one member: its workers, and the handle everybody else holds.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use kernel::{Clock, Dice, Problem, RunId, WorkspaceId, codes};
use node::Services;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use workflow::Graph;

use crate::breadcrumb::{Breadcrumbs, Suspect};
use crate::calls::{self, Slot};
use crate::cell::AnswerSender;
use crate::command::{Command, NewRun};
use crate::decide::Decision;
use crate::door::{Answer, AnswerWhen, StartRun, Started};
use crate::excess;
use crate::flusher::Flusher;
use crate::load::Loaded;
use crate::member::Member;
use crate::record::Parent;
use crate::settings::Settings;
use crate::statistics::{self, Statistics};
use crate::store::{RunRecord, Store};
use crate::view::{RunView, Shown};
use crate::watch;
use crate::worker::Worker;

/// How long a cancel waits for a run to end that is asleep or that another member has.
const CANCEL_WITHIN: Duration = Duration::from_secs(3);
/// How often it looks.
const CANCEL_LOOK: Duration = Duration::from_millis(100);

/// Finds the graph of a version or of a workflow's published version; see `workflow::Catalog`.
pub trait Graphs: Send + Sync {
    /// The graph of this version.
    fn version(
        &self,
        workspace: WorkspaceId,
        version: kernel::VersionId,
    ) -> BoxFuture<'_, Result<Option<Arc<Graph>>, Problem>>;
    /// The graph of the published version of the workflow with this id or name.
    fn published(
        &self,
        workspace: WorkspaceId,
        workflow: String,
    ) -> BoxFuture<'_, Result<Option<Arc<Graph>>, Problem>>;
}

/// What an engine is made of.
pub struct Parts {
    /// Settings.
    pub settings: Settings,
    /// Makes records durable.
    pub flusher: Flusher,
    /// Reads runs.
    pub store: Store,
    /// Finds graphs.
    pub graphs: Arc<dyn Graphs>,
    /// What nodes may use.
    pub services: Arc<Services>,
    /// This member's lease: without it no effect is started.
    pub member: Member,
    /// Where executing activations leave their crumbs.
    pub breadcrumbs: Arc<Breadcrumbs>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub dice: Arc<dyn Dice>,
}

/// The engine's handle; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) flusher: Flusher,
    pub(crate) store: Store,
    pub(crate) graphs: Arc<dyn Graphs>,
    pub(crate) services: Arc<Services>,
    pub(crate) member: Member,
    pub(crate) breadcrumbs: Arc<Breadcrumbs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dice: Arc<dyn Dice>,
    /// When each worker was last seen to live: milliseconds of the monotonic clock.
    pub(crate) pulses: Vec<AtomicU64>,
    /// Timers of each worker.
    timers: Vec<AtomicUsize>,
    pub(crate) slow: tokio::runtime::Handle,
    pub(crate) statistics: Statistics,
    /// Runs in memory.
    pub(crate) live: AtomicUsize,
    /// Bytes that they hold.
    pub(crate) held_bytes: AtomicUsize,
    /// Places of called runs under way.
    pub(crate) calls: Arc<Semaphore>,
    /// Whether runs of other members are being taken over.
    pub(crate) recovering: AtomicBool,
    /// One token for each node whose effects are being sent.
    pub(crate) effects: TaskTracker,
    workers: Vec<mpsc::UnboundedSender<Command>>,
    closed: AtomicBool,
}

/// The engine's threads; they end when this is dropped or stopped.
pub struct Threads {
    stop: CancellationToken,
    slow: Option<tokio::runtime::Runtime>,
    workers: Vec<std::thread::JoinHandle<()>>,
}

impl Engine {
    /// Starts the workers' threads.
    pub fn launch(parts: Parts) -> std::io::Result<(Self, Threads)> {
        let Parts { settings, flusher, store, graphs, services, member, breadcrumbs, clock, dice } =
            parts;
        let slow = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(settings.slow_threads.max(1))
            .thread_name("flowforge-slow")
            .enable_all()
            .build()?;
        let channels: Vec<_> =
            (0..settings.workers.max(1)).map(|_| mpsc::unbounded_channel()).collect();
        let shared = Arc::new(Shared {
            workers: channels.iter().map(|(sender, _)| sender.clone()).collect(),
            slow: slow.handle().clone(),
            live: AtomicUsize::new(0),
            held_bytes: AtomicUsize::new(0),
            calls: Arc::new(Semaphore::new(settings.calls_max.max(1))),
            recovering: AtomicBool::new(false),
            effects: TaskTracker::new(),
            statistics: Statistics::default(),
            closed: AtomicBool::new(false),
            pulses: channels.iter().map(|_| AtomicU64::new(monotonic_ms(&*clock))).collect(),
            timers: channels.iter().map(|_| AtomicUsize::new(0)).collect(),
            member,
            breadcrumbs,
            settings,
            flusher,
            store,
            graphs,
            services,
            clock,
            dice,
        });
        let stop = CancellationToken::new();
        let mut workers = Vec::new();
        for (index, (sender, receiver)) in channels.into_iter().enumerate() {
            let (shared, stop) = (Arc::clone(&shared), stop.clone());
            let thread = std::thread::Builder::new().name(format!("flowforge-worker-{index}"));
            workers.push(thread.spawn(move || work(shared, index, sender, receiver, stop))?);
        }
        let weak = Arc::downgrade(&shared);
        shared
            .member
            .depend_on(Box::new(move || weak.upgrade().is_none_or(|shared| shared.is_alive())));
        shared.slow.spawn(watch::watch(Arc::downgrade(&shared), stop.clone()));
        shared.slow.spawn(statistics::keep_writing(Arc::downgrade(&shared), stop.clone()));
        Ok((Self { shared }, Threads { stop, slow: Some(slow), workers }))
    }

    /// Lets a run in. It goes on whether or not the answer is waited for.
    ///
    /// Errors: `request.invalid`, `server.overloaded`, `database.unavailable`, `storage.full`; nothing was started then.
    pub fn start(&self, start: StartRun) -> Result<Started, Problem> {
        excess::check_first(&start.items)?;
        self.shared.admit()?;
        let run = self.shared.new_run_id();
        let answer = self.shared.begin(run, start, None, None);
        Ok(Started { run, answer })
    }

    /// Ends a run. Once this has returned the run does not go on, whatever becomes of this process;
    /// one that sleeps, or that another member has, is waited for a few seconds and may be shown as
    /// ended later than that. Errors: `run.not_found`, `run.finished`.
    pub async fn cancel(&self, workspace: WorkspaceId, run: RunId) -> Result<(), Problem> {
        let Some(view) = self.find_run(workspace, run).await? else {
            return Err(not_found(run));
        };
        if view.status.is_final() {
            let detail = format!("Run {run} has {} already.", view.status.as_str());
            return Err(Problem::new(codes::RUN_FINISHED, detail));
        }
        self.shared.cancel(workspace, run).await?;
        let mut look = tokio::time::interval(CANCEL_LOOK);
        for _ in 0..CANCEL_WITHIN.as_millis() / CANCEL_LOOK.as_millis() {
            match self.shared.store.find(workspace, run).await? {
                Some(RunRecord::Live(_)) => look.tick().await,
                Some(RunRecord::Finished(_)) | None => break,
            };
        }
        Ok(())
    }

    /// Says what became of an effect that may have run before a crash; false when the node does not
    /// ask. What was said is durable then; only a process that dies after `Retry`, before the effect
    /// has been answered, asks anew, for it may have happened once more.
    ///
    /// Errors: `server.overloaded` when the run leaves this member meanwhile.
    pub async fn answer(
        &self,
        workspace: WorkspaceId,
        run: RunId,
        node: &str,
        decision: Decision,
    ) -> Result<bool, Problem> {
        let (reply, answered) = oneshot::channel();
        let node = node.to_owned();
        self.shared.send(run, Command::Answer { workspace, run, node, decision, reply });
        answered.await.map_err(|_| {
            let detail = "The run is being taken over by another member; answer again in a moment.";
            overloaded(detail.to_owned())
        })
    }

    /// A run as it is now; `None` if the workspace has no such run (any more).
    pub async fn find_run(
        &self,
        workspace: WorkspaceId,
        run: RunId,
    ) -> Result<Option<RunView>, Problem> {
        self.show_run(workspace, run, Shown::EVERYTHING).await
    }

    /// The same, cut to what shall be shown of it.
    pub async fn show_run(
        &self,
        workspace: WorkspaceId,
        run: RunId,
        shown: Shown,
    ) -> Result<Option<RunView>, Problem> {
        if let Some(view) = self.shared.view_in_memory(workspace, run, shown).await {
            return Ok(Some(view));
        }
        let loaded = self.shared.load(workspace, run).await?;
        Ok(loaded.map(|loaded| RunView::of(&loaded.state, self.shared.clock.now(), shown)))
    }

    /// Takes over the runs of members that are gone and goes on with them; says how many.
    ///
    /// `suspects` were executing when the last process died: each of their runs is taken up alone,
    /// and not at all once it has ended the process three times.
    pub async fn recover(&self, suspects: &[Suspect]) -> Result<usize, Problem> {
        crate::load::recover(&self.shared, suspects).await
    }

    /// Runs in memory.
    pub fn live_runs(&self) -> usize {
        self.shared.live.load(Ordering::Relaxed)
    }

    /// Timers that runs in memory have set.
    pub fn timers(&self) -> usize {
        self.shared.timers.iter().map(|timers| timers.load(Ordering::Relaxed)).sum()
    }

    /// Lets nothing more in, and lets no run send anything more.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::Relaxed);
    }

    /// Waits, once closed, until what is being sent is answered, and says whether that came in time.
    /// The answers are on their way to the journal then.
    pub async fn drain(&self, within: Duration) -> bool {
        self.shared.effects.close();
        let drained = tokio::time::timeout(within, self.shared.effects.wait()).await.is_ok();
        // Whatever the workers were told before this has been dealt with when they reply to it.
        self.shared.missing(Vec::new()).await;
        drained
    }

    /// Makes the workers look at the clock: for tests that move it.
    pub fn tick(&self) {
        for worker in &self.shared.workers {
            let _ = worker.send(Command::Tick);
        }
    }
}

impl Threads {
    /// Ends the threads. What is not durable is taken up by recovery.
    pub fn stop(mut self) {
        self.end();
    }

    /// Waits on a thread of its own: a runtime must not be waited for on a thread of another one, on
    /// which this may be dropped.
    fn end(&mut self) {
        self.stop.cancel();
        let (workers, slow) = (std::mem::take(&mut self.workers), self.slow.take());
        let wait = move || {
            for worker in workers {
                // A worker that panicked has said so in the log.
                let _ = worker.join();
            }
            if let Some(slow) = slow {
                slow.shutdown_timeout(SLOW_WITHIN);
            }
        };
        std::thread::scope(|scope| {
            let _ = scope.spawn(wait).join();
        });
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.end();
    }
}

/// How long work on the slow threads is waited for at the end; it cannot be interrupted.
const SLOW_WITHIN: Duration = Duration::from_secs(1);
/// A worker silent for so long is not alive.
const PULSE_MAX_MS: u64 = 2_000;

fn monotonic_ms(clock: &dyn Clock) -> u64 {
    clock.monotonic().as_millis() as u64
}

fn work(
    shared: Arc<Shared>,
    index: usize,
    sender: mpsc::UnboundedSender<Command>,
    receiver: mpsc::UnboundedReceiver<Command>,
    stop: CancellationToken,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else {
        tracing::error!("a worker's runtime could not be made");
        return;
    };
    let verdicts = sender.clone();
    let sink = shared.flusher.register(Arc::new(move |flushed| {
        let _ = verdicts.send(Command::Flushed(flushed));
    }));
    let local = tokio::task::LocalSet::new();
    let worker = Worker::new(shared, index, sink, sender);
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| {
        local.block_on(&runtime, worker.work(receiver, stop));
    }));
    if ended.is_err() {
        // The panic hook has said where. Nodes' panics never come here, so this is ours: a member
        // without one of its workers would keep that worker's runs from everybody, while a dead one
        // is taken over.
        tracing::error!("a worker panicked; the process ends so that its runs are taken up");
        std::process::abort();
    }
}

impl Shared {
    /// A worker shows that it is alive, and how many timers it has.
    pub(crate) fn pulse(&self, worker: usize, timers: usize) {
        self.timers[worker].store(timers, Ordering::Relaxed);
        self.pulses[worker].store(monotonic_ms(&*self.clock), Ordering::Relaxed);
    }

    fn is_alive(&self) -> bool {
        let now = monotonic_ms(&*self.clock);
        self.pulses
            .iter()
            .all(|pulse| now.saturating_sub(pulse.load(Ordering::Relaxed)) < PULSE_MAX_MS)
    }

    pub(crate) fn new_run_id(&self) -> RunId {
        RunId::new(&*self.clock, &*self.dice)
    }

    /// How many runs may be taken up that are not in memory.
    pub(crate) fn room(&self) -> usize {
        if self.closed.load(Ordering::Relaxed) {
            return 0;
        }
        if self.held_bytes.load(Ordering::Relaxed) >= self.settings.memory_bytes_max {
            return 0;
        }
        self.settings.runs_max.saturating_sub(self.live.load(Ordering::Relaxed))
    }

    /// Whether effects may be sent: not while the member may have been taken for dead, and none anew
    /// once it is about to stop.
    pub(crate) fn may_start_effects(&self) -> bool {
        self.member.may_start_effects() && !self.closed.load(Ordering::Relaxed)
    }

    fn admit(&self) -> Result<(), Problem> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(overloaded("This member is shutting down.".to_owned()));
        }
        let Settings { runs_max, memory_bytes_max, .. } = self.settings;
        if self.live.load(Ordering::Relaxed) >= runs_max {
            return Err(overloaded(format!(
                "{runs_max} runs are in memory (engine.runs_max); try again in a moment."
            )));
        }
        if self.held_bytes.load(Ordering::Relaxed) >= memory_bytes_max {
            return Err(overloaded(format!(
                "The runs in memory hold more than {memory_bytes_max} bytes \
                 (engine.memory_bytes_max); try again in a moment."
            )));
        }
        self.flusher.admission()
    }

    /// Hands a run to its worker.
    pub(crate) fn begin(
        &self,
        run: RunId,
        start: StartRun,
        parent: Option<Parent>,
        slot: Option<Slot>,
    ) -> oneshot::Receiver<Result<Answer, Problem>> {
        let (answer, receiver): (AnswerSender, _) = oneshot::channel();
        self.send(run, Command::Start(Box::new(NewRun { run, start, parent, slot, answer })));
        receiver
    }

    /// Ends a run wherever it is; see [`Engine::cancel`]. Errors: `run.finished`.
    pub(crate) async fn cancel(&self, workspace: WorkspaceId, run: RunId) -> Result<(), Problem> {
        let (ended, durable) = oneshot::channel();
        self.send(run, Command::Cancel { workspace, run, ended });
        match durable.await {
            Ok(()) => Ok(()),
            // Nobody here has it (any more).
            Err(_) => self.store.signal_cancel(workspace, run).await,
        }
    }

    /// The worker of a run follows from the id.
    fn worker_of(&self, run: RunId) -> usize {
        let (_, low) = run.0.as_u64_pair();
        (low % self.workers.len() as u64) as usize
    }

    /// Those of these runs that no worker has.
    pub(crate) async fn missing(&self, runs: Vec<RunId>) -> Vec<RunId> {
        let mut shares = vec![Vec::new(); self.workers.len()];
        for run in runs {
            shares[self.worker_of(run)].push(run);
        }
        let mut missing = Vec::new();
        for (worker, runs) in shares.into_iter().enumerate() {
            let (reply, answer) = oneshot::channel();
            let _ = self.workers[worker].send(Command::Missing { runs, reply });
            missing.extend(answer.await.unwrap_or_default());
        }
        missing
    }

    /// Tells the worker of a run.
    pub(crate) fn send(&self, run: RunId, command: Command) {
        let worker = self.worker_of(run);
        // A closed channel: the member is going down, recovery will see to the run.
        let _ = self.workers[worker].send(command);
    }

    pub(crate) async fn view_in_memory(
        &self,
        workspace: WorkspaceId,
        run: RunId,
        shown: Shown,
    ) -> Option<RunView> {
        let (reply, view) = oneshot::channel();
        self.send(run, Command::View { workspace, run, shown, reply });
        view.await.ok().flatten()
    }

    /// A called workflow's graph and the trigger it is entered by.
    pub(crate) async fn called_graph(
        &self,
        caller: &Graph,
        workflow: &str,
    ) -> Result<(Arc<Graph>, usize), Problem> {
        let missing = || {
            let detail = format!("There is no published workflow \"{workflow}\" to call.");
            Problem::new(codes::WORKFLOW_NOT_PUBLISHED, detail)
        };
        let graph = self.graphs.published(caller.workspace, workflow.to_owned()).await?;
        let graph = graph.ok_or_else(missing)?;
        let trigger = calls::entry(&graph).ok_or_else(|| {
            let detail = format!("The workflow \"{workflow}\" has no trigger to enter by.");
            Problem::new(codes::WORKFLOW_INVALID, detail)
        })?;
        Ok((graph, trigger))
    }

    /// Reads a run from the database.
    pub(crate) fn load(
        &self,
        workspace: WorkspaceId,
        run: RunId,
    ) -> BoxFuture<'_, Result<Option<Loaded>, Problem>> {
        crate::load::load(self, workspace, run).boxed()
    }

    /// The answer of the run that holds a key, once it is due.
    pub(crate) async fn answer_of_key(
        &self,
        workspace: WorkspaceId,
        key: &str,
        when: AnswerWhen,
    ) -> Result<Answer, Problem> {
        crate::load::answer_of_key(self, workspace, key, when).await
    }
}

fn overloaded(detail: String) -> Problem {
    let mut problem = Problem::new(codes::SERVER_OVERLOADED, detail);
    problem.retry_after_ms = Some(1_000);
    problem
}

pub(crate) fn not_found(run: RunId) -> Problem {
    Problem::new(codes::RUN_NOT_FOUND, format!("There is no run {run} in this workspace."))
}
