//! The statements of the flush.
//!
//! Operations travel as parallel arrays, one element an operation: `s` start, `p` progress, `t` park,
//! `r` renew, `e` end, `w` whole. Everything comes FROM the fence, so that a fenced incarnation
//! writes nothing; what concerns an existing run is tied to owner and epoch. Rows that follow from
//! an UPDATE or DELETE travel in its RETURNING: read by a join they would miss a concurrent signal.

use db::{Statement, sql};

/// What stands about runs beside their rows: `labels` and `failures` select the runs that have some.
macro_rules! marks {
    ($labels:literal, $failures:literal) => {
        concat!(
            "labelled AS (
    INSERT INTO forge.run_labels (workspace_id, run_id, label, class, day)
    SELECT x.ws, x.id, label, x.class, x.day FROM (
        ",
            $labels,
            "
    ) x, unnest(string_to_array(x.labels, chr(31))) label
    ON CONFLICT (workspace_id, run_id, label)
    DO UPDATE SET class = excluded.class, day = excluded.day
), failed AS (
    INSERT INTO forge.run_failures (workspace_id, run_id, class, day, code, node, detail)
    SELECT x.ws, x.id, x.class, x.day, split_part(x.failure, chr(31), 1),
        split_part(x.failure, chr(31), 2), split_part(x.failure, chr(31), 3) FROM (
        ",
            $failures,
            "
    ) x ON CONFLICT DO NOTHING
)
"
        )
    };
}

/// Any mixture of operations. Answers `(what, n, signals)`: what 0: the fence is open; 1: the run is
/// ours; 2: the key was free; 3: parked, renewed or ended. `n` counts the operations from 1.
pub(crate) const FLUSH: Statement = sql!(
    "engine.flush",
    reads(fences[incarnation = $1, lane = $2])
    writes(run_keys, runs, timers, inbox, journal, history, run_labels, run_failures),
    (UUID, INT2, CHAR_ARRAY, UUID_ARRAY, UUID_ARRAY, INT4_ARRAY, INT4_ARRAY, INT4_ARRAY, UUID_ARRAY,
     UUID_ARRAY, TEXT_ARRAY, TIMESTAMPTZ_ARRAY, TIMESTAMPTZ_ARRAY, DATE_ARRAY, INT2_ARRAY,
     TEXT_ARRAY, BYTEA_ARRAY, TEXT_ARRAY, TEXT_ARRAY),
    concat!(
        db::fence!(),
        r#", m AS MATERIALIZED (
    SELECT u.* FROM fence, unnest($3::"char"[], $4::uuid[], $5::uuid[], $6::int4[], $7::int4[],
        $8::int4[], $9::uuid[], $10::uuid[], $11::text[], $12::timestamptz[], $13::timestamptz[],
        $14::date[], $15::int2[], $16::text[], $17::bytea[], $18::text[], $19::text[])
        WITH ORDINALITY AS u (op, ws, id, epoch, seq, seen, wf, ver, state, t0, t1, day, class, key,
        body, labels, failure, n)
), keyed AS (
    INSERT INTO forge.run_keys (workspace_id, key, run_id, at)
    SELECT ws, key, id, t0 FROM m WHERE op IN ('s', 'w') AND key IS NOT NULL ORDER BY ws, key
    ON CONFLICT DO NOTHING RETURNING run_id
), fresh AS MATERIALIZED (
    SELECT * FROM m
    WHERE op IN ('s', 'w') AND (key IS NULL OR id IN (SELECT run_id FROM keyed))
), started AS (
    INSERT INTO forge.runs (workspace_id, id, workflow_id, version_id, state, owner, epoch,
        segment, started_at, deadline_at)
    SELECT ws, id, wf, ver, state, $1, epoch, day, t0, t1 FROM fresh WHERE op = 's'
), mine AS MATERIALIZED (
    SELECT m.*, r.signals, r.segment
    FROM m JOIN forge.runs r ON r.workspace_id = m.ws AND r.id = m.id
    WHERE m.op IN ('p', 'r', 't', 'e') AND r.owner IS NOT DISTINCT FROM $1 AND r.epoch = m.epoch
), parked AS (
    UPDATE forge.runs r SET state = m.state, owner = CASE WHEN m.op = 'r' THEN r.owner END,
        segment = m.day, base_seq = m.seq, due_at = m.t0, reclaims = 0, checkpoint = m.body
    FROM m
    WHERE m.op IN ('t', 'r') AND r.workspace_id = m.ws AND r.id = m.id
        AND r.owner IS NOT DISTINCT FROM $1 AND r.epoch = m.epoch
        AND (m.op = 'r' OR r.signals = m.seen)
    RETURNING m.n, m.ws, m.id, m.t0
), timed AS (
    INSERT INTO forge.timers (due_at, workspace_id, run_id)
    SELECT t0, ws, id FROM parked WHERE t0 IS NOT NULL ON CONFLICT DO NOTHING
), ended AS (
    DELETE FROM forge.runs r USING m
    WHERE m.op = 'e' AND r.workspace_id = m.ws AND r.id = m.id
        AND r.owner IS NOT DISTINCT FROM $1 AND r.epoch = m.epoch AND r.signals = m.seen
    RETURNING m.n, m.ws, m.id, r.workflow_id, r.version_id, m.state, r.started_at, m.t1, m.class,
        m.day, m.body, m.labels, m.failure, r.signals
), answered AS (
    DELETE FROM forge.inbox i USING ended e
    WHERE e.signals > 0 AND i.workspace_id = e.ws AND i.run_id = e.id
), wrote AS (
    INSERT INTO forge.journal (segment, workspace_id, run_id, seq, body)
    SELECT segment, ws, id, seq, body FROM mine WHERE op = 'p'
    UNION ALL SELECT day, ws, id, seq, body FROM fresh WHERE op = 's'
), kept AS (
    INSERT INTO forge.history (class, day, workspace_id, run_id, workflow_id, version_id, state,
        started_at, finished_at, body)
    SELECT class, day, ws, id, workflow_id, version_id, state, started_at, t1, body
    FROM ended WHERE class >= 0
    UNION ALL SELECT class, day, ws, id, wf, ver, state, t0, t1, body
    FROM fresh WHERE op = 'w' AND class >= 0
), "#,
        marks!(
            "SELECT ws, id, class, CASE WHEN op = 'w' THEN day END AS day, labels FROM fresh
        WHERE labels IS NOT NULL AND coalesce(class, 0) >= 0
        UNION ALL SELECT ws, id, class, day, labels FROM ended WHERE labels IS NOT NULL",
            "SELECT ws, id, class, day, failure FROM fresh WHERE failure IS NOT NULL AND class >= 0
        UNION ALL SELECT ws, id, class, day, failure FROM ended
        WHERE failure IS NOT NULL AND class >= 0"
        ),
        "SELECT 0 AS what, 0::int8 AS n, 0 AS signals FROM fence
UNION ALL SELECT 1, n, signals FROM mine
UNION ALL SELECT 2, n, 0 FROM fresh
UNION ALL SELECT 3, n, 0 FROM parked
UNION ALL SELECT 3, n, 0 FROM ended"
    ),
);

/// Whole runs without keys and marks, all of them kept. One row: the fence is open, everything is written.
pub(crate) const WHOLE: Statement = sql!(
    "engine.flush_whole",
    reads(fences[incarnation = $1, lane = $2]) writes(history),
    (UUID, INT2, UUID_ARRAY, UUID_ARRAY, UUID_ARRAY, UUID_ARRAY, TEXT_ARRAY, TIMESTAMPTZ_ARRAY,
     TIMESTAMPTZ_ARRAY, DATE_ARRAY, INT2_ARRAY, BYTEA_ARRAY),
    concat!(
        db::fence!(),
        ", kept AS (
    INSERT INTO forge.history (class, day, workspace_id, run_id, workflow_id, version_id, state,
        started_at, finished_at, body)
    SELECT u.class, u.day, u.ws, u.id, u.wf, u.ver, u.state, u.t0, u.t1, u.body
    FROM fence, unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[],
        $8::timestamptz[], $9::timestamptz[], $10::date[], $11::int2[], $12::bytea[])
        AS u (ws, id, wf, ver, state, t0, t1, day, class, body)
)
SELECT 0 AS what, 0::int8 AS n, 0 AS signals FROM fence"
    ),
);

/// Whole runs, some with keys or marks, some perhaps not kept. Answers as [`FLUSH`].
pub(crate) const WHOLE_KEYED: Statement = sql!(
    "engine.flush_whole_keyed",
    reads(fences[incarnation = $1, lane = $2]) writes(run_keys, history, run_labels, run_failures),
    (UUID, INT2, UUID_ARRAY, UUID_ARRAY, UUID_ARRAY, UUID_ARRAY, TEXT_ARRAY, TIMESTAMPTZ_ARRAY,
     TIMESTAMPTZ_ARRAY, DATE_ARRAY, INT2_ARRAY, BYTEA_ARRAY, TEXT_ARRAY, TEXT_ARRAY, TEXT_ARRAY),
    concat!(
        db::fence!(),
        ", m AS MATERIALIZED (
    SELECT u.* FROM fence, unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[],
        $8::timestamptz[], $9::timestamptz[], $10::date[], $11::int2[], $12::bytea[], $13::text[],
        $14::text[], $15::text[])
        WITH ORDINALITY AS u (ws, id, wf, ver, state, t0, t1, day, class, body, key, labels, failure, n)
), keyed AS (
    INSERT INTO forge.run_keys (workspace_id, key, run_id, at)
    SELECT ws, key, id, t0 FROM m WHERE key IS NOT NULL ORDER BY ws, key
    ON CONFLICT DO NOTHING RETURNING run_id
), fresh AS MATERIALIZED (
    SELECT * FROM m WHERE key IS NULL OR id IN (SELECT run_id FROM keyed)
), kept AS (
    INSERT INTO forge.history (class, day, workspace_id, run_id, workflow_id, version_id, state,
        started_at, finished_at, body)
    SELECT class, day, ws, id, wf, ver, state, t0, t1, body FROM fresh WHERE class >= 0
), ",
        marks!(
            "SELECT ws, id, class, day, labels FROM fresh WHERE labels IS NOT NULL AND class >= 0",
            "SELECT ws, id, class, day, failure FROM fresh WHERE failure IS NOT NULL AND class >= 0"
        ),
        "SELECT 0 AS what, 0::int8 AS n, 0 AS signals FROM fence
UNION ALL SELECT 2, n, 0 FROM fresh"
    ),
);

/// After a flush of unknown outcome, once its backend is gone: which operations are in. Answers
/// `(n, done, signals)` for those; the others may be sent again.
///
/// A park leaves no trace of its own that somebody else may not have changed since, but while our
/// fence is open nobody else takes a run from us: no longer ours means parked.
pub(crate) const SETTLE: Statement = sql!(
    "engine.settle_flush",
    reads(fences[incarnation = $1, lane = $2], runs, journal, history, run_keys),
    (UUID, INT2, CHAR_ARRAY, UUID_ARRAY, UUID_ARRAY, INT4_ARRAY, INT4_ARRAY, DATE_ARRAY, INT2_ARRAY,
     TEXT_ARRAY),
    r#"SELECT m.n, coalesce(r.signals, 0) AS signals
FROM unnest($3::"char"[], $4::uuid[], $5::uuid[], $6::int4[], $7::int4[], $8::date[], $9::int2[],
    $10::text[]) WITH ORDINALITY AS m (op, ws, id, epoch, seq, day, class, key, n)
LEFT JOIN forge.runs r ON r.workspace_id = m.ws AND r.id = m.id
    AND r.owner IS NOT DISTINCT FROM $1 AND r.epoch = m.epoch
WHERE CASE m.op
    WHEN 's' THEN r.id IS NOT NULL AND EXISTS (SELECT FROM forge.journal j WHERE j.segment = m.day
        AND j.workspace_id = m.ws AND j.run_id = m.id AND j.seq = m.seq)
    WHEN 'p' THEN r.id IS NOT NULL AND EXISTS (SELECT FROM forge.journal j
        WHERE j.segment = r.segment AND j.workspace_id = m.ws AND j.run_id = m.id AND j.seq = m.seq)
    WHEN 'r' THEN r.base_seq = m.seq
    WHEN 't' THEN r.id IS NULL AND EXISTS (SELECT FROM forge.fences f
        WHERE f.incarnation = $1 AND f.lane = $2 AND f.fenced_at IS NULL)
    WHEN 'e' THEN r.id IS NULL AND (m.class < 0 OR EXISTS (SELECT FROM forge.history h
        WHERE h.workspace_id = m.ws AND h.run_id = m.id AND h.class = m.class AND h.day = m.day))
    ELSE EXISTS (SELECT FROM forge.history h
        WHERE h.workspace_id = m.ws AND h.run_id = m.id AND h.class = m.class AND h.day = m.day)
        OR EXISTS (SELECT FROM forge.run_keys k
            WHERE k.workspace_id = m.ws AND k.key = m.key AND k.run_id = m.id)
    END"#,
);
