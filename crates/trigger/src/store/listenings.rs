//! Workflows that wait for a call.

use db::{Columns, Error, Statement, Tx, sql};
use jiff::Timestamp;
use kernel::{RunId, WorkflowId, WorkspaceId};
use uuid::Uuid;

/// Begins to wait, whatever was waited for or got before.
pub(crate) const LISTEN: Statement = sql!(
    "trigger.listen",
    writes(hook_listenings[workspace_id = $1, workflow_id = $2]),
    (UUID, UUID, UUID, TEXT, TIMESTAMPTZ),
    "INSERT INTO forge.hook_listenings (workspace_id, workflow_id, id, node, expires_at)
     VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (workspace_id, workflow_id) DO UPDATE
     SET id = excluded.id, node = excluded.node, expires_at = excluded.expires_at,
         captured_at = NULL, captured_by = NULL, run_id = NULL, items = NULL"
);

/// Keeps a call for who waits for it; no row is changed when nobody does.
pub(crate) const CAPTURE: Statement = sql!(
    "trigger.capture",
    writes(hook_listenings[workspace_id = $1, workflow_id = $2]),
    (UUID, UUID, TEXT, UUID, TEXT, TIMESTAMPTZ),
    "UPDATE forge.hook_listenings
     SET captured_at = $6, captured_by = $3, run_id = $4, items = $5
     WHERE workspace_id = $1 AND workflow_id = $2 AND captured_at IS NULL AND expires_at > $6
       AND (node IS NULL OR node = $3)"
);

/// Whether somebody waits for a call of this node.
pub(crate) const IS_WAITED_FOR: Statement = sql!(
    "trigger.is_waited_for",
    reads(hook_listenings[workspace_id = $1, workflow_id = $2]),
    (UUID, UUID, TEXT, TIMESTAMPTZ),
    "SELECT true AS waited FROM forge.hook_listenings
     WHERE workspace_id = $1 AND workflow_id = $2 AND captured_at IS NULL AND expires_at > $4
       AND (node IS NULL OR node = $3)"
);

pub(crate) const FIND_LISTENING: Statement = sql!(
    "trigger.find_listening",
    reads(hook_listenings[workspace_id = $1, workflow_id = $2]),
    (UUID, UUID),
    "SELECT id, node, expires_at, captured_at, captured_by, run_id, items
     FROM forge.hook_listenings WHERE workspace_id = $1 AND workflow_id = $2"
);

/// What a workflow waits for, or has got.
pub(crate) struct ListeningRow {
    pub(crate) id: Uuid,
    pub(crate) node: Option<String>,
    pub(crate) expires_at: Timestamp,
    pub(crate) captured: Option<CapturedRow>,
}

/// A call that was kept.
pub(crate) struct CapturedRow {
    pub(crate) at: Timestamp,
    pub(crate) node: String,
    pub(crate) run: RunId,
    pub(crate) items: String,
}

pub(crate) async fn listen(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: WorkflowId,
    row: &ListeningRow,
) -> Result<(), Error> {
    let parameters: db::Parameters<'_> =
        &[&workspace.0, &workflow.0, &row.id, &row.node, &row.expires_at];
    tx.execute(&LISTEN, parameters).await.map(drop)
}

pub(crate) async fn is_waited_for(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: WorkflowId,
    node: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let parameters: db::Parameters<'_> = &[&workspace.0, &workflow.0, &node, &now];
    Ok(tx.query_opt(&IS_WAITED_FOR, parameters).await?.is_some())
}

/// Whether the call was waited for.
pub(crate) async fn capture(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: WorkflowId,
    call: &CapturedRow,
) -> Result<bool, Error> {
    let parameters: db::Parameters<'_> =
        &[&workspace.0, &workflow.0, &call.node, &call.run.0, &call.items, &call.at];
    Ok(tx.execute(&CAPTURE, parameters).await? > 0)
}

pub(crate) async fn find(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: WorkflowId,
) -> Result<Option<ListeningRow>, Error> {
    let row = tx.query_opt(&FIND_LISTENING, &[&workspace.0, &workflow.0]).await?;
    row.map(|row| {
        let at: Option<Timestamp> = row.column("captured_at")?;
        let captured = at.map(|at| {
            let run: Option<Uuid> = row.column("run_id")?;
            Ok::<_, Error>(CapturedRow {
                at,
                node: row.column::<Option<String>>("captured_by")?.unwrap_or_default(),
                run: RunId(run.unwrap_or_default()),
                items: row.column::<Option<String>>("items")?.unwrap_or_default(),
            })
        });
        Ok(ListeningRow {
            id: row.column("id")?,
            node: row.column("node")?,
            expires_at: row.column("expires_at")?,
            captured: captured.transpose()?,
        })
    })
    .transpose()
}
