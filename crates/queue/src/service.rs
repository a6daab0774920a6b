//! Enqueuing, claiming, completing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use db::{Columns, Database, Lane, LaneSettings, Row, Tx};
use jiff::Timestamp;
use kernel::{Clock, MemberId, Problem, WorkspaceId};
use tokio::sync::RwLock;
use uuid::Uuid;

use crate::model::{Held, Job, NewJob, Priority};
use crate::{CLAIM_MAX, ENQUEUE_MAX, FENCE, store};

/// How far behind the last claimed job a scan begins: a transaction that enqueued before it and
/// committed after it is found at once when it took less than this, else by the next full scan.
const SCAN_LAG: Duration = Duration::from_millis(250);
/// How often a scan begins at the very front.
const FULL_SCAN_EVERY: Duration = Duration::from_secs(5);

/// Adds jobs to a lane of the transaction's workspace; they exist when it commits. Gives the ids of
/// those that were added (a taken key: not). At most [`ENQUEUE_MAX`] jobs.
///
/// # Errors
/// Those of the database; a lane's name has 1 to 64 bytes.
pub async fn enqueue(
    tx: &mut Tx,
    lane: &str,
    priority: Priority,
    jobs: &[NewJob],
) -> Result<Vec<Uuid>, db::Error> {
    let columns = NewColumns::of(jobs)?;
    let rows = tx
        .query(
            &store::ENQUEUE,
            &[
                &lane,
                &priority.number(),
                &columns.run_at,
                &columns.id,
                &columns.kind,
                &columns.key,
                &columns.payload,
            ],
        )
        .await?;
    rows.iter().map(|row| row.try_get(0).map_err(db::Error::from)).collect()
}

/// The queue as one member works on it; cheap to clone. One connection as `forge_engine`.
#[derive(Clone)]
pub struct Queue {
    lane: Lane,
    member: MemberId,
    clock: Arc<dyn Clock>,
    hands: Arc<Mutex<Hands>>,
    /// Held shared by claims, alone while unknown batches are given back: a batch whose claim is
    /// under way is not known yet, and is not unknown either.
    claims: Arc<RwLock<()>>,
}

/// What this member holds and where it looked last.
#[derive(Default)]
struct Hands {
    batches: HashMap<i64, OpenBatch>,
    last_batch: i64,
    /// Where the scan of a lane's priorities begins.
    marks: HashMap<String, Marks>,
    /// An answer to a claim was lost: the database may hold batches for us that we do not know.
    uncertain: bool,
}

struct OpenBatch {
    left: usize,
    done: Vec<bool>,
    keyed: bool,
}

/// What jobs that were just done mean for their batches.
#[derive(Default)]
struct Settled {
    /// Batches that are complete now.
    whole: Vec<i64>,
    /// Positions in batches that are not.
    partial: Vec<(i64, Vec<i32>)>,
    /// Whether any of the complete batches has keys.
    keyed: bool,
}

/// A claim under way. Unless it is settled, the database may hold a batch that nobody here knows of:
/// its answer was lost, or whoever asked went away.
struct Doubt<'a> {
    hands: &'a Mutex<Hands>,
    is_settled: bool,
}

impl<'a> Doubt<'a> {
    fn new(hands: &'a Mutex<Hands>) -> Self {
        Self { hands, is_settled: false }
    }

    fn settle(mut self) {
        self.is_settled = true;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.hands.lock().unwrap_or_else(PoisonError::into_inner).uncertain = true;
        }
    }
}

#[derive(Clone, Copy)]
struct Marks {
    after: [(Timestamp, Uuid); 3],
    scanned_at: Duration,
}

impl Queue {
    /// The queue for an incarnation whose fences are open. Connects when first used, on the current
    /// runtime.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new(database: Database, member: MemberId, clock: Arc<dyn Clock>) -> Self {
        let lane = Lane::new(database, lane_settings()).ending_lost();
        Self { lane, member, clock, hands: Arc::default(), claims: Arc::default() }
    }

    /// Adds jobs to a lane of any workspace, for the program itself; says how many (a taken key or
    /// an id that is there already: not). At most [`ENQUEUE_MAX`].
    pub async fn enqueue(
        &self,
        workspace: WorkspaceId,
        lane: &str,
        priority: Priority,
        jobs: &[NewJob],
    ) -> Result<u64, Problem> {
        let columns = NewColumns::of(jobs)?;
        let priority = priority.number();
        let parameters: [&(dyn db::ToSql + Sync); 8] = [
            &workspace.0,
            &lane,
            &priority,
            &columns.run_at,
            &columns.id,
            &columns.kind,
            &columns.payload,
            &columns.key,
        ];
        let added = if columns.key.iter().any(Option::is_some) {
            self.lane.execute(&store::ADD_KEYED, &parameters).await?
        } else {
            self.lane.execute(&store::ADD, &parameters[..7]).await?
        };
        Ok(added)
    }

    /// Takes up to `n` due jobs of a lane ([`CLAIM_MAX`] at most), high priorities first. Empty when
    /// none are due, or when this member is fenced.
    pub async fn claim(&self, lane: &str, n: u32) -> Result<Vec<Job>, Problem> {
        self.return_unknown().await?;
        let _claiming = self.claims.read().await;
        let doubt = Doubt::new(&self.hands);
        let (batch, marks) = self.begin_claim(lane);
        let priorities = Priority::ALL.map(Priority::number).to_vec();
        let (at, id): (Vec<_>, Vec<_>) = marks.after.into_iter().unzip();
        let limit = i64::from(n.min(CLAIM_MAX));
        let rows = self
            .lane
            .query(
                &store::CLAIM,
                &[&self.member.0, &FENCE, &lane, &priorities, &at, &id, &limit, &batch],
            )
            .await?;
        let jobs = self.end_claim(lane, batch, &rows)?;
        doubt.settle();
        Ok(jobs)
    }

    /// Says that jobs are done. Idempotent; jobs this member does not hold are ignored.
    pub async fn complete(&self, jobs: &[Held]) -> Result<(), Problem> {
        let mut parts: HashMap<i64, Vec<i32>> = HashMap::new();
        for held in jobs {
            parts.entry(held.batch).or_default().push(held.position);
        }
        let Settled { whole, partial, keyed } = self.settle(parts);
        self.end(&whole, keyed).await?;
        for (batch, positions) in partial {
            let parameters: db::Parameters<'_> = &[&self.member.0, &FENCE, &batch, &positions];
            self.lane.query(&store::MARK_DONE, parameters).await?;
        }
        Ok(())
    }

    /// Puts a job this member holds back to wait until `at`, with so many attempts counted.
    pub async fn retry(&self, job: &Job, at: Timestamp, attempts: i16) -> Result<(), Problem> {
        let Held { batch, position } = job.held;
        let parameters: db::Parameters<'_> =
            &[&self.member.0, &FENCE, &batch, &position, &at, &attempts];
        self.lane.execute(&store::RETRY, parameters).await?;
        self.leave(job.held).await
    }

    /// Gives a job this member holds up for good: it becomes a dead letter with the problem as its
    /// reason, and its key is free.
    pub async fn bury(&self, job: &Job, attempts: i16, problem: &Problem) -> Result<(), Problem> {
        let Held { batch, position } = job.held;
        // No text of PostgreSQL holds a NUL; a reason with one would be refused each time.
        let (code, reason) = (problem.code.to_string(), problem.detail.replace('\0', "\u{fffd}"));
        let parameters: db::Parameters<'_> =
            &[&self.member.0, &FENCE, &batch, &position, &attempts, &code, &reason];
        self.lane.execute(&store::BURY, parameters).await?;
        self.leave(job.held).await
    }

    /// A job left its batch, which the database knows already; the last one ends the batch.
    async fn leave(&self, held: Held) -> Result<(), Problem> {
        let settled = self.settle(HashMap::from([(held.batch, vec![held.position])]));
        self.end(&settled.whole, settled.keyed).await
    }

    /// Ends batches all of whose jobs are done.
    async fn end(&self, whole: &[i64], keyed: bool) -> Result<(), Problem> {
        if whole.is_empty() {
            return Ok(());
        }
        let whole = whole.to_vec();
        let parameters: db::Parameters<'_> = &[&self.member.0, &FENCE, &whole, &keyed];
        self.lane.query(&store::COMPLETE, parameters).await?;
        let mut hands = self.hands();
        whole.iter().for_each(|batch| {
            hands.batches.remove(batch);
        });
        Ok(())
    }

    /// Puts jobs of fenced members back to waiting; says how many. Repeat until it finds none.
    pub async fn return_lost(&self) -> Result<i64, Problem> {
        let batches = 20_i64;
        let parameters: db::Parameters<'_> = &[&self.member.0, &FENCE, &batches];
        let row = self.lane.query_opt(&store::RETURN_LOST, parameters).await?;
        Ok(row.map_or(Ok(0), |row| row.column("count"))?)
    }

    /// How many jobs wait in a lane, counted up to `most`.
    pub async fn waiting(&self, lane: &str, most: i64) -> Result<i64, Problem> {
        let row = self.lane.query_opt(&store::WAITING, &[&lane, &most]).await?;
        Ok(row.map_or(Ok(0), |row| row.column("count"))?)
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives back what a claim took whose answer did not come. The claim is over by now, one way or
    /// the other: it went before this on the same connection, or the lane has ended its backend.
    async fn return_unknown(&self) -> Result<(), Problem> {
        if !self.hands().uncertain {
            return Ok(());
        }
        let _alone = self.claims.write().await;
        let known: Vec<i64> = self.hands().batches.keys().copied().collect();
        let parameters: db::Parameters<'_> = &[&self.member.0, &FENCE, &known];
        self.lane.query(&store::RETURN_UNKNOWN, parameters).await?;
        self.hands().uncertain = false;
        Ok(())
    }

    fn begin_claim(&self, lane: &str) -> (i64, Marks) {
        let now = self.clock.monotonic();
        let front = Marks { after: [(EARLIEST, Uuid::nil()); 3], scanned_at: now };
        let mut hands = self.hands();
        hands.last_batch += 1;
        let batch = hands.last_batch;
        let marks = match hands.marks.get(lane) {
            Some(marks) if now.saturating_sub(marks.scanned_at) < FULL_SCAN_EVERY => *marks,
            _ => front,
        };
        if !hands.marks.contains_key(lane) || marks.scanned_at == now {
            hands.marks.insert(lane.to_owned(), marks);
        }
        (batch, marks)
    }

    fn end_claim(&self, lane: &str, batch: i64, rows: &[Row]) -> Result<Vec<Job>, db::Error> {
        let mut jobs = Vec::with_capacity(rows.len());
        let mut keyed = false;
        let mut latest: [Option<Timestamp>; 3] = [None; 3];
        for row in rows {
            let priority: i16 = row.column("priority")?;
            if let Some(slot) = latest.get_mut(usize::from(priority.unsigned_abs())) {
                *slot = (*slot).max(Some(row.column("run_at")?));
            }
            keyed |= row.column::<bool>("keyed")?;
            jobs.push(Job {
                held: Held { batch, position: row.column("position")? },
                id: row.column("id")?,
                workspace: WorkspaceId(row.column("workspace_id")?),
                kind: row.column("kind")?,
                attempts: row.column("attempts")?,
                payload: Bytes::copy_from_slice(row.column("payload")?),
            });
        }
        if jobs.is_empty() {
            return Ok(jobs);
        }
        let mut hands = self.hands();
        hands
            .batches
            .insert(batch, OpenBatch { left: jobs.len(), done: vec![false; jobs.len()], keyed });
        if let Some(marks) = hands.marks.get_mut(lane) {
            for (mark, latest) in marks.after.iter_mut().zip(latest) {
                let behind = latest.and_then(|at| at.checked_sub(SCAN_LAG).ok());
                if let Some(behind) = behind.filter(|behind| *behind > mark.0) {
                    *mark = (behind, Uuid::nil());
                }
            }
        }
        Ok(jobs)
    }

    /// Notes what is done now.
    fn settle(&self, parts: HashMap<i64, Vec<i32>>) -> Settled {
        let mut hands = self.hands();
        let mut settled = Settled::default();
        for (number, positions) in parts {
            let Some(batch) = hands.batches.get_mut(&number) else { continue };
            for position in &positions {
                let done = usize::try_from(position - 1).ok().and_then(|at| batch.done.get_mut(at));
                if let Some(done) = done.filter(|done| !**done) {
                    *done = true;
                    batch.left -= 1;
                }
            }
            if batch.left == 0 {
                settled.keyed |= batch.keyed;
                settled.whole.push(number);
            } else {
                settled.partial.push((number, positions));
            }
        }
        settled
    }
}

/// Before every job.
const EARLIEST: Timestamp = Timestamp::UNIX_EPOCH;

/// New jobs as arrays.
struct NewColumns<'a> {
    id: Vec<Uuid>,
    kind: Vec<&'a str>,
    key: Vec<Option<&'a str>>,
    run_at: Vec<Option<Timestamp>>,
    payload: Vec<&'a [u8]>,
}

impl<'a> NewColumns<'a> {
    fn of(jobs: &'a [NewJob]) -> Result<Self, db::Error> {
        if jobs.len() > ENQUEUE_MAX {
            return Err(db::Error::Data(format!("more than {ENQUEUE_MAX} jobs in one enqueue")));
        }
        Ok(Self {
            id: jobs.iter().map(|job| job.id).collect(),
            kind: jobs.iter().map(|job| job.kind.as_str()).collect(),
            key: jobs.iter().map(|job| job.key.as_deref()).collect(),
            run_at: jobs.iter().map(|job| job.run_at).collect(),
            payload: jobs.iter().map(|job| &job.payload[..]).collect(),
        })
    }
}

/// Plans from the order of the index, whatever the statistics say of a table that is empty in one
/// minute and large in the next.
fn lane_settings() -> LaneSettings {
    let settings = [
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_bitmapscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("jit", "off"),
        ("lock_timeout", "5s"),
        ("statement_timeout", "30s"),
    ];
    LaneSettings {
        name: "jobs".to_owned(),
        settings: settings.map(|(name, value)| (name, value.to_owned())).to_vec(),
    }
}
