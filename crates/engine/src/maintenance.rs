//! Maintenance: what the engine's tables need besides being written.
//!
//! Partitions are made days ahead and dropped whole when their time is over; keys of runs and blobs
//! expire; every few seconds a slice of the live runs is checked against the invariant "somebody owns
//! it, or something will wake it". Each step may be repeated, interrupted, or done by two members at
//! once.

use std::time::Duration;

use db::{Columns, Database, Lane, LaneSettings, Session};
use jiff::Timestamp;
use kernel::Problem;
use queue::Queue;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::flusher::columns::{Day, Micros};
use crate::store::{blobs, counts, marks, members, upkeep};

/// Partitions exist for so many days ahead.
pub const DAYS_AHEAD: i32 = 7;
/// A key of a run stays taken for so long after its start, and as long as the run lives; the answer
/// to a call's idempotency key is kept as long.
pub const KEYS_KEPT: Duration = Duration::from_secs(24 * 3600);
/// Runs are counted by the minute for so long.
pub const MINUTES_KEPT: Duration = Duration::from_secs(3 * 86_400);
/// Runs are counted by the hour for so long.
pub const HOURS_KEPT: Duration = Duration::from_secs(400 * 86_400);
/// Rows of members that are gone are kept for so long.
const MEMBERS_KEPT: Duration = Duration::from_secs(24 * 3600);
/// Pages of keys looked at in one step: 8 MiB.
const KEY_PAGES: i64 = 1_024;
/// Answers to idempotency keys deleted in one statement, and statements in one step.
const ANSWERS: i64 = 5_000;
const ANSWER_STEPS_MAX: usize = 20;
/// Blobs deleted in one statement, and statements in one step: 10 000 blobs a minute.
const BLOBS: i64 = 100;
const BLOB_STEPS_MAX: usize = 100;
/// Live runs checked in one step.
const SWEEP_RUNS: i64 = 5_000;

/// How often each step is due.
const PARTITIONS_EVERY: Duration = Duration::from_secs(3600);
const EXPIRY_EVERY: Duration = Duration::from_secs(60);
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// How often the loop looks whether a step is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What one tick did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Partitions made.
    pub partitions_made: i32,
    /// Partitions dropped.
    pub partitions_dropped: usize,
    /// Keys of runs removed.
    pub keys_expired: u64,
    /// Answers to idempotency keys removed.
    pub answers_expired: u64,
    /// Chunks of blobs removed.
    pub chunks_expired: u64,
    /// Runs that nothing would have woken.
    pub runs_repaired: i64,
    /// Jobs of dead members put back.
    pub jobs_returned: i64,
}

/// The maintenance of one member.
pub struct Maintenance {
    database: Database,
    lane: Lane,
    queue: Queue,
    progress: Mutex<Progress>,
}

/// Where each walk stands and when each step was done last.
#[derive(Default)]
struct Progress {
    partitions_at: Option<Timestamp>,
    expiry_at: Option<Timestamp>,
    sweep_at: Option<Timestamp>,
    key_page: i64,
    mark_page: i64,
    swept: (Uuid, Uuid),
}

impl Maintenance {
    /// Maintenance of a database, with the queue whose lost jobs it puts back. Connects when first
    /// used, on the current runtime.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new(database: Database, queue: Queue) -> Self {
        let lane = Lane::new(database.clone(), lane_settings());
        Self { database, lane, queue, progress: Mutex::default() }
    }

    /// Looks every second whether something is due, until told to stop. Failures are logged and tried
    /// again.
    pub async fn run(&self, clock: &dyn kernel::Clock, stop: &CancellationToken) {
        loop {
            if let Err(problem) = self.tick(clock.now()).await {
                tracing::warn!(error.code = %problem.code, "maintenance put off");
            }
            if tokio::time::timeout(LOOK_EVERY, stop.cancelled()).await.is_ok() {
                return;
            }
        }
    }

    /// Does what is due at this time. The first tick does everything; it must be over before the
    /// first flush of a day that has no partition yet. A step that fails keeps no other from being
    /// done.
    ///
    /// # Errors
    /// The first step's that failed; its group is due again at the next tick.
    pub async fn tick(&self, now: Timestamp) -> Result<Report, Problem> {
        let mut progress = self.progress.lock().await;
        let mut report = Report::default();
        let mut failed = None;
        if is_due(progress.partitions_at, now, PARTITIONS_EVERY) {
            let mut steps = Steps::default();
            report.partitions_made = steps.add(self.add_partitions(now).await);
            report.partitions_dropped = steps.add(self.drop_expired(now).await);
            steps.add(self.forget_members(now).await);
            steps.add(self.expire_counts(now).await);
            steps.end(&mut progress.partitions_at, now, &mut failed);
        }
        if is_due(progress.expiry_at, now, EXPIRY_EVERY) {
            let mut steps = Steps::default();
            report.keys_expired = steps.add(self.expire_keys(&mut progress.key_page, now).await);
            report.answers_expired = steps.add(self.expire_answers(now).await);
            steps.add(self.expire_marks(&mut progress.mark_page, now).await);
            report.chunks_expired = steps.add(self.expire_blobs(now).await);
            steps.end(&mut progress.expiry_at, now, &mut failed);
        }
        if is_due(progress.sweep_at, now, SWEEP_EVERY) {
            let mut steps = Steps::default();
            report.runs_repaired = steps.add(self.sweep(&mut progress.swept).await);
            report.jobs_returned = steps.add(self.queue.return_lost().await);
            steps.end(&mut progress.sweep_at, now, &mut failed);
        }
        metrics::counter!("flowforge_engine_runs_repaired_total")
            .increment(report.runs_repaired.unsigned_abs());
        failed.map_or(Ok(report), Err)
    }

    async fn add_partitions(&self, now: Timestamp) -> Result<i32, Problem> {
        let owner = self.database.owner().await?;
        let today = Day::of(now);
        let row = owner
            .query_typed_one(
                upkeep::ADD_PARTITIONS.text,
                &[(&today, db::Type::DATE), (&DAYS_AHEAD, db::Type::INT4)],
            )
            .await
            .map_err(db::Error::from)?;
        Ok(row.try_get(0).map_err(db::Error::from)?)
    }

    /// Drops partitions whose time is over. One that somebody reads just now stays until the next
    /// time: nothing here makes a writer wait longer than half a second.
    async fn drop_expired(&self, now: Timestamp) -> Result<usize, Problem> {
        let owner = self.database.owner().await?;
        owner
            .batch_execute("SET lock_timeout = '500ms'; SET statement_timeout = '30s'")
            .await
            .map_err(db::Error::from)?;
        let today = Day::of(now);
        let rows = owner
            .query_typed(upkeep::EXPIRED_PARTITIONS.text, &[(&today, db::Type::DATE)])
            .await
            .map_err(db::Error::from)?;
        let mut dropped = 0;
        for row in &rows {
            let (parent, child): (&str, &str) = (row.column("parent")?, row.column("child")?);
            match drop_partition(&owner, parent, child, row.column("state")?).await {
                Ok(()) => {
                    tracing::info!(db.partition = child, "partition dropped");
                    dropped += 1;
                }
                Err(error) => {
                    let error = db::Error::from(error);
                    tracing::info!(db.partition = child, error.cause = %error, "partition stays");
                }
            }
        }
        Ok(dropped)
    }

    async fn expire_counts(&self, now: Timestamp) -> Result<(), Problem> {
        let kept: db::Parameters<'_> = &[&before(now, MINUTES_KEPT), &before(now, HOURS_KEPT)];
        self.lane.execute(&counts::EXPIRE, kept).await?;
        Ok(())
    }

    async fn forget_members(&self, now: Timestamp) -> Result<(), Problem> {
        self.lane.execute(&members::FORGET, &[&before(now, MEMBERS_KEPT)]).await?;
        Ok(())
    }

    /// Walks on over the table of keys, a piece at a time and round and round.
    async fn expire_keys(&self, page: &mut i64, now: Timestamp) -> Result<u64, Problem> {
        let row = self.lane.query_opt(&upkeep::KEY_PAGES, &[]).await?;
        let pages: i64 = row.map_or(Ok(0), |row| row.try_get(0)).map_err(db::Error::from)?;
        if *page >= pages {
            *page = 0;
        }
        let until = *page + KEY_PAGES;
        let parameters: db::Parameters<'_> = &[&before(now, KEYS_KEPT), &*page, &until];
        let expired = self.lane.execute(&upkeep::EXPIRE_KEYS, parameters).await?;
        *page = until;
        Ok(expired)
    }

    async fn expire_answers(&self, now: Timestamp) -> Result<u64, Problem> {
        let mut expired = 0;
        for _ in 0..ANSWER_STEPS_MAX {
            let parameters: db::Parameters<'_> = &[&before(now, KEYS_KEPT), &ANSWERS];
            let some = self.lane.execute(&function::EXPIRE_KEYS, parameters).await?;
            expired += some;
            if some < ANSWERS.unsigned_abs() {
                break;
            }
        }
        Ok(expired)
    }

    /// The same over labels and failures, side by side.
    async fn expire_marks(&self, page: &mut i64, now: Timestamp) -> Result<(), Problem> {
        let row = self.lane.query_opt(&marks::PAGES, &[]).await?;
        let pages: i64 = row.map_or(Ok(0), |row| row.column("pages"))?;
        if *page >= pages {
            *page = 0;
        }
        let until = *page + KEY_PAGES;
        let parameters: db::Parameters<'_> = &[&Day::of(now), &*page, &until];
        for statement in [&marks::EXPIRE_LABELS, &marks::EXPIRE_FAILURES] {
            self.lane.execute(statement, parameters).await?;
        }
        *page = until;
        Ok(())
    }

    /// A few at a time, so that no statement takes long however large they are, until none is left
    /// or its time is up.
    async fn expire_blobs(&self, now: Timestamp) -> Result<u64, Problem> {
        let mut expired = 0;
        for _ in 0..BLOB_STEPS_MAX {
            let some = self.lane.execute(&blobs::EXPIRE, &[&Micros::of(now), &BLOBS]).await?;
            expired += some;
            if some < BLOBS.unsigned_abs() {
                break;
            }
        }
        Ok(expired)
    }

    /// Checks the next slice of live runs; begins again at the first after the last.
    async fn sweep(&self, swept: &mut (Uuid, Uuid)) -> Result<i64, Problem> {
        let parameters: db::Parameters<'_> = &[&swept.0, &swept.1, &SWEEP_RUNS];
        let Some(row) = self.lane.query_opt(&upkeep::SWEEP, parameters).await? else {
            return Ok(0);
        };
        let (seen, repaired): (i64, i64) = (row.column("seen")?, row.column("repaired")?);
        *swept = match (row.column("last_workspace")?, row.column("last_run")?) {
            (Some(workspace), Some(run)) if seen == SWEEP_RUNS => (workspace, run),
            _ => (Uuid::nil(), Uuid::nil()),
        };
        if repaired > 0 {
            tracing::warn!(runs.repaired = repaired, "runs that nothing would have woken");
        }
        Ok(repaired)
    }
}

/// Steps that are due together: each is done whatever became of the others.
#[derive(Default)]
struct Steps {
    failed: Option<Problem>,
}

impl Steps {
    /// What a step did; nothing, if it failed.
    fn add<T: Default>(&mut self, step: Result<T, Problem>) -> T {
        step.unwrap_or_else(|problem| {
            self.failed.get_or_insert(problem);
            T::default()
        })
    }

    /// They are done until they are due again, unless one has failed.
    fn end(self, done_at: &mut Option<Timestamp>, now: Timestamp, first: &mut Option<Problem>) {
        match self.failed {
            None => *done_at = Some(now),
            Some(problem) => {
                first.get_or_insert(problem);
            }
        }
    }
}

async fn drop_partition(
    owner: &Session,
    parent: &str,
    child: &str,
    state: &str,
) -> Result<(), tokio_postgres::Error> {
    for step in upkeep::drop_partition(parent, child, state) {
        // Each for itself: detaching concurrently does not work inside of a transaction.
        owner.batch_execute(&step).await?;
    }
    Ok(())
}

fn is_due(last: Option<Timestamp>, now: Timestamp, every: Duration) -> bool {
    last.is_none_or(|last| {
        // A clock that was set back makes everything due.
        now < last || now.duration_since(last).unsigned_abs() >= every
    })
}

fn before(now: Timestamp, span: Duration) -> Micros {
    Micros::of(now.checked_sub(span).unwrap_or(Timestamp::UNIX_EPOCH))
}

fn lane_settings() -> LaneSettings {
    crate::store::lane_settings("maintenance")
}
