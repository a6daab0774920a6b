//! The statements of maintenance: partitions, expiry, the invariant sweep.

use db::{Statement, sql};

/// Makes missing partitions from the day before `$1` to `$2` days after; answers how many.
pub(crate) const ADD_PARTITIONS: Statement = sql!(
    "engine.add_partitions",
    writes(journal, history, audit, events),
    (DATE, INT4),
    "SELECT forge.add_partitions($1, $2) + forge.add_log_partitions($1, $2)",
);

/// Partitions whose time is over on day `$1`.
pub(crate) const EXPIRED_PARTITIONS: Statement = sql!(
    "engine.list_expired_partitions",
    reads(runs),
    (DATE),
    "SELECT parent, child, state FROM forge.expired_partitions($1)
UNION ALL SELECT parent, child, state FROM forge.expired_log_partitions($1)",
);

/// Removes keys of runs that are older than `$1`, in the pages `$2` to `$3` of the table: a walk over
/// the table needs no index, which every start would pay for.
pub(crate) const EXPIRE_KEYS: Statement = sql!(
    "engine.expire_run_keys",
    writes(run_keys),
    (TIMESTAMPTZ, INT8, INT8),
    "DELETE FROM forge.run_keys k
WHERE k.ctid >= format('(%s,0)', $2)::tid AND k.ctid < format('(%s,0)', $3)::tid AND k.at < $1
    AND NOT EXISTS (SELECT FROM forge.runs r
        WHERE r.workspace_id = k.workspace_id AND r.id = k.run_id)",
);

/// Pages of the table of run keys.
pub(crate) const KEY_PAGES: Statement = sql!(
    "engine.count_run_key_pages",
    reads(run_keys),
    (),
    "SELECT pg_relation_size('forge.run_keys') / current_setting('block_size')::int8",
);

/// Looks at the next `$3` live runs after (`$1`, `$2`) in key order, and sets a timer for those that
/// nobody owns and nothing would ever wake: queued, due without a timer, or with a signal unread for
/// a while. Also lets go of runs whose owner is not known at all. Answers the last key seen, how many
/// runs were looked at, and how many repaired.
pub(crate) const SWEEP: Statement = sql!(
    "engine.sweep_runs",
    reads(fences, inbox) writes(runs, timers),
    (UUID, UUID, INT8),
    "WITH clock AS MATERIALIZED (SELECT forge.now() AS now
), slice AS MATERIALIZED (
    SELECT workspace_id, id, owner, state, due_at, signals FROM forge.runs
    WHERE (workspace_id, id) > ($1, $2) ORDER BY workspace_id, id LIMIT $3
), stuck AS (
    SELECT s.workspace_id, s.id, s.owner FROM slice s, clock
    WHERE CASE
        WHEN s.owner IS NOT NULL
            THEN NOT EXISTS (SELECT FROM forge.fences f WHERE f.incarnation = s.owner)
        WHEN s.due_at IS NOT NULL THEN NOT EXISTS (SELECT FROM forge.timers t
            WHERE t.due_at = s.due_at AND t.workspace_id = s.workspace_id AND t.run_id = s.id)
        WHEN s.state = 'waiting' THEN s.signals > 0 AND EXISTS (SELECT FROM forge.inbox i
            WHERE i.workspace_id = s.workspace_id AND i.run_id = s.id
                AND i.at < clock.now - interval '5 seconds')
        ELSE s.state <> 'paused'
        END
), mended AS (
    UPDATE forge.runs r SET owner = NULL, due_at = coalesce(r.due_at, clock.now)
    FROM stuck s, clock
    WHERE r.workspace_id = s.workspace_id AND r.id = s.id AND r.owner IS NOT DISTINCT FROM s.owner
    RETURNING r.due_at, r.workspace_id, r.id
), woken AS (
    INSERT INTO forge.timers (due_at, workspace_id, run_id)
    SELECT due_at, workspace_id, id FROM mended ON CONFLICT DO NOTHING
)
SELECT (SELECT count(*) FROM slice) AS seen, (SELECT count(*) FROM mended) AS repaired,
    (SELECT workspace_id FROM slice ORDER BY workspace_id DESC, id DESC LIMIT 1) AS last_workspace,
    (SELECT id FROM slice ORDER BY workspace_id DESC, id DESC LIMIT 1) AS last_run",
);

/// What takes an expired partition away, one statement after the other, from where an earlier attempt
/// left it. The names come from the catalogue ([`EXPIRED_PARTITIONS`]) and are plain words.
pub(crate) fn drop_partition(parent: &str, child: &str, state: &str) -> Vec<String> {
    let detach = format!("ALTER TABLE forge.{parent} DETACH PARTITION forge.{child}");
    let first = match state {
        "attached" => Some(format!("{detach} CONCURRENTLY")),
        "pending" => Some(format!("{detach} FINALIZE")),
        _ => None,
    };
    first.into_iter().chain([format!("DROP TABLE forge.{child}")]).collect()
}
