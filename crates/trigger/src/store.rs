//! All SQL of triggers: what listens where. The rest stands in files of its own.

pub(crate) mod addresses;
pub(crate) mod calls;
pub(crate) mod listenings;
pub(crate) mod signatures;

use db::{Columns, Error, Statement, Tx, sql};
use kernel::{VersionId, WorkflowId, WorkspaceId};
use tokio::sync::OnceCell;

use crate::address::{Route, Stage};
use crate::calls::Sampler;

const FIND_REVISION: Statement = sql!(
    "trigger.find_revision",
    reads(workspaces, hook_revisions),
    (TEXT),
    "SELECT workspace_id, revision FROM forge.find_hook_revision($1)"
);

const LIST_HOOKS: Statement = sql!(
    "trigger.list_hooks",
    reads(hooks[workspace_id = $1]),
    (UUID),
    "SELECT stage, workflow_id, version_id, method, path, node
     FROM forge.hooks WHERE workspace_id = $1
     ORDER BY stage, method, path, workflow_id DESC"
);

const REVISION: Statement = sql!(
    "trigger.revision",
    reads(hook_revisions[workspace_id = $1], secret_revisions[workspace_id = $1]),
    (UUID),
    "SELECT coalesce((SELECT revision FROM forge.hook_revisions WHERE workspace_id = $1), 0)
       + coalesce((SELECT revision FROM forge.secret_revisions WHERE workspace_id = $1), 0)
       AS revision"
);

const FIND_TAKEN: Statement = sql!(
    "trigger.find_taken",
    reads(hooks[workspace_id = $1], workflows[workspace_id = $1]),
    (UUID, UUID, TEXT_ARRAY, TEXT_ARRAY),
    "SELECT h.method, h.path, h.workflow_id, h.node, w.name
     FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS wanted (method, shape, place)
     JOIN forge.hooks h ON h.workspace_id = $1 AND h.method = wanted.method
       AND h.shape = wanted.shape AND h.stage = 'published'
     JOIN forge.workflows w ON w.workspace_id = $1 AND w.id = h.workflow_id
     WHERE h.workflow_id <> $2 ORDER BY wanted.place"
);

const REMOVE_HOOKS: Statement = sql!(
    "trigger.remove_hooks",
    writes(hooks[workspace_id = $1]),
    (UUID, TEXT, UUID),
    "DELETE FROM forge.hooks WHERE workspace_id = $1 AND stage = $2 AND workflow_id = $3"
);

const ADD_HOOKS: Statement = sql!(
    "trigger.add_hooks",
    writes(hooks),
    (UUID, TEXT, UUID, UUID, TEXT_ARRAY, TEXT_ARRAY, TEXT_ARRAY, TEXT_ARRAY, TEXT_ARRAY),
    "INSERT INTO forge.hooks
       (workspace_id, stage, workflow_id, version_id, method, path, shape, node, auth)
     SELECT $1, $2, $3, $4, method, path, shape, node, auth
     FROM unnest($5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
       AS wanted (method, path, shape, node, auth)"
);

const RAISE_REVISION: Statement = sql!(
    "trigger.raise_revision",
    writes(hook_revisions[workspace_id = $1]),
    (UUID),
    "INSERT INTO forge.hook_revisions AS r (workspace_id, revision) VALUES ($1, 1)
     ON CONFLICT (workspace_id) DO UPDATE SET revision = r.revision + 1"
);

/// Every statement of this crate.
pub const STATEMENTS: &[&Statement] = &[
    &ADD_HOOKS,
    &addresses::LIST_ADDRESSES,
    &calls::ADD_CALLS,
    &calls::LIST_CALLS,
    &calls::TRIM_CALLS,
    &FIND_REVISION,
    &FIND_TAKEN,
    &LIST_HOOKS,
    &listenings::CAPTURE,
    &listenings::FIND_LISTENING,
    &listenings::IS_WAITED_FOR,
    &listenings::LISTEN,
    &RAISE_REVISION,
    &REMOVE_HOOKS,
    &REVISION,
    &signatures::CLAIM,
    &signatures::EXPIRE,
    &signatures::RELEASE,
];

/// The constraint that keeps published addresses apart.
pub(crate) const ADDRESS_UNIQUE: &str = "hooks_address_unique";

/// The workspace of a slug and the revision of its hooks; needs no workspace.
pub(crate) async fn find_revision(
    tx: &mut Tx,
    slug: &str,
) -> Result<Option<(WorkspaceId, i64)>, Error> {
    let row = tx.query_opt(&FIND_REVISION, &[&slug]).await?;
    row.map(|row| Ok((WorkspaceId(row.column("workspace_id")?), row.column("revision")?)))
        .transpose()
}

/// Every hook of the workspace, with the revision they are of.
pub(crate) async fn list(tx: &mut Tx, workspace: WorkspaceId) -> Result<(i64, Vec<Route>), Error> {
    let revision = tx.query_one(&REVISION, &[&workspace.0]).await?.column("revision")?;
    let rows = tx.query(&LIST_HOOKS, &[&workspace.0]).await?;
    let routes = rows.iter().map(|row| {
        let stage: &str = row.column("stage")?;
        let version: Option<uuid::Uuid> = row.column("version_id")?;
        Ok(Route {
            stage: Stage::read(stage),
            workflow: WorkflowId(row.column("workflow_id")?),
            version: version.map(VersionId),
            method: row.column("method")?,
            path: row.column("path")?,
            node: row.column("node")?,
            target: OnceCell::new(),
            accepted: Sampler::default(),
            rejected: Sampler::default(),
        })
    });
    Ok((revision, routes.collect::<Result<_, Error>>()?))
}

/// The hooks of one workflow at one stage, column by column.
#[derive(Default)]
pub(crate) struct HookRows {
    pub(crate) methods: Vec<String>,
    pub(crate) paths: Vec<String>,
    pub(crate) shapes: Vec<String>,
    pub(crate) nodes: Vec<String>,
    pub(crate) auths: Vec<String>,
}

/// An address another workflow has published.
pub(crate) struct Taken {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) node: String,
    pub(crate) workflow: WorkflowId,
    pub(crate) workflow_name: String,
}

/// Those of these addresses that other workflows have.
pub(crate) async fn find_taken(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: WorkflowId,
    hooks: &HookRows,
) -> Result<Vec<Taken>, Error> {
    let parameters: [&(dyn db::ToSql + Sync); 4] =
        [&workspace.0, &workflow.0, &hooks.methods, &hooks.shapes];
    let rows = tx.query(&FIND_TAKEN, &parameters).await?;
    let taken = rows.iter().map(|row| {
        Ok(Taken {
            method: row.column("method")?,
            path: row.column("path")?,
            node: row.column("node")?,
            workflow: WorkflowId(row.column("workflow_id")?),
            workflow_name: row.column("name")?,
        })
    });
    taken.collect()
}

/// Replaces what a workflow listens to at one stage.
pub(crate) async fn replace(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: WorkflowId,
    version: Option<VersionId>,
    hooks: &HookRows,
) -> Result<(), Error> {
    let stage = if version.is_some() { Stage::Published } else { Stage::Draft }.as_str();
    let removed = tx.execute(&REMOVE_HOOKS, &[&workspace.0, &stage, &workflow.0]).await?;
    if !hooks.methods.is_empty() {
        let version = version.map(|version| version.0);
        let parameters: [&(dyn db::ToSql + Sync); 9] = [
            &workspace.0,
            &stage,
            &workflow.0,
            &version,
            &hooks.methods,
            &hooks.paths,
            &hooks.shapes,
            &hooks.nodes,
            &hooks.auths,
        ];
        tx.execute(&ADD_HOOKS, &parameters).await?;
    }
    if removed > 0 || !hooks.methods.is_empty() {
        tx.execute(&RAISE_REVISION, &[&workspace.0]).await?;
    }
    Ok(())
}
