//! This member of the cluster: its incarnation, its lease, its clock, and the end of others.
//!
//! An incarnation is one life of a process. It joins with open fences, renews its lease each second
//! as long as its own threads are alive, and leaves by fencing itself. Members that stopped renewing
//! are fenced by the others; their runs are taken over in a later step ([`crate::store::Store::take_over`]).
//!
//! Time: [`MemberClock`] is the database's time as learnt from the heartbeats, carried on by the
//! machine's monotonic clock. It never goes back; that the machine's wall clock is wrong or jumps does
//! not matter.

mod clock;
mod heart;
mod watch;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use db::{Backend, Columns, Database, Lane, LaneSettings};
use jiff::Timestamp;
use kernel::{Clock, Dice, MemberId, Problem};
use tokio::sync::Notify;

pub use clock::MemberClock;

use crate::fence::Fence;
use crate::store::members;

/// How often the lease is renewed and the others are looked at.
pub const BEAT: Duration = Duration::from_secs(1);
/// A member whose lease was not renewed for so long starts no more effects.
pub const LEASE: Duration = Duration::from_secs(3);
/// A member that others saw standing still for so long is fenced.
pub const DEAD_AFTER: Duration = Duration::from_secs(5);

/// Who joins.
#[derive(Clone, Debug)]
pub struct Joining {
    /// The same over restarts, and nobody else's: the data directory with what tells it from those at
    /// the same path on other machines.
    pub name: String,
    /// Where other members reach it.
    pub address: Option<String>,
    /// Its roles.
    pub roles: Vec<String>,
    /// Version of the program.
    pub version: String,
    /// Whether no other process can be alive under this name (the data directory's lock is ours):
    /// earlier incarnations of the name are fenced at once instead of being watched.
    pub exclusive: bool,
}

/// This process in the cluster; cheap to clone. When the last handle goes, the heart stops: the others
/// find out by the lease. [`Member::leave`] saves them the wait.
#[derive(Clone)]
pub struct Member {
    shared: Arc<Shared>,
    heart: Arc<Heart>,
}

/// The heartbeat's thread.
struct Heart {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    id: MemberId,
    database: Database,
    clock: Arc<MemberClock>,
    vitals: RwLock<Vec<Vital>>,
    renewed_ms: AtomicU64,
    fenced: AtomicBool,
    reaped: AtomicU64,
    leaving: AtomicBool,
    leave: Notify,
}

/// Tells whether a part of the process is alive.
pub type Vital = Box<dyn Fn() -> bool + Send + Sync>;

impl Member {
    /// Registers a new incarnation with open fences, fences its predecessors (see
    /// [`Joining::exclusive`]), and starts the heartbeat's thread.
    ///
    /// # Errors
    /// `database.unavailable`; `internal` when the operating system gives no thread.
    pub async fn join(
        database: Database,
        joining: Joining,
        clock: Arc<dyn Clock>,
        dice: Arc<dyn Dice>,
    ) -> Result<Self, Problem> {
        let id = MemberId::new(&*clock, &*dice);
        let lane = Lane::new(database.clone(), lane_settings());
        let fences = Fence::ALL.map(Fence::number).to_vec();
        let Joining { name, address, roles, version, exclusive } = joining;
        let sent = clock.monotonic();
        let row = lane
            .query(&members::JOIN, &[&id.0, &name, &address, &roles, &version, &fences])
            .await?
            .into_iter()
            .next()
            .ok_or_else(Problem::internal)?;
        let now: Timestamp = row.try_get(0).map_err(db::Error::from)?;
        let clock = Arc::new(MemberClock::new(clock));
        clock.learn(sent, now);
        let shared = Arc::new(Shared {
            id,
            database,
            renewed_ms: AtomicU64::new(millis(sent)),
            clock,
            vitals: RwLock::default(),
            fenced: AtomicBool::new(false),
            reaped: AtomicU64::new(0),
            leaving: AtomicBool::new(false),
            leave: Notify::new(),
        });
        if exclusive {
            for (other, other_name, _) in others(&lane, id).await? {
                if other_name == name {
                    tracing::info!(member.id = %other, "an earlier life of this member is over");
                    fence(&shared.database, &lane, other).await?;
                    shared.reaped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        let thread = {
            let shared = shared.clone();
            let body = move || heart::beat(&shared);
            std::thread::Builder::new().name("heartbeat".to_owned()).spawn(body)
        };
        let thread = thread.map_err(|error| {
            tracing::error!(error.cause = %error, "no thread for the heartbeat");
            Problem::internal()
        })?;
        let heart = Heart { shared: shared.clone(), thread: Mutex::new(Some(thread)) };
        Ok(Self { shared, heart: Arc::new(heart) })
    }

    /// This incarnation.
    pub fn id(&self) -> MemberId {
        self.shared.id
    }

    /// The member's time.
    pub fn clock(&self) -> Arc<MemberClock> {
        self.shared.clock.clone()
    }

    /// From now on the lease is renewed only while this too says that it is alive.
    pub fn depend_on(&self, vital: Vital) {
        self.shared.vitals.write().unwrap_or_else(PoisonError::into_inner).push(vital);
    }

    /// Whether new effects may be started: the lease was renewed less than [`LEASE`] ago, counted
    /// from before the renewal was sent.
    pub fn may_start_effects(&self) -> bool {
        let renewed = Duration::from_millis(self.shared.renewed_ms.load(Ordering::Relaxed));
        !self.is_fenced() && self.shared.clock.monotonic().saturating_sub(renewed) < LEASE
    }

    /// Whether this incarnation was declared dead.
    pub fn is_fenced(&self) -> bool {
        self.shared.fenced.load(Ordering::Relaxed)
    }

    /// How many other incarnations this one has fenced: when it grows there may be runs to take over.
    pub fn reaped(&self) -> u64 {
        self.shared.reaped.load(Ordering::Relaxed)
    }

    /// Stops the heartbeat and fences itself, so that nobody has to wait for its death. Call it when
    /// nothing is in flight any more.
    ///
    /// # Errors
    /// `database.unavailable`: others will find out by the lease.
    pub async fn leave(&self) -> Result<(), Problem> {
        self.halt().await;
        let lane = Lane::new(self.shared.database.clone(), lane_settings());
        fence(&self.shared.database, &lane, self.shared.id).await
    }

    /// Stops the heartbeat and gives nothing up, as a crash would.
    pub async fn halt(&self) {
        self.heart.stop();
        let thread = self.heart.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the heartbeat's thread ended by a panic");
            }
        }
    }
}

impl Heart {
    fn stop(&self) {
        self.shared.leaving.store(true, Ordering::Release);
        self.shared.leave.notify_one();
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The incarnations besides `me` that may still write: id, name, lease counter.
async fn others(lane: &Lane, me: MemberId) -> Result<Vec<(MemberId, String, i64)>, Problem> {
    let rows = lane.query(&members::OTHERS, &[&me.0]).await?;
    let others = rows
        .iter()
        .map(|row| Ok((MemberId(row.column("id")?), row.column("name")?, row.column("lease")?)))
        .collect::<Result<_, db::Error>>()?;
    Ok(others)
}

/// Closes an incarnation's fences. When one of its statements stands in the way for half a second,
/// its noted backends are ended.
///
/// Meanwhile the closing waits already, in front of whatever a member that still lives sends after
/// its backends are gone: it opens new connections at once, and would win again and again.
pub(crate) async fn fence(
    database: &Database,
    lane: &Lane,
    member: MemberId,
) -> Result<(), Problem> {
    let mut beside = None;
    for _ in 0..FENCE_ATTEMPTS_MAX {
        let id: db::Parameters<'_> = &[&member.0];
        let closing = lane.query(&members::FENCE, id);
        let closed = match &beside {
            None => closing.await,
            Some(beside) => {
                let (closed, ended) = tokio::join!(closing, end_backends(database, beside, member));
                closed.and_then(|rows| ended.map(|()| rows))
            }
        };
        match closed {
            Ok(_) => return Ok(()),
            Err(db::Error::Timeout | db::Error::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
        beside.get_or_insert_with(|| Lane::new(database.clone(), lane_settings()));
    }
    Err(db::Error::Timeout.into())
}

/// Ends the backends that an incarnation has noted, each as soon as it can be.
async fn end_backends(database: &Database, lane: &Lane, member: MemberId) -> Result<(), db::Error> {
    let rows = lane.query(&members::BACKENDS, &[&member.0]).await?;
    let backends = rows
        .iter()
        .map(|row| Ok(Backend { pid: row.column("pid")?, started_at: row.column("started_at")? }))
        .collect::<Result<Vec<_>, db::Error>>()?;
    let end = |backend: Backend| async move {
        if !database.terminate(backend, Duration::from_secs(2)).await? {
            tracing::warn!(db.pid = backend.pid, "a dead member's backend does not end");
        }
        Ok::<_, db::Error>(())
    };
    futures::future::try_join_all(backends.into_iter().map(end)).await?;
    Ok(())
}

const FENCE_ATTEMPTS_MAX: u32 = 20;

fn lane_settings() -> LaneSettings {
    let mut lane = crate::store::lane_settings("member");
    lane.settings.push(("lock_timeout", "500ms".to_owned()));
    lane
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
