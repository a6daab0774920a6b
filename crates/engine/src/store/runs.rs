//! Runs outside of the flush: finding, taking over, waking, signalling.

use db::{Statement, sql};

/// A run in one statement, live or finished; `$3` is the UTC day of its id. A finished one stands in
/// exactly one of the two tables at any moment.
pub(crate) const FIND: Statement = sql!(
    "engine.find_run",
    reads(runs[workspace_id = $1, id = $2], history[workspace_id = $1, run_id = $2]),
    (UUID, UUID, DATE),
    "SELECT workspace_id, id, workflow_id, version_id, state, owner, epoch, segment, base_seq,
    signals, reclaims, started_at, deadline_at, NULL::timestamptz AS finished_at, checkpoint AS body
FROM forge.runs WHERE workspace_id = $1 AND id = $2
UNION ALL
SELECT workspace_id, run_id, workflow_id, version_id, state, NULL, 0, NULL, 0, 0, 0::int2,
    started_at, NULL, finished_at, body
FROM forge.history WHERE workspace_id = $1 AND run_id = $2 AND day >= $3",
);

/// A run's journal after its checkpoint, in pieces.
pub(crate) const JOURNAL: Statement = sql!(
    "engine.read_journal",
    reads(journal[segment = $1, workspace_id = $2, run_id = $3]),
    (DATE, UUID, UUID, INT4, INT8),
    "SELECT seq, body FROM forge.journal
WHERE segment = $1 AND workspace_id = $2 AND run_id = $3 AND seq > $4 ORDER BY seq LIMIT $5",
);

/// The run that holds a key.
pub(crate) const FIND_KEY: Statement = sql!(
    "engine.find_run_key",
    reads(run_keys[workspace_id = $1, key = $2]),
    (UUID, TEXT),
    "SELECT run_id FROM forge.run_keys WHERE workspace_id = $1 AND key = $2",
);

/// Takes runs whose owner is fenced. The standing predicate "the owner's fence is closed" makes it
/// repeatable until it finds nothing. `$2` is the fence of the taker.
pub(crate) const TAKE_OVER: Statement = sql!(
    "engine.take_over_runs",
    reads(fences) writes(runs),
    (UUID, INT2, INT8),
    concat!(
        db::fence!(),
        ", lost AS MATERIALIZED (
    SELECT r.workspace_id, r.id FROM fence, forge.fences dead
        JOIN forge.runs r ON r.owner = dead.incarnation
    WHERE dead.lane = 0 AND dead.fenced_at IS NOT NULL
    LIMIT $3 FOR UPDATE OF r SKIP LOCKED
)
UPDATE forge.runs r SET owner = $1, epoch = r.epoch + 1, reclaims = r.reclaims + 1,
    state = 'running', due_at = NULL
FROM lost WHERE r.workspace_id = lost.workspace_id AND r.id = lost.id
RETURNING r.workspace_id, r.id, r.workflow_id, r.version_id, r.state, r.owner, r.epoch, r.segment,
    r.base_seq, r.signals, r.reclaims, r.started_at, r.deadline_at, r.checkpoint AS body"
    ),
);

/// Takes parked runs whose time has come or that were signalled; all their timers go, and stale ones.
pub(crate) const TAKE_DUE: Statement = sql!(
    "engine.take_due_runs",
    reads(fences[incarnation = $1, lane = $2]) writes(runs, timers),
    (UUID, INT2, INT8),
    concat!(
        db::fence!(),
        ", due AS MATERIALIZED (
    SELECT t.due_at, t.workspace_id, t.run_id FROM fence, forge.timers t
    WHERE t.due_at <= (SELECT forge.now()) ORDER BY t.due_at LIMIT $3
    FOR UPDATE OF t SKIP LOCKED
), gone AS (
    DELETE FROM forge.timers t USING due d
    WHERE t.due_at = d.due_at AND t.workspace_id = d.workspace_id AND t.run_id = d.run_id
), woken AS MATERIALIZED (
    SELECT r.workspace_id, r.id, r.due_at
    FROM (SELECT DISTINCT workspace_id, run_id FROM due) d
        JOIN forge.runs r ON r.workspace_id = d.workspace_id AND r.id = d.run_id
    WHERE r.owner IS NULL FOR UPDATE OF r
), unset AS (
    DELETE FROM forge.timers t USING woken w
    WHERE t.due_at = w.due_at AND t.due_at > (SELECT forge.now())
        AND t.workspace_id = w.workspace_id AND t.run_id = w.id
)
UPDATE forge.runs r SET owner = $1, epoch = r.epoch + 1, state = 'running', due_at = NULL
FROM woken w WHERE r.workspace_id = w.workspace_id AND r.id = w.id AND r.owner IS NULL
RETURNING r.workspace_id, r.id, r.workflow_id, r.version_id, r.state, r.owner, r.epoch, r.segment,
    r.base_seq, r.signals, r.reclaims, r.started_at, r.deadline_at, r.checkpoint AS body"
    ),
);

/// Sends a signal: counts it on the run, puts it into the inbox, and wakes the run if nobody holds
/// it. No row: there is no such live run. May be sent twice.
pub(crate) const SIGNAL: Statement = sql!(
    "engine.signal_run",
    writes(runs[workspace_id = $1, id = $2], inbox, timers),
    (UUID, UUID, UUID, TEXT, BYTEA),
    "WITH run AS (
    UPDATE forge.runs SET signals = signals + 1 WHERE workspace_id = $1 AND id = $2
    RETURNING owner
), sent AS (
    INSERT INTO forge.inbox (workspace_id, run_id, id, kind, body, owner, at)
    SELECT $1, $2, $3, $4, $5, run.owner, forge.now() FROM run
    ON CONFLICT DO NOTHING
), woken AS (
    INSERT INTO forge.timers (due_at, workspace_id, run_id)
    SELECT forge.now(), $1, $2 FROM run WHERE run.owner IS NULL
    ON CONFLICT DO NOTHING
)
SELECT owner FROM run",
);

/// A run's signals, oldest first.
pub(crate) const INBOX: Statement = sql!(
    "engine.read_inbox",
    reads(inbox[workspace_id = $1, run_id = $2]),
    (UUID, UUID),
    "SELECT id, kind, body FROM forge.inbox WHERE workspace_id = $1 AND run_id = $2 ORDER BY at, id",
);

/// Runs of an owner with something in their inbox.
pub(crate) const SIGNALLED: Statement = sql!(
    "engine.list_signalled_runs",
    reads(inbox[owner = $1]),
    (UUID),
    "SELECT DISTINCT workspace_id, run_id FROM forge.inbox WHERE owner = $1",
);

/// Removes signals that the run's journal contains.
pub(crate) const CONSUME: Statement = sql!(
    "engine.consume_signals",
    writes(inbox[workspace_id = $1, run_id = $2]),
    (UUID, UUID, UUID_ARRAY),
    "DELETE FROM forge.inbox WHERE workspace_id = $1 AND run_id = $2 AND id = ANY ($3)",
);

/// What an owner owns, for comparing with its memory.
pub(crate) const OWNED: Statement = sql!(
    "engine.list_owned_runs",
    reads(runs[owner = $1]),
    (UUID),
    "SELECT workspace_id, id FROM forge.runs WHERE owner = $1",
);
