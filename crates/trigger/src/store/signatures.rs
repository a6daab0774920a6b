//! Signatures that were accepted.

use db::{Error, Statement, Tx, sql};
use jiff::Timestamp;
use kernel::WorkspaceId;

/// Takes a signature; no row is added when it is taken.
pub(crate) const CLAIM: Statement = sql!(
    "trigger.claim_signature",
    writes(hook_signatures[workspace_id = $1, hash = $2]),
    (UUID, BYTEA, TIMESTAMPTZ),
    "INSERT INTO forge.hook_signatures (workspace_id, hash, expires_at) VALUES ($1, $2, $3)
     ON CONFLICT (workspace_id, hash) DO NOTHING"
);

/// Gives a signature back.
pub(crate) const RELEASE: Statement = sql!(
    "trigger.release_signature",
    writes(hook_signatures[workspace_id = $1, hash = $2]),
    (UUID, BYTEA),
    "DELETE FROM forge.hook_signatures WHERE workspace_id = $1 AND hash = $2"
);

/// Forgets some signatures whose time is over. What another member forgets is left to it.
pub(crate) const EXPIRE: Statement = sql!(
    "trigger.expire_signatures",
    writes(hook_signatures[workspace_id = $1]),
    (UUID, TIMESTAMPTZ, INT8),
    "DELETE FROM forge.hook_signatures WHERE workspace_id = $1 AND hash IN (
         SELECT hash FROM forge.hook_signatures
         WHERE workspace_id = $1 AND expires_at < $2
         ORDER BY expires_at LIMIT $3 FOR UPDATE SKIP LOCKED)"
);

/// Whether the signature was free.
pub(crate) async fn claim(
    tx: &mut Tx,
    workspace: WorkspaceId,
    hash: &[u8],
    expires_at: Timestamp,
) -> Result<bool, Error> {
    Ok(tx.execute(&CLAIM, &[&workspace.0, &hash, &expires_at]).await? > 0)
}

pub(crate) async fn release(tx: &mut Tx, workspace: WorkspaceId, hash: &[u8]) -> Result<(), Error> {
    tx.execute(&RELEASE, &[&workspace.0, &hash]).await.map(drop)
}

pub(crate) async fn expire(
    tx: &mut Tx,
    workspace: WorkspaceId,
    before: Timestamp,
    limit: i64,
) -> Result<(), Error> {
    tx.execute(&EXPIRE, &[&workspace.0, &before, &limit]).await.map(drop)
}
