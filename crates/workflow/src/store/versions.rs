//! Immutable versions.

use db::{Columns, Error, Row, Statement, Tx, sql};
use kernel::{PrincipalId, VersionId, WorkflowId, WorkspaceId};
use uuid::Uuid;

use super::{Draft, source_of};
use crate::document::Source;
use crate::model::VersionView;

/// The version of this content, made where there is none; the caller holds the workflow's row.
pub(super) const ADD: Statement = sql!(
    "workflow.add_version",
    reads(workflow_versions) writes(workflow_versions),
    (UUID, UUID, UUID, TEXT, TEXT, TEXT, BYTEA, UUID, TEXT),
    "WITH made AS (
       INSERT INTO forge.workflow_versions
         (workspace_id, id, workflow_id, number, document, source, source_type, hash, created_by,
          note)
       SELECT $1, $2, $3, 1 + coalesce(max(number), 0), $4, $5, $6, $7, $8, $9
       FROM forge.workflow_versions WHERE workspace_id = $1 AND workflow_id = $3
       ON CONFLICT (workspace_id, workflow_id, hash) DO NOTHING
       RETURNING id, number)
     SELECT id, number FROM made
     UNION ALL
     SELECT id, number FROM forge.workflow_versions
     WHERE workspace_id = $1 AND workflow_id = $3 AND hash = $7"
);

pub(super) const FIND: Statement = sql!(
    "workflow.find_version",
    reads(workflow_versions[id = $2]),
    (UUID, UUID),
    "SELECT workflow_id, document FROM forge.workflow_versions
     WHERE workspace_id = $1 AND id = $2"
);

/// By id or number, of one workflow.
pub(super) const FIND_NUMBERED: Statement = sql!(
    "workflow.find_numbered_version",
    reads(workflow_versions[workflow_id = $2], workflows[id = $2]),
    (UUID, UUID, UUID, INT4),
    "SELECT v.id, v.number, v.created_at, v.created_by, v.note, v.hash, v.document, v.source,
            v.source_type, v.id IS NOT DISTINCT FROM w.published_version_id AS published
     FROM forge.workflows w
     JOIN forge.workflow_versions v ON v.workspace_id = w.workspace_id AND v.workflow_id = w.id
     WHERE w.workspace_id = $1 AND w.id = $2 AND (v.id = $3 OR v.number = $4)"
);

pub(super) const LIST: Statement = sql!(
    "workflow.list_versions",
    reads(workflow_versions[workflow_id = $2], workflows[id = $2]),
    (UUID, UUID, INT4, INT8),
    "SELECT v.id, v.number, v.created_at, v.created_by, v.note, v.hash,
            v.id IS NOT DISTINCT FROM w.published_version_id AS published
     FROM forge.workflows w
     JOIN forge.workflow_versions v ON v.workspace_id = w.workspace_id AND v.workflow_id = w.id
     WHERE w.workspace_id = $1 AND w.id = $2 AND ($3::int4 IS NULL OR v.number < $3)
     ORDER BY v.number DESC LIMIT $4"
);

/// A version as the catalog needs it.
pub(crate) struct VersionRow {
    pub(crate) workflow: WorkflowId,
    pub(crate) document: String,
}

/// A version with everything that is known of it.
pub(crate) struct FullVersion {
    pub(crate) view: VersionView,
    pub(crate) document: String,
    pub(crate) source: Option<Source>,
}

/// A version by its id or by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Id(VersionId),
    Number(i32),
}

/// The version of this content: `new` when there was none, else the one there is; and its number.
pub(crate) async fn add(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: WorkflowId,
    new: VersionId,
    draft: &Draft<'_>,
    hash: &[u8],
    note: &str,
) -> Result<(VersionId, i32), Error> {
    let principal = draft.principal.map(|principal| principal.0);
    let (source, source_type) = (draft.source_text(), draft.source_type());
    let row = tx
        .query_one(
            &ADD,
            &[
                &workspace.0,
                &new.0,
                &workflow.0,
                &draft.document,
                &source,
                &source_type,
                &hash,
                &principal,
                &note,
            ],
        )
        .await?;
    Ok((VersionId(row.column("id")?), row.column("number")?))
}

/// One version of whatever workflow.
pub(crate) async fn find(
    tx: &mut Tx,
    workspace: WorkspaceId,
    version: VersionId,
) -> Result<Option<VersionRow>, Error> {
    let row = tx.query_opt(&FIND, &[&workspace.0, &version.0]).await?;
    row.map(|row| {
        Ok(VersionRow {
            workflow: WorkflowId(row.column("workflow_id")?),
            document: row.column("document")?,
        })
    })
    .transpose()
}

/// One version of this workflow.
pub(crate) async fn find_of(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: WorkflowId,
    wanted: Wanted,
) -> Result<Option<FullVersion>, Error> {
    let (id, number) = match wanted {
        Wanted::Id(id) => (Some(id.0), None),
        Wanted::Number(number) => (None, Some(number)),
    };
    let row = tx.query_opt(&FIND_NUMBERED, &[&workspace.0, &workflow.0, &id, &number]).await?;
    row.map(|row| {
        let (document, source) = (row.column("document")?, source_of(&row)?);
        Ok(FullVersion { view: view(&row)?, document, source })
    })
    .transpose()
}

/// Versions of a workflow, newest first, with a number below `before`.
pub(crate) async fn list(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: WorkflowId,
    before: Option<i32>,
    rows: i64,
) -> Result<Vec<VersionView>, Error> {
    let rows = tx.query(&LIST, &[&workspace.0, &workflow.0, &before, &rows]).await?;
    rows.iter().map(view).collect()
}

fn view(row: &Row) -> Result<VersionView, Error> {
    let hash: &[u8] = row.column("hash")?;
    Ok(VersionView {
        id: VersionId(row.column("id")?),
        number: row.column("number")?,
        published: row.column("published")?,
        note: row.column("note")?,
        hash: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        created_at: row.column("created_at")?,
        created_by: row.column::<Option<Uuid>>("created_by")?.map(PrincipalId),
    })
}
