//! Runs as the store gives them, and how they are read from rows.

use bytes::Bytes;
use db::{Columns, Error, Row};
use jiff::Timestamp;
use kernel::{RunId, VersionId, WorkflowId, WorkspaceId};
use uuid::Uuid;

use crate::door::RunStatus;
use crate::flusher::Outcome;
use crate::flusher::columns::Day;

/// A run, live or finished.
#[derive(Clone, Debug)]
pub enum RunRecord {
    /// Not finished: what it has done stands in its checkpoint and journal.
    Live(LiveRun),
    /// Finished.
    Finished(FinishedRun),
}

/// A run that has not finished.
#[derive(Clone, Debug)]
pub struct LiveRun {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The run.
    pub run: RunId,
    /// Its workflow.
    pub workflow: WorkflowId,
    /// The version it runs.
    pub version: VersionId,
    /// `queued`, `running` or `waiting`.
    pub status: RunStatus,
    /// Whether some member owns it.
    pub owned: bool,
    /// Term of ownership: what its operations must carry.
    pub epoch: i32,
    /// Journal segment; see [`super::Store::journal`].
    pub segment: Day,
    /// The checkpoint contains the journal up to this number; 0 without one.
    pub base_seq: i32,
    /// Signals received.
    pub signals: i32,
    /// How often it was taken over from a dead member since its last checkpoint.
    pub reclaims: i16,
    /// Birth.
    pub started_at: Timestamp,
    /// When it times out.
    pub deadline: Option<Timestamp>,
    /// Its last checkpoint, as it was given to the flusher.
    pub checkpoint: Option<Bytes>,
}

/// A run that has finished.
#[derive(Clone, Debug)]
pub struct FinishedRun {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The run.
    pub run: RunId,
    /// Its workflow.
    pub workflow: WorkflowId,
    /// The version it ran.
    pub version: VersionId,
    /// How it ended.
    pub outcome: Outcome,
    /// Birth.
    pub started_at: Timestamp,
    /// End.
    pub finished_at: Timestamp,
    /// History body, as it was given to the flusher.
    pub body: Bytes,
}

/// One row of a journal.
#[derive(Clone, Debug)]
pub struct JournalRow {
    /// Its number.
    pub seq: i32,
    /// Its body, as it was given to the flusher.
    pub body: Bytes,
}

/// One signal to a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its id: a signal may be seen twice, by its id it is known.
    pub id: Uuid,
    /// What it is, such as [`super::CANCEL`].
    pub kind: String,
    /// What it brings.
    pub body: Bytes,
}

pub(super) fn record(row: &Row) -> Result<RunRecord, Error> {
    let finished: Option<Timestamp> = row.column("finished_at")?;
    let Some(finished_at) = finished else { return Ok(RunRecord::Live(live(row)?)) };
    let state: &str = row.column("state")?;
    Ok(RunRecord::Finished(FinishedRun {
        workspace: WorkspaceId(row.column("workspace_id")?),
        run: RunId(row.column("id")?),
        workflow: WorkflowId(row.column("workflow_id")?),
        version: VersionId(row.column("version_id")?),
        outcome: Outcome::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == state)
            .ok_or_else(|| unknown(state))?,
        started_at: row.column("started_at")?,
        finished_at,
        body: body(row)?,
    }))
}

pub(super) fn live(row: &Row) -> Result<LiveRun, Error> {
    Ok(LiveRun {
        workspace: WorkspaceId(row.column("workspace_id")?),
        run: RunId(row.column("id")?),
        workflow: WorkflowId(row.column("workflow_id")?),
        version: VersionId(row.column("version_id")?),
        status: status(row)?,
        owned: row.column::<Option<Uuid>>("owner")?.is_some(),
        epoch: row.column("epoch")?,
        segment: row.column("segment")?,
        base_seq: row.column("base_seq")?,
        signals: row.column("signals")?,
        reclaims: row.column("reclaims")?,
        started_at: row.column("started_at")?,
        deadline: row.column("deadline_at")?,
        checkpoint: row.column::<Option<&[u8]>>("body")?.map(Bytes::copy_from_slice),
    })
}

pub(super) fn signal(row: &Row) -> Result<Signal, Error> {
    Ok(Signal { id: row.column("id")?, kind: row.column("kind")?, body: body(row)? })
}

pub(super) fn body(row: &Row) -> Result<Bytes, Error> {
    Ok(Bytes::copy_from_slice(row.column("body")?))
}

/// States a later version may add (`compensating`, `paused`) read as the nearest one we know.
pub(super) fn status(row: &Row) -> Result<RunStatus, Error> {
    Ok(match row.column("state")? {
        "queued" => RunStatus::Queued,
        "running" | "compensating" => RunStatus::Running,
        "waiting" | "paused" => RunStatus::Waiting,
        "succeeded" => RunStatus::Succeeded,
        "failed" => RunStatus::Failed,
        "cancelled" => RunStatus::Cancelled,
        other => return Err(unknown(other)),
    })
}

fn unknown(state: &str) -> Error {
    Error::Internal(format!("table runs or history, column state: unknown \"{state}\""))
}
