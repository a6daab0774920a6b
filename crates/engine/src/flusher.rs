//! The flusher: group commit of the records of every run of this member.
//!
//! Workers [`Flusher::offer`] operations; a thread of its own gathers them and sends one
//! autocommit statement at a time for each [`Lane`]. It flushes at once when idle and gathers while a
//! flush is in flight; nothing waits for a timer. Every statement proves by the fence of this
//! incarnation that it may still write, and answers a [`Verdict`] for each run.
//!
//! Verdicts of one flush reach each worker in one call of its sink.
//!
//! Invariants: an operation is written once or not at all, whatever happens to the connection; a
//! verdict is given only after the commit is known; operations of one run are written in the order
//! they were offered in; one bad operation fails alone.
//!
//! What it does not do: merge operations of one run (the run's worker holds its records until the
//! verdict of the operation before), read state, or decide.

pub(crate) mod columns;
mod failure;
mod lane;
mod op;
mod queue;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use db::Database;
use kernel::{Clock, Dice, MemberId, Problem, codes};
use tokio::sync::Notify;

pub(crate) use columns::kept_days;
use failure::Obstacle;
use lane::LaneLoop;
pub use op::{FIRST_EPOCH, FlushOp, Flushed, Lane, Marks, Op, Outcome, SinkId, Verdict};
use queue::{Load, Queue};

/// Receives the verdicts of one flush for one worker. Called on the flusher's thread: it must only
/// hand over.
pub type Sink = Arc<dyn Fn(Vec<Flushed>) + Send + Sync>;

/// Limits of the flusher.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Operations in one flush. Cost per record hardly falls beyond 100, latency grows.
    pub records_max: usize,
    /// Bytes of bodies in one flush, unless a single operation is larger.
    pub bytes_max: usize,
    /// From so many operations waiting on, no new runs are let in.
    pub queue_records_max: usize,
    /// From so many bytes waiting on, no new runs are let in.
    pub queue_bytes_max: usize,
    /// How long a flush may go unanswered before its connection is taken for dead. A stalled disk
    /// is no reason to hurry.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            records_max: 200,
            bytes_max: 1024 * 1024,
            queue_records_max: 20_000,
            queue_bytes_max: 256 * 1024 * 1024,
            patience: Duration::from_secs(60),
        }
    }
}

/// Handle of the flusher; cheap to clone. The last one dropped does not end it: [`Flusher::close`].
#[derive(Clone)]
pub struct Flusher {
    shared: Arc<Shared>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// What handle, lanes and pulse share.
struct Shared {
    database: Database,
    incarnation: MemberId,
    settings: Settings,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
    sinks: RwLock<Vec<Sink>>,
    queues: [Queue; 2],
    load: Load,
    gate: AtomicU8,
    fenced: AtomicBool,
    closed: AtomicBool,
    abandoned: AtomicBool,
    abandon: Notify,
    pulse_ms: AtomicU64,
}

const OPEN: u8 = 0;
const DATABASE_AWAY: u8 = 1;
const DISK_FULL: u8 = 2;

impl Flusher {
    /// Starts the thread. The incarnation's fences must be registered
    /// ([`crate::member::Member::join`]); connections are made when first needed.
    ///
    /// # Errors
    /// `internal` when the operating system gives no thread.
    pub fn start(
        database: Database,
        incarnation: MemberId,
        settings: Settings,
        clock: Arc<dyn Clock>,
        dice: Arc<dyn Dice>,
    ) -> Result<Self, Problem> {
        let shared = Arc::new(Shared {
            database,
            incarnation,
            settings,
            pulse_ms: AtomicU64::new(millis(clock.monotonic())),
            clock,
            dice,
            sinks: RwLock::default(),
            queues: Default::default(),
            load: Load::default(),
            gate: AtomicU8::new(OPEN),
            fenced: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            abandon: Notify::new(),
        });
        let thread = {
            let shared = shared.clone();
            let body = move || work(&shared);
            std::thread::Builder::new().name("flusher".to_owned()).spawn(body).map_err(|error| {
                tracing::error!(error.cause = %error, "no thread for the flusher");
                Problem::internal()
            })?
        };
        Ok(Self { shared, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Adds a receiver of verdicts; one per worker, for the life of the flusher, at most 65 536.
    pub fn register(&self, sink: Sink) -> SinkId {
        let mut sinks = self.shared.sinks.write().unwrap_or_else(PoisonError::into_inner);
        sinks.push(sink);
        SinkId(u16::try_from(sinks.len() - 1).expect("a member has few workers"))
    }

    /// Queues an operation. It never blocks and never refuses: what may be let in is asked before,
    /// by [`Flusher::admission`], and runs that are in may always finish.
    pub fn offer(&self, op: FlushOp) {
        self.shared.load.add(&op);
        self.shared.queue(op.lane).offer(op);
    }

    /// Whether new runs may be let in: an error while the queue is full (`server.overloaded`), the
    /// database away (`database.unavailable`) or its disk full (`storage.full`).
    pub fn admission(&self) -> Result<(), Problem> {
        let shared = &self.shared;
        match shared.gate.load(Ordering::Relaxed) {
            DATABASE_AWAY => return Err(Obstacle::Database.problem()),
            DISK_FULL => return Err(Obstacle::DiskFull.problem()),
            _ => {}
        }
        if self.is_fenced() || shared.is_closed() {
            return Err(leaving());
        }
        let full = shared.load.records() >= shared.settings.queue_records_max
            || shared.load.bytes() >= shared.settings.queue_bytes_max;
        if full { Err(overloaded()) } else { Ok(()) }
    }

    /// Whether [`Flusher::admission`] would let a run in.
    pub fn admitting(&self) -> bool {
        self.admission().is_ok()
    }

    /// Whether this incarnation was found fenced: nothing can be written any more.
    pub fn is_fenced(&self) -> bool {
        self.shared.fenced.load(Ordering::Relaxed)
    }

    /// The monotonic time (of the clock given at start) at which the thread last showed that it is
    /// alive; it does so four times a second, also while waiting for the database.
    pub fn pulse(&self) -> Duration {
        Duration::from_millis(self.shared.pulse_ms.load(Ordering::Relaxed))
    }

    /// Operations between offer and verdict.
    pub fn waiting(&self) -> usize {
        self.shared.load.records()
    }

    /// Lets no more runs in, waits until everything offered has its verdict, and ends the thread.
    /// After `within` it gives up on what is left (verdict: `database.unavailable`). Blocks.
    pub fn close(&self, within: Duration) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.queues.iter().for_each(Queue::nudge);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        let deadline = self.shared.clock.monotonic() + within;
        while !thread.is_finished() && self.shared.clock.monotonic() < deadline {
            std::thread::park_timeout(Duration::from_millis(2));
        }
        self.shared.abandoned.store(true, Ordering::Release);
        self.shared.abandon.notify_waiters();
        if thread.is_finished() {
            let _panicked = thread.join();
        }
    }
}

impl Shared {
    fn queue(&self, lane: Lane) -> &Queue {
        match lane {
            Lane::Strict => &self.queues[0],
            Lane::Relaxed => &self.queues[1],
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    fn obstruct(&self, obstacle: Obstacle) {
        let gate = match obstacle {
            Obstacle::Database => DATABASE_AWAY,
            Obstacle::DiskFull => DISK_FULL,
        };
        if self.gate.swap(gate, Ordering::Relaxed) != gate {
            tracing::warn!(?obstacle, "no new runs until records can be written again");
        }
    }

    fn clear(&self) {
        if self.gate.load(Ordering::Relaxed) != OPEN {
            self.gate.store(OPEN, Ordering::Relaxed);
            tracing::info!("records are written again");
        }
    }

    /// Hands the outcomes of a batch out, one call for each worker concerned.
    fn deliver(&self, batch: Vec<FlushOp>, outcomes: Vec<Result<Verdict, Problem>>) {
        self.load.remove(&batch);
        let sinks = self.sinks.read().unwrap_or_else(PoisonError::into_inner);
        let mut mail: Vec<Vec<Flushed>> = vec![Vec::new(); sinks.len()];
        for (op, outcome) in batch.iter().zip(outcomes) {
            if outcome == Ok(Verdict::Fenced) && !self.fenced.swap(true, Ordering::Relaxed) {
                tracing::error!(member.id = %self.incarnation, "this member was declared dead");
            }
            if let Some(mail) = mail.get_mut(usize::from(op.sink.0)) {
                mail.push(Flushed::of(op, outcome));
            }
        }
        for (sink, mail) in sinks.iter().zip(mail) {
            if !mail.is_empty() {
                sink(mail);
            }
        }
    }
}

/// The thread: both lanes and the pulse on one runtime.
fn work(shared: &Arc<Shared>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(error.cause = %error, "no event loop for the flusher");
            return;
        }
    };
    runtime.block_on(async {
        let lanes = Lane::ALL.map(|lane| LaneLoop::new(lane, shared.clone()).run());
        tokio::select! {
            _ = futures::future::join_all(lanes) => {}
            () = pulse(shared) => {}
        }
    });
}

/// Shows that the thread is alive.
async fn pulse(shared: &Shared) {
    let mut ticks = tokio::time::interval(Duration::from_millis(250));
    loop {
        ticks.tick().await;
        shared.pulse_ms.store(millis(shared.clock.monotonic()), Ordering::Relaxed);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn overloaded() -> Problem {
    let detail = "Too many records wait to be written; try again in a second.";
    let mut problem = Problem::new(codes::SERVER_OVERLOADED, detail);
    problem.retry_after_ms = Some(1_000);
    problem
}

fn leaving() -> Problem {
    let detail = "This member is going down; try again, another one will answer.";
    let mut problem = Problem::new(codes::SERVER_OVERLOADED, detail);
    problem.retry_after_ms = Some(1_000);
    problem
}
