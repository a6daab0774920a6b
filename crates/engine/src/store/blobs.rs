//! Blobs and their chunks.

use db::{Statement, sql};

/// Which of these blobs are there, whole; their expiry is raised to `$3`.
pub(crate) const TOUCH: Statement = sql!(
    "engine.touch_blobs",
    writes(blobs[workspace_id = $1]),
    (UUID, BYTEA_ARRAY, TIMESTAMPTZ),
    "UPDATE forge.blobs SET expires_at = greatest(expires_at, $3)
WHERE workspace_id = $1 AND hash = ANY ($2) AND sealed RETURNING hash",
);

/// Keeps these blobs at least until `$3`; nothing is written where that is so already. Answers those
/// that are there.
pub(crate) const KEEP: Statement = sql!(
    "engine.keep_blobs",
    reads(blobs[workspace_id = $1]) writes(blobs[workspace_id = $1]),
    (UUID, BYTEA_ARRAY, TIMESTAMPTZ),
    "WITH kept AS (
    UPDATE forge.blobs SET expires_at = $3
    WHERE workspace_id = $1 AND hash = ANY ($2) AND sealed AND expires_at < $3
)
SELECT hash FROM forge.blobs WHERE workspace_id = $1 AND hash = ANY ($2) AND sealed",
);

/// A blob of one chunk. The chunk comes out of the blob's row, which is locked by then: an expiry
/// under way is waited for before the chunk is looked at.
pub(crate) const ADD_SMALL: Statement = sql!(
    "engine.add_small_blob",
    writes(blobs[workspace_id = $1, hash = $2], blob_chunks[workspace_id = $1, hash = $2]),
    (UUID, BYTEA, INT8, TIMESTAMPTZ, BYTEA),
    "WITH blob AS (
    INSERT INTO forge.blobs (workspace_id, hash, size, sealed, expires_at)
    VALUES ($1, $2, $3, true, $4)
    ON CONFLICT (workspace_id, hash) DO UPDATE
    SET sealed = true, expires_at = greatest(blobs.expires_at, excluded.expires_at)
    RETURNING workspace_id, hash
)
INSERT INTO forge.blob_chunks (workspace_id, hash, chunk, body)
SELECT workspace_id, hash, 0, $5 FROM blob ON CONFLICT DO NOTHING",
);

/// Begins a blob of several chunks. `$4`: when it goes unless it is sealed before.
pub(crate) const BEGIN: Statement = sql!(
    "engine.begin_blob",
    writes(blobs[workspace_id = $1, hash = $2]),
    (UUID, BYTEA, INT8, TIMESTAMPTZ),
    "INSERT INTO forge.blobs (workspace_id, hash, size, sealed, expires_at)
VALUES ($1, $2, $3, false, $4)
ON CONFLICT (workspace_id, hash)
DO UPDATE SET expires_at = greatest(blobs.expires_at, excluded.expires_at)",
);

/// Writes one chunk; a second time it does nothing.
pub(crate) const ADD_CHUNK: Statement = sql!(
    "engine.add_blob_chunk",
    writes(blob_chunks[workspace_id = $1, hash = $2]),
    (UUID, BYTEA, INT4, BYTEA),
    "INSERT INTO forge.blob_chunks (workspace_id, hash, chunk, body) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING",
);

/// Says that all chunks of a blob are there. No row changed: it expired meanwhile, begin again.
pub(crate) const SEAL: Statement = sql!(
    "engine.seal_blob",
    writes(blobs[workspace_id = $1, hash = $2]),
    (UUID, BYTEA, TIMESTAMPTZ),
    "UPDATE forge.blobs SET sealed = true, expires_at = greatest(expires_at, $3)
WHERE workspace_id = $1 AND hash = $2",
);

/// Gives the chunks of blob `$2` to blob `$3`, whose row is there, but for those it has.
pub(crate) const MOVE_CHUNKS: Statement = sql!(
    "engine.move_blob_chunks",
    writes(blob_chunks[workspace_id = $1]),
    (UUID, BYTEA, BYTEA),
    "UPDATE forge.blob_chunks c SET hash = $3
WHERE c.workspace_id = $1 AND c.hash = $2 AND NOT EXISTS (SELECT FROM forge.blob_chunks o
    WHERE o.workspace_id = $1 AND o.hash = $3 AND o.chunk = c.chunk)",
);

/// Deletes a blob that nobody names.
pub(crate) const DROP: Statement = sql!(
    "engine.drop_blob",
    writes(blobs[workspace_id = $1, hash = $2], blob_chunks[workspace_id = $1, hash = $2]),
    (UUID, BYTEA),
    "WITH gone AS (
    DELETE FROM forge.blobs WHERE workspace_id = $1 AND hash = $2 RETURNING hash
)
DELETE FROM forge.blob_chunks c USING gone WHERE c.workspace_id = $1 AND c.hash = gone.hash",
);

/// A whole blob's size.
pub(crate) const FIND: Statement = sql!(
    "engine.find_blob",
    reads(blobs[workspace_id = $1, hash = $2]),
    (UUID, BYTEA),
    "SELECT size FROM forge.blobs WHERE workspace_id = $1 AND hash = $2 AND sealed",
);

/// One chunk.
pub(crate) const CHUNK: Statement = sql!(
    "engine.read_blob_chunk",
    reads(blob_chunks[workspace_id = $1, hash = $2, chunk = $3]),
    (UUID, BYTEA, INT4),
    "SELECT body FROM forge.blob_chunks WHERE workspace_id = $1 AND hash = $2 AND chunk = $3",
);

/// Deletes blobs that expired before `$1`, some at a time. The rows go first and are locked: a
/// writer that names such a blob at the same moment waits, finds it gone and writes it anew.
pub(crate) const EXPIRE: Statement = sql!(
    "engine.expire_blobs",
    writes(blobs, blob_chunks),
    (TIMESTAMPTZ, INT8),
    "WITH old AS MATERIALIZED (
    SELECT workspace_id, hash FROM forge.blobs
    WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM forge.blobs b USING old
    WHERE b.workspace_id = old.workspace_id AND b.hash = old.hash
    RETURNING b.workspace_id, b.hash
)
DELETE FROM forge.blob_chunks c USING gone
WHERE c.workspace_id = gone.workspace_id AND c.hash = gone.hash",
);
