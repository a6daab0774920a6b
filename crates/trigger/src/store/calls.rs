//! Calls as they are written down.

use db::{Columns, Error, Row, Statement, Tx, sql};
use jiff::Timestamp;
use kernel::{RunId, WorkflowId, WorkspaceId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::address::Stage;

pub(crate) const ADD_CALLS: Statement = sql!(
    "trigger.add_calls",
    writes(hook_calls),
    (UUID, TEXT),
    "INSERT INTO forge.hook_calls (workspace_id, id, workflow_id, node, stage, outcome, at, method,
         path, client, user_agent, content_type, status, code, reason, run_id, took_us, skipped)
     SELECT $1, id, workflow, node, stage, outcome, at, method,
         path, client, user_agent, content_type, status, code, reason, run, took_us, skipped
     FROM json_to_recordset($2::json) AS added (id uuid, workflow uuid, node text, stage text,
         outcome text, at timestamptz, method text, path text, client text, user_agent text,
         content_type text, status integer, code text, reason text, run uuid, took_us bigint,
         skipped bigint)"
);

/// Removes all but the newest `$3` of each node and outcome of these workflows.
pub(crate) const TRIM_CALLS: Statement = sql!(
    "trigger.trim_calls",
    writes(hook_calls[workspace_id = $1]),
    (UUID, UUID_ARRAY, INT8),
    "DELETE FROM forge.hook_calls WHERE workspace_id = $1 AND id IN (
         SELECT id FROM (
             SELECT id, row_number() OVER (PARTITION BY workflow_id, node, stage, outcome
                 ORDER BY id DESC) AS place
             FROM forge.hook_calls WHERE workspace_id = $1 AND workflow_id = ANY ($2)
         ) AS ranked WHERE place > $3)"
);

pub(crate) const LIST_CALLS: Statement = sql!(
    "trigger.list_calls",
    reads(hook_calls[workspace_id = $1]),
    (UUID, UUID, TEXT, UUID, INT8),
    "SELECT id, workflow_id, node, stage, outcome, at, method, path, client, user_agent,
         content_type, status, code, reason, run_id, took_us, skipped
     FROM forge.hook_calls
     WHERE workspace_id = $1 AND ($2::uuid IS NULL OR workflow_id = $2)
       AND ($3::text IS NULL OR outcome = $3) AND ($4::uuid IS NULL OR id < $4)
     ORDER BY id DESC LIMIT $5"
);

/// Whether a caller was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// A run was started.
    Accepted,
    /// None was.
    Rejected,
}

impl Outcome {
    /// As stored.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }
}

/// One call.
#[derive(Serialize)]
pub(crate) struct CallRow {
    pub(crate) id: Uuid,
    pub(crate) workflow: WorkflowId,
    pub(crate) node: String,
    pub(crate) stage: Stage,
    pub(crate) outcome: Outcome,
    pub(crate) at: Timestamp,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) client: String,
    pub(crate) user_agent: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) status: i32,
    pub(crate) code: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) run: Option<RunId>,
    pub(crate) took_us: i64,
    pub(crate) skipped: i64,
}

pub(crate) async fn add(
    tx: &mut Tx,
    workspace: WorkspaceId,
    rows: &[CallRow],
) -> Result<(), Error> {
    let text = serde_json::to_string(rows)
        .map_err(|error| Error::Internal(format!("calls cannot be written as JSON: {error}")))?;
    tx.execute(&ADD_CALLS, &[&workspace.0, &text]).await.map(drop)
}

/// Removes what is too much of the workflows of these rows.
pub(crate) async fn trim(
    tx: &mut Tx,
    workspace: WorkspaceId,
    rows: &[CallRow],
    kept: i64,
) -> Result<(), Error> {
    let mut workflows: Vec<Uuid> = rows.iter().map(|row| row.workflow.0).collect();
    workflows.sort_unstable();
    workflows.dedup();
    tx.execute(&TRIM_CALLS, &[&workspace.0, &workflows, &kept]).await.map(drop)
}

/// At most `limit` calls, newest first: those before `before`.
pub(crate) async fn list(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: Option<WorkflowId>,
    outcome: Option<Outcome>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<CallRow>, Error> {
    let (workflow, outcome) = (workflow.map(|id| id.0), outcome.map(Outcome::as_str));
    let parameters: db::Parameters<'_> = &[&workspace.0, &workflow, &outcome, &before, &limit];
    tx.query(&LIST_CALLS, parameters).await?.iter().map(call).collect()
}

fn call(row: &Row) -> Result<CallRow, Error> {
    let outcome: &str = row.column("outcome")?;
    let run: Option<Uuid> = row.column("run_id")?;
    Ok(CallRow {
        id: row.column("id")?,
        workflow: WorkflowId(row.column("workflow_id")?),
        node: row.column("node")?,
        stage: Stage::read(row.column("stage")?),
        outcome: match outcome {
            "accepted" => Outcome::Accepted,
            _ => Outcome::Rejected,
        },
        at: row.column("at")?,
        method: row.column("method")?,
        path: row.column("path")?,
        client: row.column("client")?,
        user_agent: row.column("user_agent")?,
        content_type: row.column("content_type")?,
        status: row.column("status")?,
        code: row.column("code")?,
        reason: row.column("reason")?,
        run: run.map(RunId),
        took_us: row.column("took_us")?,
        skipped: row.column("skipped")?,
    })
}
