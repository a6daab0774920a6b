//! All SQL of the vault.

use db::{Columns, Error, Row, Statement, Tx, sql};
use kernel::{PrincipalId, WorkspaceId};

use crate::model::SecretView;

const FIND_SECRET: Statement = sql!(
    "vault.find_secret",
    reads(secrets[workspace_id = $1, name = $2]),
    (UUID, TEXT),
    "SELECT key_id, sealed FROM forge.secrets WHERE workspace_id = $1 AND name = $2"
);

const FIND_MISSING: Statement = sql!(
    "vault.find_missing",
    reads(secrets[workspace_id = $1]),
    (UUID, TEXT_ARRAY),
    "SELECT wanted AS name FROM unnest($2::text[]) AS wanted
     WHERE NOT EXISTS (SELECT FROM forge.secrets s
         WHERE s.workspace_id = $1 AND s.name = wanted)
     ORDER BY wanted"
);

const LIST_SECRETS: Statement = sql!(
    "vault.list_secrets",
    reads(secrets[workspace_id = $1]),
    (UUID, TEXT, INT8),
    "SELECT name, created_at, updated_at FROM forge.secrets
     WHERE workspace_id = $1 AND ($2::text IS NULL OR name > $2)
     ORDER BY name LIMIT $3"
);

const SET_SECRET: Statement = sql!(
    "vault.set_secret",
    writes(secrets[workspace_id = $1, name = $2]),
    (UUID, TEXT, TEXT, BYTEA, UUID),
    "INSERT INTO forge.secrets (workspace_id, name, key_id, sealed, updated_by)
     VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (workspace_id, name) DO UPDATE
     SET key_id = excluded.key_id, sealed = excluded.sealed, updated_by = excluded.updated_by,
         updated_at = forge.now()
     RETURNING name, created_at, updated_at"
);

const DELETE_SECRET: Statement = sql!(
    "vault.delete_secret",
    writes(secrets[workspace_id = $1, name = $2]),
    (UUID, TEXT),
    "DELETE FROM forge.secrets WHERE workspace_id = $1 AND name = $2"
);

const RAISE_REVISION: Statement = sql!(
    "vault.raise_revision",
    writes(secret_revisions[workspace_id = $1]),
    (UUID),
    "INSERT INTO forge.secret_revisions AS r (workspace_id, revision) VALUES ($1, 1)
     ON CONFLICT (workspace_id) DO UPDATE SET revision = r.revision + 1"
);

/// Every statement of this crate.
pub const STATEMENTS: &[&Statement] =
    &[&DELETE_SECRET, &FIND_MISSING, &FIND_SECRET, &LIST_SECRETS, &RAISE_REVISION, &SET_SECRET];

/// A secret as it is stored.
pub(crate) struct SealedRow {
    pub(crate) key_id: String,
    pub(crate) sealed: Vec<u8>,
}

pub(crate) async fn find(
    tx: &mut Tx,
    workspace: WorkspaceId,
    name: &str,
) -> Result<Option<SealedRow>, Error> {
    let row = tx.query_opt(&FIND_SECRET, &[&workspace.0, &name]).await?;
    row.map(|row| Ok(SealedRow { key_id: row.column("key_id")?, sealed: row.column("sealed")? }))
        .transpose()
}

pub(crate) async fn find_missing(
    tx: &mut Tx,
    workspace: WorkspaceId,
    names: &[String],
) -> Result<Vec<String>, Error> {
    let rows = tx.query(&FIND_MISSING, &[&workspace.0, &names]).await?;
    rows.iter().map(|row| row.column("name")).collect()
}

/// At most `limit` secrets by name, those behind `after`.
pub(crate) async fn list(
    tx: &mut Tx,
    workspace: WorkspaceId,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<SecretView>, Error> {
    let rows = tx.query(&LIST_SECRETS, &[&workspace.0, &after, &limit]).await?;
    rows.iter().map(view).collect()
}

/// Sets a secret, new or not.
pub(crate) async fn set(
    tx: &mut Tx,
    workspace: WorkspaceId,
    name: &str,
    sealed: &SealedRow,
    by: PrincipalId,
) -> Result<SecretView, Error> {
    let parameters: db::Parameters<'_> =
        &[&workspace.0, &name, &sealed.key_id, &sealed.sealed, &by.0];
    let set = view(&tx.query_one(&SET_SECRET, parameters).await?)?;
    tx.execute(&RAISE_REVISION, &[&workspace.0]).await?;
    Ok(set)
}

/// Deletes a secret; whether there was one.
pub(crate) async fn delete(tx: &mut Tx, workspace: WorkspaceId, name: &str) -> Result<bool, Error> {
    let there = tx.execute(&DELETE_SECRET, &[&workspace.0, &name]).await? > 0;
    if there {
        tx.execute(&RAISE_REVISION, &[&workspace.0]).await?;
    }
    Ok(there)
}

fn view(row: &Row) -> Result<SecretView, Error> {
    Ok(SecretView {
        name: row.column("name")?,
        created_at: row.column("created_at")?,
        updated_at: row.column("updated_at")?,
    })
}
