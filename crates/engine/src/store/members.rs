//! Members, their fences, and what happens to those that are gone.

use db::{Statement, sql};

/// Registers an incarnation with its fences; answers the database's time.
pub(crate) const JOIN: Statement = sql!(
    "engine.join_member",
    writes(members, fences),
    (UUID, TEXT, TEXT, TEXT_ARRAY, TEXT, INT2_ARRAY),
    "WITH member AS (
    INSERT INTO forge.members (id, name, address, roles, version, started_at, seen_at)
    VALUES ($1, $2, $3, $4, $5, forge.now(), forge.now())
    ON CONFLICT (id) DO NOTHING RETURNING id
), opened AS (
    INSERT INTO forge.fences (incarnation, lane)
    SELECT member.id, lane FROM member, unnest($6::int2[]) AS lane
)
SELECT forge.now()",
);

/// Renews a lease; answers the database's time and whether this incarnation is fenced.
pub(crate) const BEAT: Statement = sql!(
    "engine.renew_lease",
    reads(fences[incarnation = $1]) writes(members[id = $1]),
    (UUID),
    "UPDATE forge.members SET lease = lease + 1, seen_at = forge.now() WHERE id = $1
RETURNING seen_at, NOT EXISTS (SELECT FROM forge.fences f
    WHERE f.incarnation = $1 AND f.fenced_at IS NULL) AS fenced",
);

/// Notes a backend that writes for an incarnation, so that whoever fences it can end a stuck one.
pub(crate) const NOTE_BACKEND: Statement = sql!(
    "engine.note_backend",
    writes(members[id = $1]),
    (UUID, INT4, TIMESTAMPTZ),
    "UPDATE forge.members SET
    backend_pids = (backend_pids || $2)[greatest(cardinality(backend_pids) - 14, 1):],
    backend_starts = (backend_starts || $3)[greatest(cardinality(backend_starts) - 14, 1):]
WHERE id = $1",
);

/// The other incarnations that may still write, with the counters of their leases.
pub(crate) const OTHERS: Statement = sql!(
    "engine.list_other_members",
    reads(members, fences),
    (UUID),
    "SELECT m.id, m.name, m.lease FROM forge.members m
WHERE m.id <> $1 AND EXISTS (SELECT FROM forge.fences f
    WHERE f.incarnation = m.id AND f.fenced_at IS NULL)",
);

/// Declares an incarnation dead: closes all its fences at once, in order. Waits for its statements
/// under way. Its runs are taken by a later statement, [`super::runs::TAKE_OVER`], never by this one:
/// in one statement that would miss the run which a flush under way has just inserted.
pub(crate) const FENCE: Statement = sql!(
    "engine.fence_member",
    writes(fences[incarnation = $1], members[id = $1]),
    (UUID),
    "WITH open AS (
    SELECT incarnation, lane FROM forge.fences
    WHERE incarnation = $1 AND fenced_at IS NULL ORDER BY lane FOR UPDATE
), closed AS (
    UPDATE forge.fences f SET fenced_at = forge.now() FROM open o
    WHERE f.incarnation = o.incarnation AND f.lane = o.lane RETURNING f.lane
), ended AS (
    UPDATE forge.members SET ended_at = forge.now() WHERE id = $1 AND ended_at IS NULL
)
SELECT lane FROM closed",
);

/// The backends an incarnation has noted.
pub(crate) const BACKENDS: Statement = sql!(
    "engine.list_backends",
    reads(members[id = $1]),
    (UUID),
    "SELECT b.pid, b.started_at FROM forge.members m,
    unnest(m.backend_pids, m.backend_starts) AS b (pid, started_at) WHERE m.id = $1",
);

/// Forgets incarnations that ended before `$1` and own nothing any more.
pub(crate) const FORGET: Statement = sql!(
    "engine.forget_members",
    reads(runs, held) writes(members, fences),
    (TIMESTAMPTZ),
    "WITH old AS (
    DELETE FROM forge.members m WHERE m.ended_at < $1
        AND NOT EXISTS (SELECT FROM forge.runs r WHERE r.owner = m.id)
        AND NOT EXISTS (SELECT FROM forge.held h WHERE h.incarnation = m.id)
    RETURNING m.id
)
DELETE FROM forge.fences f USING old WHERE f.incarnation = old.id",
);
