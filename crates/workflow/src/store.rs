//! All SQL of workflows.

use db::{Columns, Error, Row, Statement, Tx, sql};
use kernel::{PrincipalId, VersionId, WorkflowId, WorkspaceId};
use uuid::Uuid;

use crate::document::{MediaType, Source};
use crate::model::{VersionView, WorkflowView};

const CREATE: Statement = sql!(
    "workflow.create",
    writes(workflows),
    (UUID, UUID, TEXT, TEXT, TEXT, TEXT, TEXT, UUID),
    "INSERT INTO forge.workflows
       (workspace_id, id, origin, name, description, document, source, source_type, revision,
        updated_by)
     VALUES ($1, $2, 'saved', $3, $4, $5, $6, $7, 1, $8)"
);

/// One statement, so that two that run the same file at once meet instead of failing.
const UPSERT_FILE: Statement = sql!(
    "workflow.upsert_file",
    writes(workflows),
    (UUID, UUID, TEXT, TEXT, TEXT, TEXT, TEXT, UUID),
    "INSERT INTO forge.workflows AS w
       (workspace_id, id, origin, name, description, document, source, source_type, revision,
        updated_by)
     VALUES ($1, $2, 'file', $3, $4, $5, $6, $7, 1, $8)
     ON CONFLICT (workspace_id, origin, name) DO UPDATE
     SET description = excluded.description, document = excluded.document,
         source = excluded.source, source_type = excluded.source_type,
         revision = w.revision + 1, updated_at = forge.now(), updated_by = excluded.updated_by
     RETURNING id"
);

/// No row: it does not exist, or has another revision.
const UPDATE: Statement = sql!(
    "workflow.update",
    writes(workflows[id = $2]),
    (UUID, UUID, INT8, TEXT, TEXT, TEXT, TEXT, TEXT, UUID),
    "UPDATE forge.workflows
     SET name = $4, description = $5, document = $6, source = $7, source_type = $8,
         revision = revision + 1, updated_at = forge.now(), updated_by = $9
     WHERE workspace_id = $1 AND id = $2 AND ($3::int8 IS NULL OR revision = $3)
     RETURNING revision"
);

const FIND: Statement = sql!(
    "workflow.find",
    reads(workflows[id = $2]),
    (UUID, UUID, TEXT),
    "SELECT id, name, description, revision, published_version_id, created_at, updated_at,
            document, source, source_type
     FROM forge.workflows
     WHERE workspace_id = $1 AND (id = $2 OR (origin = 'saved' AND name = $3))
     ORDER BY id = $2 DESC NULLS LAST LIMIT 1"
);

const LOCK: Statement = sql!(
    "workflow.lock",
    reads(workflows[id = $2]),
    (UUID, UUID),
    "SELECT id, name, description, revision, published_version_id, created_at, updated_at,
            document, source, source_type
     FROM forge.workflows WHERE workspace_id = $1 AND id = $2 FOR UPDATE"
);

const LIST: Statement = sql!(
    "workflow.list",
    reads(workflows[workspace_id = $1]),
    (UUID, UUID, INT8),
    "SELECT id, name, description, revision, published_version_id, created_at, updated_at
     FROM forge.workflows
     WHERE workspace_id = $1 AND origin = 'saved' AND ($2::uuid IS NULL OR id < $2)
     ORDER BY id DESC LIMIT $3"
);

/// The version of this content, made where there is none; the caller holds the workflow's row.
const ADD_VERSION: Statement = sql!(
    "workflow.add_version",
    reads(workflow_versions) writes(workflow_versions),
    (UUID, UUID, UUID, TEXT, TEXT, TEXT, BYTEA, UUID),
    "WITH made AS (
       INSERT INTO forge.workflow_versions
         (workspace_id, id, workflow_id, number, document, source, source_type, hash, created_by)
       SELECT $1, $2, $3, 1 + coalesce(max(number), 0), $4, $5, $6, $7, $8
       FROM forge.workflow_versions WHERE workspace_id = $1 AND workflow_id = $3
       ON CONFLICT (workspace_id, workflow_id, hash) DO NOTHING
       RETURNING id, number)
     SELECT id, number FROM made
     UNION ALL
     SELECT id, number FROM forge.workflow_versions
     WHERE workspace_id = $1 AND workflow_id = $3 AND hash = $7"
);

const SET_PUBLISHED: Statement = sql!(
    "workflow.set_published",
    writes(workflows[id = $2]),
    (UUID, UUID, UUID),
    "UPDATE forge.workflows SET published_version_id = $3
     WHERE workspace_id = $1 AND id = $2"
);

const FIND_VERSION: Statement = sql!(
    "workflow.find_version",
    reads(workflow_versions[id = $2]),
    (UUID, UUID),
    "SELECT workflow_id, document FROM forge.workflow_versions
     WHERE workspace_id = $1 AND id = $2"
);

const LIST_VERSIONS: Statement = sql!(
    "workflow.list_versions",
    reads(workflow_versions[workflow_id = $2], workflows[id = $2]),
    (UUID, UUID, INT4, INT8),
    "SELECT v.id, v.number, v.created_at,
            v.id IS NOT DISTINCT FROM w.published_version_id AS published
     FROM forge.workflows w
     JOIN forge.workflow_versions v ON v.workspace_id = w.workspace_id AND v.workflow_id = w.id
     WHERE w.workspace_id = $1 AND w.id = $2 AND ($3::int4 IS NULL OR v.number < $3)
     ORDER BY v.number DESC LIMIT $4"
);

/// Every statement of this crate.
pub const STATEMENTS: &[&Statement] = &[
    &ADD_VERSION,
    &CREATE,
    &FIND,
    &FIND_VERSION,
    &LIST,
    &LIST_VERSIONS,
    &LOCK,
    &SET_PUBLISHED,
    &UPDATE,
    &UPSERT_FILE,
];

/// A draft to be written.
pub(crate) struct Draft<'a> {
    pub(crate) name: &'a str,
    pub(crate) description: String,
    pub(crate) document: &'a str,
    pub(crate) source: Option<&'a Source>,
    pub(crate) principal: Option<PrincipalId>,
}

impl Draft<'_> {
    fn source_text(&self) -> Option<&str> {
        self.source.map(|source| source.text.as_str())
    }

    fn source_type(&self) -> Option<&'static str> {
        self.source.map(|source| media_type_text(source.media_type))
    }
}

/// A workflow with its draft.
pub(crate) struct WorkflowRow {
    pub(crate) view: WorkflowView,
    pub(crate) document: String,
    pub(crate) source: Option<Source>,
}

/// A version.
pub(crate) struct VersionRow {
    pub(crate) workflow: WorkflowId,
    pub(crate) document: String,
}

/// Adds a saved workflow at revision 1.
pub(crate) async fn create(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: WorkflowId,
    draft: &Draft<'_>,
) -> Result<(), Error> {
    let principal = draft.principal.map(|principal| principal.0);
    let (source, source_type) = (draft.source_text(), draft.source_type());
    tx.execute(
        &CREATE,
        &[
            &workspace.0,
            &id.0,
            &draft.name,
            &draft.description,
            &draft.document,
            &source,
            &source_type,
            &principal,
        ],
    )
    .await
    .map(drop)
}

/// The workflow a file of this name runs as: `new` when there was none, else the one there is.
pub(crate) async fn upsert_file(
    tx: &mut Tx,
    workspace: WorkspaceId,
    new: WorkflowId,
    draft: &Draft<'_>,
) -> Result<WorkflowId, Error> {
    let principal = draft.principal.map(|principal| principal.0);
    let (source, source_type) = (draft.source_text(), draft.source_type());
    let row = tx
        .query_one(
            &UPSERT_FILE,
            &[
                &workspace.0,
                &new.0,
                &draft.name,
                &draft.description,
                &draft.document,
                &source,
                &source_type,
                &principal,
            ],
        )
        .await?;
    Ok(WorkflowId(row.column("id")?))
}

/// Replaces the draft where it still has this revision; the new revision.
pub(crate) async fn update(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: WorkflowId,
    revision: Option<i64>,
    draft: &Draft<'_>,
) -> Result<Option<i64>, Error> {
    let principal = draft.principal.map(|principal| principal.0);
    let (source, source_type) = (draft.source_text(), draft.source_type());
    let row = tx
        .query_opt(
            &UPDATE,
            &[
                &workspace.0,
                &id.0,
                &revision,
                &draft.name,
                &draft.description,
                &draft.document,
                &source,
                &source_type,
                &principal,
            ],
        )
        .await?;
    row.map(|row| row.column("revision")).transpose()
}

/// The workflow of this id, else the saved one of this name.
pub(crate) async fn find(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: Option<WorkflowId>,
    name: &str,
) -> Result<Option<WorkflowRow>, Error> {
    let id = id.map(|id| id.0);
    let row = tx.query_opt(&FIND, &[&workspace.0, &id, &name]).await?;
    row.as_ref().map(workflow_row).transpose()
}

/// The workflow, locked until the transaction ends.
pub(crate) async fn lock(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: WorkflowId,
) -> Result<Option<WorkflowRow>, Error> {
    let row = tx.query_opt(&LOCK, &[&workspace.0, &id.0]).await?;
    row.as_ref().map(workflow_row).transpose()
}

/// Saved workflows, newest first, older than `before`.
pub(crate) async fn list(
    tx: &mut Tx,
    workspace: WorkspaceId,
    before: Option<WorkflowId>,
    rows: i64,
) -> Result<Vec<WorkflowView>, Error> {
    let before = before.map(|id| id.0);
    let rows = tx.query(&LIST, &[&workspace.0, &before, &rows]).await?;
    rows.iter().map(view).collect()
}

/// The version of this content: `new` when there was none, else the one there is; and its number.
pub(crate) async fn add_version(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: WorkflowId,
    new: VersionId,
    draft: &Draft<'_>,
    hash: &[u8],
) -> Result<(VersionId, i32), Error> {
    let principal = draft.principal.map(|principal| principal.0);
    let (source, source_type) = (draft.source_text(), draft.source_type());
    let row = tx
        .query_one(
            &ADD_VERSION,
            &[
                &workspace.0,
                &new.0,
                &workflow.0,
                &draft.document,
                &source,
                &source_type,
                &hash,
                &principal,
            ],
        )
        .await?;
    Ok((VersionId(row.column("id")?), row.column("number")?))
}

/// Makes a version the published one.
pub(crate) async fn set_published(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: WorkflowId,
    version: VersionId,
) -> Result<(), Error> {
    tx.execute(&SET_PUBLISHED, &[&workspace.0, &workflow.0, &version.0]).await.map(drop)
}

/// One version.
pub(crate) async fn find_version(
    tx: &mut Tx,
    workspace: WorkspaceId,
    version: VersionId,
) -> Result<Option<VersionRow>, Error> {
    let row = tx.query_opt(&FIND_VERSION, &[&workspace.0, &version.0]).await?;
    row.map(|row| {
        Ok(VersionRow {
            workflow: WorkflowId(row.column("workflow_id")?),
            document: row.column("document")?,
        })
    })
    .transpose()
}

/// Versions of a workflow, newest first, with a number below `before`.
pub(crate) async fn list_versions(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: WorkflowId,
    before: Option<i32>,
    rows: i64,
) -> Result<Vec<VersionView>, Error> {
    let rows = tx.query(&LIST_VERSIONS, &[&workspace.0, &workflow.0, &before, &rows]).await?;
    rows.iter()
        .map(|row| {
            Ok(VersionView {
                id: VersionId(row.column("id")?),
                number: row.column("number")?,
                published: row.column("published")?,
                created_at: row.column("created_at")?,
            })
        })
        .collect()
}

fn workflow_row(row: &Row) -> Result<WorkflowRow, Error> {
    let text: Option<String> = row.column("source")?;
    let kind: Option<&str> = row.column("source_type")?;
    let source = text.zip(kind).map(|(text, kind)| {
        let media_type = if kind == "yaml" { MediaType::Yaml } else { MediaType::Json };
        Source { media_type, text }
    });
    Ok(WorkflowRow { view: view(row)?, document: row.column("document")?, source })
}

fn view(row: &Row) -> Result<WorkflowView, Error> {
    Ok(WorkflowView {
        id: WorkflowId(row.column("id")?),
        name: row.column("name")?,
        description: row.column("description")?,
        revision: row.column("revision")?,
        published_version: row.column::<Option<Uuid>>("published_version_id")?.map(VersionId),
        created_at: row.column("created_at")?,
        updated_at: row.column("updated_at")?,
    })
}

fn media_type_text(media_type: MediaType) -> &'static str {
    match media_type {
        MediaType::Json => "json",
        MediaType::Yaml => "yaml",
    }
}
