//! All SQL of identity.

use db::{Columns, Error, Row, Session, Statement, ToSql, Tx, sql};
use jiff::Timestamp;
use kernel::{ApiKeyId, PrincipalId, WorkspaceId};
use uuid::Uuid;

use crate::model::{ApiKeyView, WorkspaceView};

const FIND_KEY: Statement = sql!(
    "identity.find_key",
    reads(api_keys[prefix = $1]),
    (TEXT),
    "SELECT workspace_id, slug, id, principal_id, hash, scopes, expires_at
     FROM forge.find_api_key($1)"
);

const TOUCH_KEY: Statement = sql!(
    "identity.touch_key",
    writes(api_keys[id = $2]),
    (UUID, UUID),
    "UPDATE forge.api_keys SET last_used_at = forge.now()
     WHERE workspace_id = $1 AND id = $2
       AND (last_used_at IS NULL OR last_used_at < (SELECT forge.now()) - interval '1 minute')"
);

const FIND_WORKSPACE: Statement = sql!(
    "identity.find_workspace",
    reads(workspaces[workspace_id = $1]),
    (UUID),
    "SELECT workspace_id, slug, name, created_at FROM forge.workspaces WHERE workspace_id = $1"
);

const LIST_KEYS: Statement = sql!(
    "identity.list_keys",
    reads(api_keys[workspace_id = $1]),
    (UUID, UUID, BOOL, INT8),
    "SELECT id, name, prefix, scopes, created_at, last_used_at, expires_at, revoked_at
     FROM forge.api_keys
     WHERE workspace_id = $1 AND ($2::uuid IS NULL OR id < $2)
       AND ($3::bool IS NULL OR (revoked_at IS NOT NULL) = $3)
     ORDER BY id DESC LIMIT $4"
);

const LIST_KEYS_BY_NAME: Statement = sql!(
    "identity.list_keys_by_name",
    reads(api_keys[workspace_id = $1]),
    (UUID, TEXT, UUID, BOOL, INT8),
    "SELECT id, name, prefix, scopes, created_at, last_used_at, expires_at, revoked_at
     FROM forge.api_keys
     WHERE workspace_id = $1 AND ($2::text IS NULL OR (name, id) > ($2, $3))
       AND ($4::bool IS NULL OR (revoked_at IS NOT NULL) = $4)
     ORDER BY name, id LIMIT $5"
);

const ADD_KEY: Statement = sql!(
    "identity.add_key",
    writes(api_keys),
    (UUID, UUID, UUID, TEXT, TEXT, BYTEA, TEXT_ARRAY, TIMESTAMPTZ),
    "INSERT INTO forge.api_keys
       (workspace_id, id, principal_id, name, prefix, hash, scopes, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
     RETURNING id, name, prefix, scopes, created_at, last_used_at, expires_at, revoked_at"
);

const FIND_KEY_BY_ID: Statement = sql!(
    "identity.find_key_by_id",
    reads(api_keys[id = $2]),
    (UUID, UUID),
    "SELECT id, name, prefix, scopes, created_at, last_used_at, expires_at, revoked_at
     FROM forge.api_keys WHERE workspace_id = $1 AND id = $2"
);

const RENAME_KEY: Statement = sql!(
    "identity.rename_key",
    writes(api_keys[id = $2]),
    (UUID, UUID, TEXT),
    "UPDATE forge.api_keys SET name = $3 WHERE workspace_id = $1 AND id = $2"
);

const RENAME_WORKSPACE: Statement = sql!(
    "identity.rename_workspace",
    writes(workspaces[workspace_id = $1]),
    (UUID, TEXT),
    "UPDATE forge.workspaces SET name = $2 WHERE workspace_id = $1"
);

const REVOKE_KEY: Statement = sql!(
    "identity.revoke_key",
    writes(api_keys[id = $2]),
    (UUID, UUID),
    "UPDATE forge.api_keys SET revoked_at = coalesce(revoked_at, forge.now())
     WHERE workspace_id = $1 AND id = $2"
);

/// One statement, so that of several members that start at once exactly one makes the workspace.
const CREATE_FIRST: Statement = sql!(
    "identity.create_first",
    reads(workspaces) writes(workspaces, principals, api_keys),
    (UUID, TEXT, UUID, UUID, TEXT, BYTEA),
    "WITH made AS (
       INSERT INTO forge.workspaces (workspace_id, slug, name)
       SELECT $1, $2, 'Default' WHERE NOT EXISTS (SELECT FROM forge.workspaces)
       ON CONFLICT DO NOTHING RETURNING workspace_id),
     owner AS (
       INSERT INTO forge.principals (workspace_id, id, kind, name)
       SELECT workspace_id, $3, 'owner', 'Owner' FROM made RETURNING workspace_id, id),
     key AS (
       INSERT INTO forge.api_keys (workspace_id, id, principal_id, name, prefix, hash, scopes)
       SELECT workspace_id, $4, id, 'First key', $5, $6, ARRAY['*'] FROM owner
       RETURNING workspace_id)
     SELECT workspace_id FROM key"
);

const ADD_OWNER_KEY: Statement = sql!(
    "identity.add_owner_key",
    reads(workspaces, principals) writes(api_keys),
    (TEXT, UUID, TEXT, TEXT, BYTEA),
    "INSERT INTO forge.api_keys (workspace_id, id, principal_id, name, prefix, hash, scopes)
     SELECT w.workspace_id, $2, p.id, $3, $4, $5, ARRAY['*']
     FROM forge.workspaces w
     JOIN forge.principals p ON p.workspace_id = w.workspace_id AND p.kind = 'owner'
     WHERE w.slug = $1 ORDER BY p.created_at, p.id LIMIT 1
     RETURNING id"
);

/// Every statement of this crate.
pub const STATEMENTS: &[&Statement] = &[
    &ADD_KEY,
    &ADD_OWNER_KEY,
    &CREATE_FIRST,
    &FIND_KEY,
    &FIND_KEY_BY_ID,
    &FIND_WORKSPACE,
    &LIST_KEYS,
    &LIST_KEYS_BY_NAME,
    &RENAME_KEY,
    &RENAME_WORKSPACE,
    &REVOKE_KEY,
    &TOUCH_KEY,
];

/// A valid key's row, as far as a caller is made of it.
pub(crate) struct KeyRow {
    pub(crate) workspace: WorkspaceId,
    pub(crate) slug: String,
    pub(crate) id: ApiKeyId,
    pub(crate) principal: PrincipalId,
    pub(crate) hash: Vec<u8>,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires_at: Option<Timestamp>,
}

/// The key of this prefix unless it is revoked; needs no workspace.
pub(crate) async fn find_key(tx: &mut Tx, prefix: &str) -> Result<Option<KeyRow>, Error> {
    let row = tx.query_opt(&FIND_KEY, &[&prefix]).await?;
    row.map(|row| {
        Ok(KeyRow {
            workspace: WorkspaceId(row.column("workspace_id")?),
            slug: row.column("slug")?,
            id: ApiKeyId(row.column("id")?),
            principal: PrincipalId(row.column("principal_id")?),
            hash: row.column("hash")?,
            scopes: row.column("scopes")?,
            expires_at: row.column("expires_at")?,
        })
    })
    .transpose()
}

/// Notes that a key is in use, at most once a minute.
pub(crate) async fn touch_key(
    tx: &mut Tx,
    workspace: WorkspaceId,
    key: ApiKeyId,
) -> Result<(), Error> {
    tx.execute(&TOUCH_KEY, &[&workspace.0, &key.0]).await.map(drop)
}

/// The workspace.
pub(crate) async fn find_workspace(
    tx: &mut Tx,
    workspace: WorkspaceId,
) -> Result<Option<WorkspaceView>, Error> {
    let row = tx.query_opt(&FIND_WORKSPACE, &[&workspace.0]).await?;
    row.map(|row| {
        Ok(WorkspaceView {
            id: WorkspaceId(row.column("workspace_id")?),
            slug: row.column("slug")?,
            name: row.column("name")?,
            created_at: row.column("created_at")?,
        })
    })
    .transpose()
}

/// Keys, newest first, older than `before`; all, or those that are revoked, or the others.
pub(crate) async fn list_keys(
    tx: &mut Tx,
    workspace: WorkspaceId,
    revoked: Option<bool>,
    before: Option<ApiKeyId>,
    rows: i64,
) -> Result<Vec<ApiKeyView>, Error> {
    let before = before.map(|id| id.0);
    let rows = tx.query(&LIST_KEYS, &[&workspace.0, &before, &revoked, &rows]).await?;
    rows.iter().map(view).collect()
}

/// Keys by name and id, behind `after`; which ones, as [`list_keys`].
pub(crate) async fn list_keys_by_name(
    tx: &mut Tx,
    workspace: WorkspaceId,
    revoked: Option<bool>,
    after: Option<(String, ApiKeyId)>,
    rows: i64,
) -> Result<Vec<ApiKeyView>, Error> {
    let (name, id) = after.map(|(name, id)| (name, id.0)).unzip();
    let parameters: db::Parameters<'_> = &[&workspace.0, &name, &id, &revoked, &rows];
    let rows = tx.query(&LIST_KEYS_BY_NAME, parameters).await?;
    rows.iter().map(view).collect()
}

/// One key of the workspace.
pub(crate) async fn find_api_key(
    tx: &mut Tx,
    workspace: WorkspaceId,
    key: ApiKeyId,
) -> Result<Option<ApiKeyView>, Error> {
    let row = tx.query_opt(&FIND_KEY_BY_ID, &[&workspace.0, &key.0]).await?;
    row.as_ref().map(view).transpose()
}

/// Gives a key another name.
pub(crate) async fn rename_key(
    tx: &mut Tx,
    workspace: WorkspaceId,
    key: ApiKeyId,
    name: &str,
) -> Result<(), Error> {
    tx.execute(&RENAME_KEY, &[&workspace.0, &key.0, &name]).await.map(drop)
}

/// Gives the workspace another name.
pub(crate) async fn rename_workspace(
    tx: &mut Tx,
    workspace: WorkspaceId,
    name: &str,
) -> Result<(), Error> {
    tx.execute(&RENAME_WORKSPACE, &[&workspace.0, &name]).await.map(drop)
}

/// What a new key's row holds.
pub(crate) struct NewKeyRow<'a> {
    pub(crate) id: ApiKeyId,
    pub(crate) principal: PrincipalId,
    pub(crate) name: &'a str,
    pub(crate) prefix: &'a str,
    pub(crate) hash: &'a [u8],
    pub(crate) scopes: &'a [String],
    pub(crate) expires_at: Option<Timestamp>,
}

/// Stores a key.
pub(crate) async fn add_key(
    tx: &mut Tx,
    workspace: WorkspaceId,
    key: &NewKeyRow<'_>,
) -> Result<ApiKeyView, Error> {
    let row = tx
        .query_one(
            &ADD_KEY,
            &[
                &workspace.0,
                &key.id.0,
                &key.principal.0,
                &key.name,
                &key.prefix,
                &key.hash,
                &key.scopes,
                &key.expires_at,
            ],
        )
        .await?;
    view(&row)
}

/// Revokes a key; false when there is none. A revoked one keeps its time.
pub(crate) async fn revoke_key(
    tx: &mut Tx,
    workspace: WorkspaceId,
    key: ApiKeyId,
) -> Result<bool, Error> {
    Ok(tx.execute(&REVOKE_KEY, &[&workspace.0, &key.0]).await? == 1)
}

/// What the first start makes.
pub(crate) struct First<'a> {
    pub(crate) workspace: WorkspaceId,
    pub(crate) slug: &'a str,
    pub(crate) owner: PrincipalId,
    pub(crate) key: ApiKeyId,
    pub(crate) prefix: &'a str,
    pub(crate) hash: &'a [u8],
}

/// Makes the first workspace with its owner and key; false when there is a workspace already.
pub(crate) async fn create_first(owner: &Session, first: &First<'_>) -> Result<bool, Error> {
    let values: [&(dyn ToSql + Sync); 6] =
        [&first.workspace.0, &first.slug, &first.owner.0, &first.key.0, &first.prefix, &first.hash];
    let typed: Vec<_> = values.into_iter().zip(CREATE_FIRST.parameters.iter().cloned()).collect();
    let rows = owner.query_typed(CREATE_FIRST.text, &typed).await?;
    Ok(rows.len() == 1)
}

/// What a further key of the first workspace's owner is made of.
pub(crate) struct OwnerKey<'a> {
    pub(crate) slug: &'a str,
    pub(crate) id: ApiKeyId,
    pub(crate) name: &'a str,
    pub(crate) prefix: &'a str,
    pub(crate) hash: &'a [u8],
}

/// Stores a key of a workspace's owner; false when there is no such workspace.
pub(crate) async fn add_owner_key(owner: &Session, key: &OwnerKey<'_>) -> Result<bool, Error> {
    let values: [&(dyn ToSql + Sync); 5] =
        [&key.slug, &key.id.0, &key.name, &key.prefix, &key.hash];
    let typed: Vec<_> = values.into_iter().zip(ADD_OWNER_KEY.parameters.iter().cloned()).collect();
    let rows = owner.query_typed(ADD_OWNER_KEY.text, &typed).await?;
    Ok(rows.len() == 1)
}

fn view(row: &Row) -> Result<ApiKeyView, Error> {
    Ok(ApiKeyView {
        id: ApiKeyId(row.column::<Uuid>("id")?),
        name: row.column("name")?,
        prefix: row.column("prefix")?,
        scopes: row.column("scopes")?,
        created_at: row.column("created_at")?,
        last_used_at: row.column("last_used_at")?,
        expires_at: row.column("expires_at")?,
        revoked_at: row.column("revoked_at")?,
    })
}
