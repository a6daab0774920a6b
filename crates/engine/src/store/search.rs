//! Finding runs by what they are found by.
//!
//! One of three indexes gives candidates in the order of their ids: all runs of the workspace, those
//! with a label, those that did not succeed. Each candidate is looked up and compared with the rest of
//! what is asked. A search never looks at more than [`CANDIDATES_MAX`] of them: where few fit, it
//! answers those it found and where to go on.

use db::{Columns, Row, Statement, sql};
use jiff::{SignedDuration, Timestamp};
use kernel::{Problem, RunId, VersionId, WorkflowId, WorkspaceId};
use uuid::Uuid;

use super::{Store, row};
use crate::door::RunStatus;
use crate::flusher::columns::Micros;

/// Candidates one search looks at.
pub const CANDIDATES_MAX: usize = 20_000;
/// Candidates looked at in one statement when not every one of the first fits.
const CANDIDATES_AT_ONCE: usize = 1_000;
/// A run starts at most so long after its id was made.
const ID_AGE_MAX: SignedDuration = SignedDuration::from_mins(1);

/// Which runs.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Of this workflow.
    pub workflow: Option<WorkflowId>,
    /// In one of these states; empty: any.
    pub states: Vec<RunStatus>,
    /// With all of these labels.
    pub labels: Vec<String>,
    /// With this in the code, the node or the text of what made it fail, whatever its case.
    pub error: Option<String>,
    /// Started then or later.
    pub since: Option<Timestamp>,
    /// Started before.
    pub before: Option<Timestamp>,
    /// Where an earlier page ended.
    pub after_run: Option<RunId>,
    /// Oldest or newest first.
    pub order: SearchOrder,
}

/// Order of runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SearchOrder {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The runs, at most as many as asked for.
    pub runs: Vec<RunSummary>,
    /// Where to go on; `None`: that was all.
    pub next: Option<RunId>,
}

/// One line of a list of runs.
#[derive(Clone, Debug)]
pub struct RunSummary {
    /// The run.
    pub run: RunId,
    /// Its workflow.
    pub workflow: WorkflowId,
    /// The version.
    pub version: VersionId,
    /// State.
    pub status: RunStatus,
    /// Birth.
    pub started_at: Timestamp,
    /// End.
    pub finished_at: Option<Timestamp>,
    /// What it is found by.
    pub labels: Vec<String>,
    /// Why it did not succeed.
    pub failure: Option<Failure>,
}

/// Why a run did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A code of the table.
    pub code: String,
    /// What was wrong; perhaps cut.
    pub detail: String,
    /// The node.
    pub node: Option<String>,
}

/// Candidates from the pieces of `$driver`, in the order of their ids, each with what it is compared by. `$2` and
/// `$3`: ids between which to look; `$4`: how many; `$5` workflow, `$6` states, `$7` labels, `$8` text,
/// each a filter unless null; `$9`: the label to go by; `$10` and `$11`: whether live and finished runs
/// are wanted; `$12`: started then or later; `$13`: started before. The limit of the failure keeps it a
/// look by the run's own key: without it all of the workspace's may be read for a join.
macro_rules! search {
    ($name:literal, $order:literal, $($driver:literal),+) => {
        sql!(
            $name,
            reads(runs, history, run_labels, run_failures),
            (
                UUID,
                UUID,
                UUID,
                INT8,
                UUID,
                TEXT_ARRAY,
                TEXT_ARRAY,
                TEXT,
                TEXT,
                BOOL,
                BOOL,
                TIMESTAMPTZ,
                TIMESTAMPTZ
            ),
            concat!(
                "WITH seen AS MATERIALIZED (",
                $($driver,)+
                " ORDER BY run_id ",
                $order,
                " LIMIT $4)
SELECT s.run_id, r.workflow_id, r.version_id, r.state, r.started_at, r.finished_at,
    ARRAY(SELECT l.label FROM forge.run_labels l
        WHERE l.workspace_id = $1 AND l.run_id = s.run_id ORDER BY l.label) AS labels,
    f.code, f.node, f.detail,
    r.state IS NOT NULL AND ($5::uuid IS NULL OR r.workflow_id = $5)
        AND ($12::timestamptz IS NULL OR r.started_at >= $12)
        AND ($13::timestamptz IS NULL OR r.started_at < $13)
        AND ($6::text[] IS NULL OR r.state = ANY ($6))
        AND ($7::text[] IS NULL OR cardinality($7) = (SELECT count(*) FROM forge.run_labels l
            WHERE l.workspace_id = $1 AND l.run_id = s.run_id AND l.label = ANY ($7)))
        AND ($8::text IS NULL OR (f.code IS NOT NULL
            AND strpos(lower(concat_ws(' ', f.code, f.node, f.detail)), $8) > 0)) AS fits
FROM seen s
LEFT JOIN LATERAL (
    SELECT workflow_id, version_id, state, started_at, NULL::timestamptz AS finished_at
    FROM forge.runs WHERE workspace_id = $1 AND id = s.run_id
    UNION ALL
    SELECT workflow_id, version_id, state, started_at, finished_at FROM forge.history
    WHERE workspace_id = $1 AND run_id = s.run_id AND class = s.class AND day = s.day
) r ON true
LEFT JOIN LATERAL (
    SELECT code, node, detail FROM forge.run_failures
    WHERE workspace_id = $1 AND run_id = s.run_id LIMIT 1
) f ON true
ORDER BY s.run_id ",
                $order
            ),
        )
    };
}

/// Live and finished runs each come in order and no more than wanted, so that what is put in order
/// together is little: the planner would gather and sort a union as a whole.
macro_rules! by_all {
    ($name:literal, $order:literal) => {
        search!(
            $name,
            $order,
            "SELECT * FROM (
    (SELECT id AS run_id, NULL::int2 AS class, NULL::date AS day FROM forge.runs
    WHERE workspace_id = $1 AND id > $2 AND id < $3 AND $10 ORDER BY id ",
            $order,
            " LIMIT $4)
    UNION ALL
    (SELECT run_id, class, day FROM forge.history
    WHERE workspace_id = $1 AND run_id > $2 AND run_id < $3 AND $11 ORDER BY run_id ",
            $order,
            " LIMIT $4)
) run"
        )
    };
}

macro_rules! by_label {
    ($name:literal, $order:literal) => {
        search!(
            $name,
            $order,
            "SELECT run_id, class, day FROM forge.run_labels
    WHERE workspace_id = $1 AND label = $9 AND run_id > $2 AND run_id < $3"
        )
    };
}

macro_rules! by_failure {
    ($name:literal, $order:literal) => {
        search!(
            $name,
            $order,
            "SELECT run_id, class, day FROM forge.run_failures
    WHERE workspace_id = $1 AND run_id > $2 AND run_id < $3"
        )
    };
}

pub(crate) const ALL_NEWEST: Statement = by_all!("engine.search_all_newest", "DESC");
pub(crate) const ALL_OLDEST: Statement = by_all!("engine.search_all_oldest", "ASC");
pub(crate) const FAILURES_NEWEST: Statement = by_failure!("engine.search_failures_newest", "DESC");
pub(crate) const FAILURES_OLDEST: Statement = by_failure!("engine.search_failures_oldest", "ASC");
pub(crate) const LABEL_NEWEST: Statement = by_label!("engine.search_label_newest", "DESC");
pub(crate) const LABEL_OLDEST: Statement = by_label!("engine.search_label_oldest", "ASC");

impl Search {
    /// The statement whose index leaves the fewest candidates.
    fn statement(&self) -> &'static Statement {
        let newest = self.order == SearchOrder::Newest;
        match () {
            () if !self.labels.is_empty() && newest => &LABEL_NEWEST,
            () if !self.labels.is_empty() => &LABEL_OLDEST,
            () if self.is_about_failures() && newest => &FAILURES_NEWEST,
            () if self.is_about_failures() => &FAILURES_OLDEST,
            () if newest => &ALL_NEWEST,
            () => &ALL_OLDEST,
        }
    }

    fn is_about_failures(&self) -> bool {
        let failed = |state: &RunStatus| matches!(state, RunStatus::Failed | RunStatus::Cancelled);
        self.error.is_some() || (!self.states.is_empty() && self.states.iter().all(failed))
    }

    /// The ids between which to look, both outside. An id is made before its run starts, mostly
    /// moments before, and tells whole milliseconds: each candidate's own time is compared, too.
    fn bounds(&self) -> (Uuid, Uuid) {
        let first = |at: Timestamp| u128::from(at.as_millisecond().max(0).unsigned_abs()) << 80;
        let mut low = self.since.map_or(0, |since| {
            first(since.saturating_sub(ID_AGE_MAX).unwrap_or(Timestamp::MIN)).saturating_sub(1)
        });
        let mut high =
            self.before.map_or(u128::MAX, |before| first(before).saturating_add(1 << 80));
        if let Some(RunId(run)) = self.after_run {
            match self.order {
                SearchOrder::Newest => high = high.min(run.as_u128()),
                SearchOrder::Oldest => low = low.max(run.as_u128()),
            }
        }
        (Uuid::from_u128(low), Uuid::from_u128(high))
    }
}

impl Store {
    /// Looks for runs of a workspace: at most `limit` of them, perhaps fewer although there are more.
    pub async fn search(
        &self,
        workspace: WorkspaceId,
        mut search: Search,
        limit: usize,
    ) -> Result<Found, Problem> {
        let statement = search.statement();
        let wanted = |live: bool| {
            search.states.is_empty() || search.states.iter().any(|one| one.is_final() != live)
        };
        let (live, finished) = (wanted(true), wanted(false));
        let states: Vec<&str> = search.states.iter().map(|state| state.as_str()).collect();
        let states = (!states.is_empty()).then_some(states);
        let labels = (search.labels.len() > 1).then(|| search.labels.clone());
        let label = search.labels.first().cloned();
        let text = search.error.as_ref().map(|text| text.to_lowercase());
        let workflow = search.workflow.map(|workflow| workflow.0);
        let (since, before) = (search.since.map(Micros::of), search.before.map(Micros::of));
        let mut found = Found { runs: Vec::new(), next: None };
        // Where every candidate fits, the first statement is the only one.
        let (mut at_once, mut looked_at) = (limit + 1, 0);
        while looked_at < CANDIDATES_MAX {
            let (low, high) = search.bounds();
            let count = at_once as i64;
            let rows = self
                .looks
                .query(
                    statement,
                    &[
                        &workspace.0,
                        &low,
                        &high,
                        &count,
                        &workflow,
                        &states,
                        &labels,
                        &text,
                        &label,
                        &live,
                        &finished,
                        &since,
                        &before,
                    ],
                )
                .await?;
            for row in &rows {
                if row.column("fits")? {
                    if found.runs.len() == limit {
                        found.next = search.after_run;
                        return Ok(found);
                    }
                    found.runs.push(summary(row)?);
                }
                search.after_run = Some(RunId(row.column("run_id")?));
            }
            found.next = search.after_run;
            if rows.len() < at_once {
                found.next = None;
                break;
            }
            looked_at += rows.len();
            at_once = CANDIDATES_AT_ONCE;
        }
        Ok(found)
    }
}

fn summary(row: &Row) -> Result<RunSummary, db::Error> {
    let code: Option<String> = row.column("code")?;
    let failure = match code.filter(|code| !code.is_empty()) {
        Some(code) => {
            let node: String = row.column("node")?;
            let node = (!node.is_empty()).then_some(node);
            Some(Failure { code, detail: row.column("detail")?, node })
        }
        None => None,
    };
    Ok(RunSummary {
        run: RunId(row.column("run_id")?),
        workflow: WorkflowId(row.column("workflow_id")?),
        version: VersionId(row.column("version_id")?),
        status: row::status(row)?,
        started_at: row.column("started_at")?,
        finished_at: row.column("finished_at")?,
        labels: row.column("labels")?,
        failure,
    })
}
