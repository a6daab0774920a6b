//! All SQL of workflows: here their drafts, beside it the rest.

pub(crate) mod lists;
pub(crate) mod projects;
pub(crate) mod versions;
pub(crate) mod words;

use db::{Columns, Error, Row, Statement, Tx, sql};
use jiff::Timestamp;
use kernel::{PrincipalId, ProjectId, VersionId, WorkflowId, WorkspaceId};
use uuid::Uuid;

use crate::document::{MediaType, Source};
use crate::model::WorkflowView;

const CREATE: Statement = sql!(
    "workflow.create",
    writes(workflows),
    (UUID, UUID, TEXT, TEXT, TEXT, TEXT, TEXT, UUID, UUID, TEXT_ARRAY),
    "INSERT INTO forge.workflows
       (workspace_id, id, origin, name, description, document, source, source_type, revision,
        updated_by, project_id, tags)
     VALUES ($1, $2, 'saved', $3, $4, $5, $6, $7, 1, $8, $9, $10)"
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
    "SELECT id, project_id, name, description, tags, revision, published_version_id, archived_at,
            created_at, updated_at, document, source, source_type
     FROM forge.workflows
     WHERE workspace_id = $1 AND origin <> 'deleted'
       AND (id = $2 OR (origin = 'saved' AND name = $3))
     ORDER BY id = $2 DESC NULLS LAST LIMIT 1"
);

const LOCK: Statement = sql!(
    "workflow.lock",
    reads(workflows[id = $2]),
    (UUID, UUID),
    "SELECT id, project_id, name, description, tags, revision, published_version_id, archived_at,
            created_at, updated_at, document, source, source_type
     FROM forge.workflows
     WHERE workspace_id = $1 AND id = $2 AND origin <> 'deleted' FOR UPDATE"
);

const SET_PUBLISHED: Statement = sql!(
    "workflow.set_published",
    writes(workflows[id = $2]),
    (UUID, UUID, UUID),
    "UPDATE forge.workflows SET published_version_id = $3
     WHERE workspace_id = $1 AND id = $2"
);

const SET_PLACE: Statement = sql!(
    "workflow.set_place",
    writes(workflows[id = $2]),
    (UUID, UUID, UUID, TEXT_ARRAY),
    "UPDATE forge.workflows SET project_id = $3, tags = $4, updated_at = forge.now()
     WHERE workspace_id = $1 AND id = $2"
);

const SET_ARCHIVED: Statement = sql!(
    "workflow.set_archived",
    writes(workflows[id = $2]),
    (UUID, UUID, BOOL),
    "UPDATE forge.workflows
     SET archived_at = CASE WHEN $3 THEN forge.now() END, updated_at = forge.now()
     WHERE workspace_id = $1 AND id = $2"
);

/// The row stays for the versions that runs began with; its name is free again.
const DELETE: Statement = sql!(
    "workflow.delete",
    writes(workflows[id = $2]),
    (UUID, UUID, UUID),
    "UPDATE forge.workflows
     SET origin = 'deleted', name = id::text, description = '', document = '{}', source = NULL,
         source_type = NULL, published_version_id = NULL, tags = '{}', project_id = $1,
         revision = revision + 1, updated_at = forge.now(), updated_by = $3
     WHERE workspace_id = $1 AND id = $2"
);

/// Every statement of this crate.
pub const STATEMENTS: &[&Statement] = &[
    &CREATE,
    &DELETE,
    &FIND,
    &LOCK,
    &SET_ARCHIVED,
    &SET_PLACE,
    &SET_PUBLISHED,
    &UPDATE,
    &UPSERT_FILE,
    &lists::EXPORT,
    &lists::LIST,
    &lists::LIST_TAGS,
    &lists::NAMES_LIKE,
    &lists::OPTIONS,
    &lists::SEARCH,
    &projects::CREATE,
    &projects::DELETE,
    &projects::FIND,
    &projects::LIST,
    &projects::UPDATE,
    &versions::ADD,
    &versions::FIND,
    &versions::FIND_NUMBERED,
    &versions::LIST,
    &words::FORGET,
    &words::REPLACE,
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

/// Where a workflow is filed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) project: ProjectId,
    pub(crate) tags: Vec<String>,
}

impl Place {
    /// The workspace's default project, without tags.
    pub(crate) fn default_of(workspace: WorkspaceId) -> Self {
        Self { project: projects::default_of(workspace), tags: Vec::new() }
    }
}

/// A workflow with its draft.
pub(crate) struct WorkflowRow {
    pub(crate) view: WorkflowView,
    pub(crate) document: String,
    pub(crate) source: Option<Source>,
}

/// Adds a saved workflow at revision 1.
pub(crate) async fn create(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: WorkflowId,
    place: &Place,
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
            &place.project.0,
            &place.tags,
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

/// Makes a version the published one; `None`: nothing is published.
pub(crate) async fn set_published(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: WorkflowId,
    version: Option<VersionId>,
) -> Result<(), Error> {
    let version = version.map(|version| version.0);
    tx.execute(&SET_PUBLISHED, &[&workspace.0, &workflow.0, &version]).await.map(drop)
}

/// Files a workflow elsewhere.
pub(crate) async fn set_place(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: WorkflowId,
    place: &Place,
) -> Result<(), Error> {
    let Place { project, tags } = place;
    tx.execute(&SET_PLACE, &[&workspace.0, &workflow.0, &project.0, tags]).await.map(drop)
}

/// Puts a workflow away, or takes it out again.
pub(crate) async fn set_archived(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: WorkflowId,
    archived: bool,
) -> Result<(), Error> {
    tx.execute(&SET_ARCHIVED, &[&workspace.0, &workflow.0, &archived]).await.map(drop)
}

/// Deletes a workflow; its versions stay for the runs that began with them.
pub(crate) async fn delete(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: WorkflowId,
    principal: Option<PrincipalId>,
) -> Result<(), Error> {
    let principal = principal.map(|principal| principal.0);
    tx.execute(&DELETE, &[&workspace.0, &workflow.0, &principal]).await?;
    words::forget(tx, workspace, workflow).await
}

fn workflow_row(row: &Row) -> Result<WorkflowRow, Error> {
    let source = source_of(row)?;
    Ok(WorkflowRow { view: view(row)?, document: row.column("document")?, source })
}

/// The author's own text, where it was kept.
fn source_of(row: &Row) -> Result<Option<Source>, Error> {
    let text: Option<String> = row.column("source")?;
    let kind: Option<&str> = row.column("source_type")?;
    Ok(text.zip(kind).map(|(text, kind)| {
        let media_type = if kind == "yaml" { MediaType::Yaml } else { MediaType::Json };
        Source { media_type, text }
    }))
}

pub(crate) fn view(row: &Row) -> Result<WorkflowView, Error> {
    Ok(WorkflowView {
        id: WorkflowId(row.column("id")?),
        project: ProjectId(row.column("project_id")?),
        name: row.column("name")?,
        description: row.column("description")?,
        tags: row.column("tags")?,
        revision: row.column("revision")?,
        published_version: row.column::<Option<Uuid>>("published_version_id")?.map(VersionId),
        archived_at: row.column::<Option<Timestamp>>("archived_at")?,
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
