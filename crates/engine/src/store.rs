//! The engine's SQL, by noun, and the handle that reads and changes runs outside of the flush.

pub(crate) mod blobs;
pub(crate) mod counts;
pub(crate) mod flush;
pub(crate) mod marks;
pub(crate) mod members;
mod row;
pub(crate) mod runs;
mod search;
pub(crate) mod upkeep;

use std::sync::Arc;

use db::{Columns, Database, Lane, LaneSettings, Statement};
use kernel::{Clock, Dice, MemberId, Problem, RunId, WorkspaceId, codes};
use uuid::Uuid;

pub(crate) use counts::{CountRow, Counted, Counts, Span};
pub use row::{FinishedRun, JournalRow, LiveRun, RunRecord, Signal};
pub use search::{CANDIDATES_MAX, Failure, Found, RunSummary, Search, SearchOrder};

use crate::fence::Fence;
use crate::flusher::columns::Day;

/// Every statement of the engine, for the test that prepares them all.
pub const STATEMENTS: &[&Statement] = &[
    &blobs::ADD_CHUNK,
    &blobs::ADD_SMALL,
    &blobs::BEGIN,
    &blobs::CHUNK,
    &blobs::DROP,
    &blobs::EXPIRE,
    &blobs::FIND,
    &blobs::KEEP,
    &blobs::MOVE_CHUNKS,
    &blobs::SEAL,
    &blobs::TOUCH,
    &counts::ADD,
    &counts::EXPIRE,
    &counts::READ,
    &flush::FLUSH,
    &flush::SETTLE,
    &flush::WHOLE,
    &flush::WHOLE_KEYED,
    &marks::DELETE,
    &marks::EXPIRE_FAILURES,
    &marks::EXPIRE_LABELS,
    &marks::PAGES,
    &members::BACKENDS,
    &members::BEAT,
    &members::FENCE,
    &members::FORGET,
    &members::JOIN,
    &members::NOTE_BACKEND,
    &members::OTHERS,
    &runs::CONSUME,
    &runs::FIND,
    &runs::FIND_KEY,
    &runs::INBOX,
    &runs::JOURNAL,
    &runs::OWNED,
    &runs::SIGNAL,
    &runs::SIGNALLED,
    &runs::TAKE_DUE,
    &runs::TAKE_OVER,
    &search::ALL_NEWEST,
    &search::ALL_OLDEST,
    &search::FAILURES_NEWEST,
    &search::FAILURES_OLDEST,
    &search::LABEL_NEWEST,
    &search::LABEL_OLDEST,
    &upkeep::ADD_PARTITIONS,
    &upkeep::EXPIRED_PARTITIONS,
    &upkeep::EXPIRE_KEYS,
    &upkeep::KEY_PAGES,
    &upkeep::SWEEP,
];

/// Kind of the signal that asks a run to stop.
pub const CANCEL: &str = "cancel";

/// Journal rows fetched at a time.
const JOURNAL_PAGE: i64 = 1_000;

/// Runs as they stand in the database; cheap to clone. Two pipelined connections as
/// `forge_engine`.
#[derive(Clone)]
pub struct Store {
    lane: Lane,
    /// What people look through: however long that takes, no run waits behind it.
    looks: Lane,
    member: MemberId,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
}

impl Store {
    /// The store as seen by this incarnation. Connects when first used, on the current runtime.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new(
        database: Database,
        member: MemberId,
        clock: Arc<dyn Clock>,
        dice: Arc<dyn Dice>,
    ) -> Self {
        let lane = Lane::new(database.clone(), lane_settings("runs"));
        let looks = Lane::new(database, lane_settings("looks"));
        Self { lane, looks, member, clock, dice }
    }

    /// A run of the workspace, live or finished, in one statement.
    pub async fn find(
        &self,
        workspace: WorkspaceId,
        run: RunId,
    ) -> Result<Option<RunRecord>, Problem> {
        let born = Day::of_run(run);
        let row = self.lane.query_opt(&runs::FIND, &[&workspace.0, &run.0, &born]).await?;
        Ok(row.as_ref().map(row::record).transpose()?)
    }

    /// The journal of a live run after its checkpoint, in order.
    pub async fn journal(&self, run: &LiveRun) -> Result<Vec<JournalRow>, Problem> {
        let mut journal: Vec<JournalRow> = Vec::new();
        loop {
            let after = journal.last().map_or(run.base_seq, |row| row.seq);
            let rows = self
                .lane
                .query(
                    &runs::JOURNAL,
                    &[&run.segment, &run.workspace.0, &run.run.0, &after, &JOURNAL_PAGE],
                )
                .await?;
            for row in &rows {
                journal.push(JournalRow { seq: row.column("seq")?, body: row::body(row)? });
            }
            if rows.len() < JOURNAL_PAGE as usize {
                return Ok(journal);
            }
        }
    }

    /// The run that holds a key in a workspace.
    pub async fn find_key(
        &self,
        workspace: WorkspaceId,
        key: &str,
    ) -> Result<Option<RunId>, Problem> {
        let row = self.lane.query_opt(&runs::FIND_KEY, &[&workspace.0, &key]).await?;
        Ok(row.map(|row| row.column("run_id").map(RunId)).transpose()?)
    }

    /// Takes over up to `limit` runs whose owners are fenced; their epoch is one higher now. Repeat
    /// until it finds none. Empty too when this incarnation is itself fenced.
    pub async fn take_over(&self, limit: u32) -> Result<Vec<LiveRun>, Problem> {
        self.take(&runs::TAKE_OVER, limit).await
    }

    /// Takes up to `limit` parked runs whose time has come or that were signalled.
    pub async fn take_due(&self, limit: u32) -> Result<Vec<LiveRun>, Problem> {
        self.take(&runs::TAKE_DUE, limit).await
    }

    async fn take(&self, statement: &Statement, limit: u32) -> Result<Vec<LiveRun>, Problem> {
        let (fence, limit) = (Fence::Taker.number(), i64::from(limit));
        let rows = self.lane.query(statement, &[&self.member.0, &fence, &limit]).await?;
        Ok(rows.iter().map(row::live).collect::<Result<_, _>>()?)
    }

    /// The live runs this incarnation owns.
    pub async fn owned(&self) -> Result<Vec<(WorkspaceId, RunId)>, Problem> {
        self.pairs(&runs::OWNED, "id").await
    }

    /// Runs of this incarnation that have something in their inbox.
    pub async fn signalled(&self) -> Result<Vec<(WorkspaceId, RunId)>, Problem> {
        self.pairs(&runs::SIGNALLED, "run_id").await
    }

    async fn pairs(
        &self,
        statement: &Statement,
        run: &str,
    ) -> Result<Vec<(WorkspaceId, RunId)>, Problem> {
        let rows = self.lane.query(statement, &[&self.member.0]).await?;
        let pairs = rows
            .iter()
            .map(|row| Ok((WorkspaceId(row.column("workspace_id")?), RunId(row.column(run)?))))
            .collect::<Result<_, db::Error>>()?;
        Ok(pairs)
    }

    /// Sends a signal to a live run, wherever it is. The owner finds it in its inbox within half a
    /// second; a parked run is woken.
    ///
    /// # Errors
    /// `run.finished` when there is no such live run.
    pub async fn signal(
        &self,
        workspace: WorkspaceId,
        run: RunId,
        kind: &str,
        body: &[u8],
    ) -> Result<(), Problem> {
        let id = kernel::id::uuid_v7(&*self.clock, &*self.dice);
        let row =
            self.lane.query_opt(&runs::SIGNAL, &[&workspace.0, &run.0, &id, &kind, &body]).await?;
        match row {
            Some(_) => Ok(()),
            None => Err(Problem::new(codes::RUN_FINISHED, format!("Run {run} has ended already."))),
        }
    }

    /// Asks a live run to stop. Errors as [`Store::signal`].
    pub async fn signal_cancel(&self, workspace: WorkspaceId, run: RunId) -> Result<(), Problem> {
        self.signal(workspace, run, CANCEL, &[]).await
    }

    /// Whether the run's inbox asks it to stop.
    pub async fn is_cancelled(&self, workspace: WorkspaceId, run: RunId) -> Result<bool, Problem> {
        let inbox = self.inbox(workspace, run).await?;
        Ok(inbox.iter().any(|signal| signal.kind == CANCEL))
    }

    /// What the run's inbox holds, oldest first.
    pub async fn inbox(&self, workspace: WorkspaceId, run: RunId) -> Result<Vec<Signal>, Problem> {
        let rows = self.lane.query(&runs::INBOX, &[&workspace.0, &run.0]).await?;
        Ok(rows.iter().map(row::signal).collect::<Result<_, _>>()?)
    }

    /// Removes signals that the run's durable journal contains.
    pub async fn consume(
        &self,
        workspace: WorkspaceId,
        run: RunId,
        signals: &[Uuid],
    ) -> Result<(), Problem> {
        self.lane.execute(&runs::CONSUME, &[&workspace.0, &run.0, &signals]).await?;
        Ok(())
    }
}

/// Plans that go from the parameters into the keys, in the order of the keys, whatever the statistics
/// say of tables that are empty in one minute and large in the next: a plan is kept as long as its
/// connection, and one that gathers and sorts would do so when there are millions.
pub const PLANNER: [(&str, &str); 7] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_sort", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

/// Settings of a lane of this name.
pub(crate) fn lane_settings(name: &str) -> LaneSettings {
    let limits = [("lock_timeout", "5s"), ("statement_timeout", "30s")];
    let settings = PLANNER.into_iter().chain(limits);
    LaneSettings {
        name: name.to_owned(),
        settings: settings.map(|(name, value)| (name, value.to_owned())).collect(),
    }
}
