//! Projects.

use db::{Columns, Error, Row, Statement, Tx, sql};
use kernel::{PrincipalId, ProjectId, WorkspaceId};

use crate::model::ProjectView;

pub(super) const CREATE: Statement = sql!(
    "workflow.create_project",
    writes(projects),
    (UUID, UUID, TEXT, TEXT, UUID),
    "INSERT INTO forge.projects (workspace_id, id, name, description, revision, updated_by)
     VALUES ($1, $2, $3, $4, 1, $5)
     RETURNING id, name, description, revision, created_at, updated_at"
);

/// By id, else by name.
pub(super) const FIND: Statement = sql!(
    "workflow.find_project",
    reads(projects[workspace_id = $1]),
    (UUID, UUID, TEXT),
    "SELECT id, name, description, revision, created_at, updated_at
     FROM forge.projects WHERE workspace_id = $1 AND (id = $2 OR name = $3)
     ORDER BY id = $2 DESC NULLS LAST LIMIT 1"
);

pub(super) const LIST: Statement = sql!(
    "workflow.list_projects",
    reads(projects[workspace_id = $1]),
    (UUID, TEXT, INT8),
    "SELECT id, name, description, revision, created_at, updated_at
     FROM forge.projects WHERE workspace_id = $1 AND ($2::text IS NULL OR name > $2)
     ORDER BY name LIMIT $3"
);

/// No row: it is gone, or has another revision.
pub(super) const UPDATE: Statement = sql!(
    "workflow.update_project",
    writes(projects[id = $2]),
    (UUID, UUID, INT8, TEXT, TEXT, UUID),
    "UPDATE forge.projects
     SET name = coalesce($4, name), description = coalesce($5, description),
         revision = revision + 1, updated_at = forge.now(), updated_by = $6
     WHERE workspace_id = $1 AND id = $2 AND ($3::int8 IS NULL OR revision = $3)
     RETURNING id, name, description, revision, created_at, updated_at"
);

pub(super) const DELETE: Statement = sql!(
    "workflow.delete_project",
    writes(projects[id = $2]),
    (UUID, UUID),
    "DELETE FROM forge.projects WHERE workspace_id = $1 AND id = $2"
);

/// Names that a change would give twice.
pub(crate) const NAME_UNIQUE: &str = "projects_name_unique";
/// Workflows name a project that is there.
pub(crate) const HAS_WORKFLOWS: &str = "workflows_project";

/// The project that every workspace has: its id is the workspace's.
pub(crate) fn default_of(workspace: WorkspaceId) -> ProjectId {
    ProjectId(workspace.0)
}

/// Adds a project.
pub(crate) async fn create(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: ProjectId,
    name: &str,
    description: &str,
    principal: Option<PrincipalId>,
) -> Result<ProjectView, Error> {
    let principal = principal.map(|principal| principal.0);
    let parameters: [&(dyn db::ToSql + Sync); 5] =
        [&workspace.0, &id.0, &name, &description, &principal];
    view(workspace, &tx.query_one(&CREATE, &parameters).await?)
}

/// The project of this id, else of this name.
pub(crate) async fn find(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: Option<ProjectId>,
    name: &str,
) -> Result<Option<ProjectView>, Error> {
    let id = id.map(|id| id.0);
    let row = tx.query_opt(&FIND, &[&workspace.0, &id, &name]).await?;
    row.map(|row| view(workspace, &row)).transpose()
}

/// Projects by name, those behind `after`.
pub(crate) async fn list(
    tx: &mut Tx,
    workspace: WorkspaceId,
    after: Option<&str>,
    rows: i64,
) -> Result<Vec<ProjectView>, Error> {
    let rows = tx.query(&LIST, &[&workspace.0, &after, &rows]).await?;
    rows.iter().map(|row| view(workspace, row)).collect()
}

/// Changes what is given, where the project still has this revision.
pub(crate) async fn update(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: ProjectId,
    revision: Option<i64>,
    (name, description): (Option<&str>, Option<&str>),
    principal: Option<PrincipalId>,
) -> Result<Option<ProjectView>, Error> {
    let principal = principal.map(|principal| principal.0);
    let parameters: [&(dyn db::ToSql + Sync); 6] =
        [&workspace.0, &id.0, &revision, &name, &description, &principal];
    let row = tx.query_opt(&UPDATE, &parameters).await?;
    row.map(|row| view(workspace, &row)).transpose()
}

/// Deletes a project; a foreign key keeps one that has workflows.
pub(crate) async fn delete(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: ProjectId,
) -> Result<(), Error> {
    tx.execute(&DELETE, &[&workspace.0, &id.0]).await.map(drop)
}

fn view(workspace: WorkspaceId, row: &Row) -> Result<ProjectView, Error> {
    let id = ProjectId(row.column("id")?);
    Ok(ProjectView {
        id,
        name: row.column("name")?,
        description: row.column("description")?,
        default: id == default_of(workspace),
        revision: row.column("revision")?,
        created_at: row.column("created_at")?,
        updated_at: row.column("updated_at")?,
    })
}
