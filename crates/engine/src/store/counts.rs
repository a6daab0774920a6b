//! Counts of ended runs.

use db::{Columns, Statement, sql};
use jiff::Timestamp;
use kernel::{Problem, WorkflowId, WorkspaceId};
use uuid::Uuid;

use super::Store;
use crate::flusher::columns::Micros;

/// Adds to the counts of many rows, given in the order of the key.
pub(crate) const ADD: Statement = sql!(
    "engine.add_run_counts",
    writes(run_counts),
    (
        UUID_ARRAY,
        UUID_ARRAY,
        INT2_ARRAY,
        TIMESTAMPTZ_ARRAY,
        TEXT_ARRAY,
        INT2_ARRAY,
        INT8_ARRAY,
        INT8_ARRAY
    ),
    "INSERT INTO forge.run_counts AS c
    (workspace_id, workflow_id, span, at, state, slot, runs, took_us)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int2[], $4::timestamptz[], $5::text[], $6::int2[],
    $7::int8[], $8::int8[])
ON CONFLICT (workspace_id, workflow_id, span, at, state, slot)
DO UPDATE SET runs = c.runs + excluded.runs, took_us = c.took_us + excluded.took_us",
);

/// Counts of a workflow (or of all: nil) from `$4` on and before `$5`, put together in buckets of `$6`
/// seconds.
pub(crate) const READ: Statement = sql!(
    "engine.read_run_counts",
    reads(run_counts[workspace_id = $1, workflow_id = $2, span = $3]),
    (UUID, UUID, INT2, TIMESTAMPTZ, TIMESTAMPTZ, INT8),
    "SELECT extract(epoch FROM at)::int8 / $6 * $6 AS bucket, state, slot,
    sum(runs)::int8 AS runs, sum(took_us)::float8 AS took_us
FROM forge.run_counts
WHERE workspace_id = $1 AND workflow_id = $2 AND span = $3 AND at >= $4 AND at < $5
GROUP BY 1, 2, 3 ORDER BY 1",
);

/// Removes counts by minute before `$1` and by hour before `$2`.
pub(crate) const EXPIRE: Statement = sql!(
    "engine.expire_run_counts",
    writes(run_counts),
    (TIMESTAMPTZ, TIMESTAMPTZ),
    "DELETE FROM forge.run_counts
WHERE at < $1 AND (span = 1 OR at < $2)",
);

/// What one row counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// Runs that ended in a minute.
    Minute,
    /// Runs that ended in an hour.
    Hour,
}

impl Span {
    /// Its length.
    pub(crate) const fn minutes(self) -> i16 {
        match self {
            Self::Minute => 1,
            Self::Hour => 60,
        }
    }
}

/// Runs to be added to a row.
pub(crate) struct Counted {
    pub(crate) workspace: Uuid,
    pub(crate) workflow: Uuid,
    pub(crate) span: i16,
    pub(crate) at: Timestamp,
    pub(crate) state: &'static str,
    pub(crate) slot: i16,
    pub(crate) runs: i64,
    pub(crate) took_us: i64,
}

/// Which counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    /// Of this workflow; `None`: of all together.
    pub(crate) workflow: Option<WorkflowId>,
    /// Rows of which length are read.
    pub(crate) span: Span,
    /// From here on.
    pub(crate) from: Timestamp,
    /// To before here.
    pub(crate) to: Timestamp,
    /// Seconds put together.
    pub(crate) bucket_s: i64,
}

/// Runs of one bucket, outcome and slot.
pub(crate) struct CountRow {
    /// Seconds since 1970 at which the bucket begins.
    pub(crate) bucket: i64,
    pub(crate) state: String,
    pub(crate) slot: i16,
    pub(crate) runs: i64,
    pub(crate) took_us: f64,
}

impl Store {
    /// Adds to the counts; the rows stand in the order of their keys.
    pub(crate) async fn add_counts(&self, rows: Vec<Counted>) -> Result<(), Problem> {
        let workspaces: Vec<_> = rows.iter().map(|row| row.workspace).collect();
        let workflows: Vec<_> = rows.iter().map(|row| row.workflow).collect();
        let spans: Vec<_> = rows.iter().map(|row| row.span).collect();
        let times: Vec<_> = rows.iter().map(|row| Micros::of(row.at)).collect();
        let states: Vec<_> = rows.iter().map(|row| row.state).collect();
        let slots: Vec<_> = rows.iter().map(|row| row.slot).collect();
        let runs: Vec<_> = rows.iter().map(|row| row.runs).collect();
        let took_us: Vec<_> = rows.iter().map(|row| row.took_us).collect();
        let parameters: db::Parameters<'_> =
            &[&workspaces, &workflows, &spans, &times, &states, &slots, &runs, &took_us];
        self.lane.execute(&ADD, parameters).await?;
        Ok(())
    }

    /// Counts, by bucket, outcome and slot.
    pub(crate) async fn read_counts(
        &self,
        workspace: WorkspaceId,
        counts: Counts,
    ) -> Result<Vec<CountRow>, Problem> {
        let workflow = counts.workflow.map_or(Uuid::nil(), |workflow| workflow.0);
        let (from, to) = (Micros::of(counts.from), Micros::of(counts.to));
        let parameters: db::Parameters<'_> =
            &[&workspace.0, &workflow, &counts.span.minutes(), &from, &to, &counts.bucket_s];
        let rows = self.looks.query(&READ, parameters).await?;
        let row = |row: &db::Row| {
            Ok(CountRow {
                bucket: row.column("bucket")?,
                state: row.column("state")?,
                slot: row.column("slot")?,
                runs: row.column("runs")?,
                took_us: row.column("took_us")?,
            })
        };
        Ok(rows.iter().map(row).collect::<Result<_, db::Error>>()?)
    }
}
