//! The statements on parcels.

use db::{Statement, sql};

/// A new parcel.
pub(crate) const ADD: Statement = sql!(
    "parcels.add",
    writes(parcels),
    (UUID, UUID, TEXT, INT4),
    "INSERT INTO forge.parcels (workspace_id, id, receiver, grams) VALUES ($1, $2, $3, $4)",
);

/// Parcels before an id, newest first.
pub(crate) const LIST: Statement = sql!(
    "parcels.list",
    reads(parcels),
    (UUID, INT8),
    "SELECT id, receiver, grams, announced_at IS NOT NULL AS announced FROM forge.parcels
WHERE id < $1 ORDER BY id DESC LIMIT $2",
);

/// Notes that a parcel's receiver was told.
pub(crate) const ANNOUNCED: Statement = sql!(
    "parcels.announced",
    writes(parcels),
    (UUID),
    "UPDATE forge.parcels SET announced_at = forge.now() WHERE id = $1 AND announced_at IS NULL",
);
