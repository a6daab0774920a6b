//! Addresses as they are shown.

use db::{Columns, Error, Row, Statement, Tx, sql};
use kernel::{VersionId, WorkflowId, WorkspaceId};
use serde::{Deserialize, Serialize};

use crate::address::Stage;

/// In the order of the page: stage, shape, method, workflow.
pub(crate) const LIST_ADDRESSES: Statement = sql!(
    "trigger.list_addresses",
    reads(hooks[workspace_id = $1], workflows[workspace_id = $1]),
    (UUID, UUID, TEXT, TEXT, TEXT, TEXT, UUID, INT8),
    "SELECT h.stage, h.workflow_id, w.name, h.version_id, h.method, h.path, h.shape, h.node, h.auth
     FROM forge.hooks h
     JOIN forge.workflows w ON w.workspace_id = h.workspace_id AND w.id = h.workflow_id
     WHERE h.workspace_id = $1
       AND ($2::uuid IS NULL OR h.workflow_id = $2)
       AND ($3::text IS NULL OR h.stage = $3)
       AND ($4::text IS NULL OR (h.stage, h.shape, h.method, h.workflow_id) > ($4, $5, $6, $7))
     ORDER BY h.stage, h.shape, h.method, h.workflow_id LIMIT $8"
);

/// One address and what listens there.
pub(crate) struct AddressRow {
    pub(crate) stage: Stage,
    pub(crate) workflow: WorkflowId,
    pub(crate) workflow_name: String,
    pub(crate) version: Option<VersionId>,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) shape: String,
    pub(crate) node: String,
    pub(crate) auth: String,
}

/// Where a page begins: behind this address.
#[derive(Serialize, Deserialize)]
pub(crate) struct AfterAddress {
    stage: Stage,
    shape: String,
    method: String,
    workflow: WorkflowId,
}

impl AfterAddress {
    /// Behind this one.
    pub(crate) fn of(row: &AddressRow) -> Self {
        let AddressRow { stage, shape, method, workflow, .. } = row;
        Self { stage: *stage, shape: shape.clone(), method: method.clone(), workflow: *workflow }
    }
}

/// At most `limit` addresses, perhaps of one workflow or stage.
pub(crate) async fn list(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: Option<WorkflowId>,
    stage: Option<Stage>,
    after: Option<&AfterAddress>,
    limit: i64,
) -> Result<Vec<AddressRow>, Error> {
    let workflow = workflow.map(|workflow| workflow.0);
    let stage = stage.map(Stage::as_str);
    let parameters: db::Parameters<'_> = &[
        &workspace.0,
        &workflow,
        &stage,
        &after.map(|after| after.stage.as_str()),
        &after.map(|after| after.shape.as_str()),
        &after.map(|after| after.method.as_str()),
        &after.map(|after| after.workflow.0),
        &limit,
    ];
    tx.query(&LIST_ADDRESSES, parameters).await?.iter().map(address).collect()
}

fn address(row: &Row) -> Result<AddressRow, Error> {
    let version: Option<uuid::Uuid> = row.column("version_id")?;
    Ok(AddressRow {
        stage: Stage::read(row.column("stage")?),
        workflow: WorkflowId(row.column("workflow_id")?),
        workflow_name: row.column("name")?,
        version: version.map(VersionId),
        method: row.column("method")?,
        path: row.column("path")?,
        shape: row.column("shape")?,
        node: row.column("node")?,
        auth: row.column("auth")?,
    })
}
