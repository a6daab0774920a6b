//! The statements of the queue.
//!
//! Whatever takes or completes jobs proves first that its incarnation is not fenced.

use db::{Statement, sql};

/// Every statement of the queue, for the test that prepares them all.
pub const STATEMENTS: &[&Statement] = &[
    &ADD,
    &ADD_KEYED,
    &BURY,
    &CLAIM,
    &COMPLETE,
    &ENQUEUE,
    &MARK_DONE,
    &RETRY,
    &RETURN_LOST,
    &RETURN_UNKNOWN,
    &WAITING,
];

/// The `$4`th job of batch `$3`, unless it is done; goes on behind the fence.
macro_rules! held {
    () => {
        ", held AS MATERIALIZED (
    SELECT h.lane, h.priorities[$4] AS priority, h.ids[$4] AS id, h.workspaces[$4] AS workspace_id,
        h.kinds[$4] AS kind, h.keys[$4] AS key, h.payloads[$4] AS payload
    FROM forge.held h JOIN fence ON h.incarnation = fence.incarnation
    WHERE h.batch = $3 AND $4 <> ALL (h.done) FOR UPDATE OF h
)"
    };
}

/// Ends `gone`, the batches that are over, and puts what is not done of them back to waiting.
macro_rules! back {
    ($attempts:literal) => {
        concat!(
            "), back AS (
    INSERT INTO forge.jobs (lane, priority, run_at, id, workspace_id, kind, key, attempts, payload)
    SELECT g.lane, j.priority, (SELECT forge.now()), j.id, j.ws, j.kind, j.key, ",
            $attempts,
            ",
        j.payload
    FROM gone g, unnest(g.priorities, g.ids, g.workspaces, g.kinds, g.keys, g.attempts, g.payloads)
        WITH ORDINALITY AS j (priority, id, ws, kind, key, attempts, payload, position)
    WHERE j.position <> ALL (g.done)
    RETURNING 1
)
SELECT count(*) FROM back"
        )
    };
}

/// Adds jobs to the transaction's workspace; gives the ids of those that were added.
pub(crate) const ENQUEUE: Statement = sql!(
    "queue.enqueue",
    writes(jobs, job_keys),
    (TEXT, INT2, TIMESTAMPTZ_ARRAY, UUID_ARRAY, TEXT_ARRAY, TEXT_ARRAY, BYTEA_ARRAY),
    "SELECT forge.enqueue($1, $2, $3, $4, $5, $6, $7)",
);

/// Adds jobs without keys to any workspace; for the program itself.
pub(crate) const ADD: Statement = sql!(
    "queue.add_jobs",
    writes(jobs),
    (UUID, TEXT, INT2, TIMESTAMPTZ_ARRAY, UUID_ARRAY, TEXT_ARRAY, BYTEA_ARRAY),
    "INSERT INTO forge.jobs (lane, priority, run_at, id, workspace_id, kind, payload)
SELECT $2, $3, coalesce(at, (SELECT forge.now())), id, $1, kind, payload
FROM unnest($4::timestamptz[], $5::uuid[], $6::text[], $7::bytea[]) AS w (at, id, kind, payload)
ON CONFLICT DO NOTHING",
);

/// Adds jobs, some with keys, to any workspace; for the program itself.
pub(crate) const ADD_KEYED: Statement = sql!(
    "queue.add_keyed_jobs",
    writes(jobs, job_keys),
    (UUID, TEXT, INT2, TIMESTAMPTZ_ARRAY, UUID_ARRAY, TEXT_ARRAY, BYTEA_ARRAY, TEXT_ARRAY),
    "WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest($4::timestamptz[], $5::uuid[], $6::text[], $7::bytea[], $8::text[])
        AS w (at, id, kind, payload, key)
), keyed AS (
    INSERT INTO forge.job_keys (workspace_id, key, job_id)
    SELECT $1, key, id FROM wanted WHERE key IS NOT NULL ORDER BY key
    ON CONFLICT DO NOTHING RETURNING job_id
)
INSERT INTO forge.jobs (lane, priority, run_at, id, workspace_id, kind, key, payload)
SELECT $2, $3, coalesce(at, (SELECT forge.now())), id, $1, kind, key, payload FROM wanted
WHERE key IS NULL OR id IN (SELECT job_id FROM keyed)
ON CONFLICT DO NOTHING",
);

/// Takes due jobs of a lane into one row of `held`: `$4` priorities in order, `$5` and `$6` where the
/// scan of each begins, `$7` how many, `$8` the batch's number.
pub(crate) const CLAIM: Statement = sql!(
    "queue.claim_jobs",
    reads(fences[incarnation = $1, lane = $2]) writes(jobs[lane = $3], held[incarnation = $1]),
    (UUID, INT2, TEXT, INT2_ARRAY, TIMESTAMPTZ_ARRAY, UUID_ARRAY, INT8, INT8),
    concat!(
        db::fence!(),
        ", moved AS (
    DELETE FROM forge.jobs WHERE ctid = ANY (ARRAY(
        SELECT due.at FROM unnest($4::int2[], $5::timestamptz[], $6::uuid[])
            AS p (priority, after_at, after_id),
            LATERAL (
                SELECT j.ctid AS at FROM forge.jobs j
                WHERE (SELECT incarnation FROM fence) IS NOT NULL
                    AND j.lane = $3 AND j.priority = p.priority
                    AND j.run_at <= (SELECT forge.now())
                    AND (j.run_at, j.id) > (p.after_at, p.after_id)
                ORDER BY j.run_at, j.id LIMIT $7 FOR UPDATE SKIP LOCKED
            ) AS due
        LIMIT $7))
    RETURNING priority, run_at, id, workspace_id, kind, key, attempts, payload
), numbered AS MATERIALIZED (
    SELECT row_number() OVER (ORDER BY priority, run_at, id)::int4 AS position, moved.* FROM moved
), kept AS (
    INSERT INTO forge.held (incarnation, batch, lane, claimed_at, ids, workspaces, priorities,
        kinds, keys, attempts, payloads)
    SELECT $1, $8, $3, (SELECT forge.now()), array_agg(id), array_agg(workspace_id),
        array_agg(priority), array_agg(kind), array_agg(key), array_agg(attempts),
        array_agg(payload)
    FROM (SELECT * FROM numbered ORDER BY position) AS sorted HAVING count(*) > 0
)
SELECT position, priority, run_at, id, workspace_id, kind, key IS NOT NULL AS keyed, attempts,
    payload
FROM numbered ORDER BY position"
    ),
);

/// Ends batches all of whose jobs are done. `$4`: whether any had a key.
pub(crate) const COMPLETE: Statement = sql!(
    "queue.complete_batches",
    reads(fences[incarnation = $1, lane = $2]) writes(held[incarnation = $1], job_keys),
    (UUID, INT2, INT8_ARRAY, BOOL),
    concat!(
        db::fence!(),
        ", gone AS (
    DELETE FROM forge.held h USING fence
    WHERE h.incarnation = fence.incarnation AND h.batch = ANY ($3)
    RETURNING h.workspaces, h.keys, h.ids
), freed AS (
    DELETE FROM forge.job_keys k
    USING (SELECT unnest(workspaces) AS ws, unnest(keys) AS key, unnest(ids) AS id FROM gone
        WHERE $4) AS d
    WHERE k.workspace_id = d.ws AND k.key = d.key AND k.job_id = d.id
)
SELECT incarnation FROM fence"
    ),
);

/// Notes that some jobs of a batch are done.
pub(crate) const MARK_DONE: Statement = sql!(
    "queue.mark_jobs_done",
    reads(fences[incarnation = $1, lane = $2])
    writes(held[incarnation = $1, batch = $3], job_keys),
    (UUID, INT2, INT8, INT4_ARRAY),
    concat!(
        db::fence!(),
        ", marked AS (
    UPDATE forge.held h SET done = h.done || $4 FROM fence
    WHERE h.incarnation = fence.incarnation AND h.batch = $3
    RETURNING h.workspaces, h.keys, h.ids
), freed AS (
    DELETE FROM forge.job_keys k
    USING (SELECT workspaces[p] AS ws, keys[p] AS key, ids[p] AS id
        FROM marked, unnest($4) AS p WHERE keys[p] IS NOT NULL) AS d
    WHERE k.workspace_id = d.ws AND k.key = d.key AND k.job_id = d.id
)
SELECT incarnation FROM fence"
    ),
);

/// Puts a held job back to wait until `$5`, with `$6` attempts counted. Its key stays taken: the batch
/// forgets it, so that the batch's end does not free it.
pub(crate) const RETRY: Statement = sql!(
    "queue.retry_job",
    reads(fences[incarnation = $1, lane = $2])
    writes(held[incarnation = $1, batch = $3], jobs),
    (UUID, INT2, INT8, INT4, TIMESTAMPTZ, INT2),
    concat!(
        db::fence!(),
        held!(),
        ", marked AS (
    UPDATE forge.held h SET done = h.done || $4, keys[$4] = NULL FROM fence
    WHERE h.incarnation = fence.incarnation AND h.batch = $3
)
INSERT INTO forge.jobs (lane, priority, run_at, id, workspace_id, kind, key, attempts, payload)
SELECT lane, priority, $5, id, workspace_id, kind, key, $6, payload FROM held"
    ),
);

/// Makes a dead letter of a held job that was attempted `$5` times and last failed with code `$6`.
pub(crate) const BURY: Statement = sql!(
    "queue.bury_job",
    reads(fences[incarnation = $1, lane = $2])
    writes(held[incarnation = $1, batch = $3], job_keys, dead_letters),
    (UUID, INT2, INT8, INT4, INT2, TEXT, TEXT),
    concat!(
        db::fence!(),
        held!(),
        ", marked AS (
    UPDATE forge.held h SET done = h.done || $4 FROM fence
    WHERE h.incarnation = fence.incarnation AND h.batch = $3
), freed AS (
    DELETE FROM forge.job_keys k USING held
    WHERE k.workspace_id = held.workspace_id AND k.key = held.key AND k.job_id = held.id
)
INSERT INTO forge.dead_letters
    (workspace_id, id, lane, priority, kind, key, attempts, code, reason, died_at, payload)
SELECT workspace_id, id, lane, priority, kind, key, $5, $6, $7, (SELECT forge.now()), payload
FROM held ON CONFLICT DO NOTHING"
    ),
);

/// Puts jobs that a fenced incarnation held back to waiting, with one attempt more, except those that
/// are done; some batches at a time. `$1`, `$2`: the fence of who does it.
pub(crate) const RETURN_LOST: Statement = sql!(
    "queue.return_lost_jobs",
    reads(fences) writes(held, jobs),
    (UUID, INT2, INT8),
    concat!(
        db::fence!(),
        ", lost AS MATERIALIZED (
    SELECT h.incarnation, h.batch FROM fence, forge.fences dead
        JOIN forge.held h ON h.incarnation = dead.incarnation
    WHERE dead.lane = $2 AND dead.fenced_at IS NOT NULL LIMIT $3 FOR UPDATE OF h SKIP LOCKED
), gone AS (
    DELETE FROM forge.held h USING lost
    WHERE h.incarnation = lost.incarnation AND h.batch = lost.batch RETURNING h.*
",
        back!("j.attempts + 1")
    ),
);

/// The same for batches of this incarnation that it does not know of (`$3`: those it knows), because
/// the answer to the claim was lost.
pub(crate) const RETURN_UNKNOWN: Statement = sql!(
    "queue.return_unknown_jobs",
    reads(fences[incarnation = $1, lane = $2]) writes(held[incarnation = $1], jobs),
    (UUID, INT2, INT8_ARRAY),
    concat!(
        db::fence!(),
        ", gone AS (
    DELETE FROM forge.held h USING fence
    WHERE h.incarnation = fence.incarnation AND h.batch <> ALL ($3) RETURNING h.*
",
        back!("j.attempts")
    ),
);

/// Waiting jobs of a lane; counts at most `$2`.
pub(crate) const WAITING: Statement = sql!(
    "queue.count_waiting_jobs",
    reads(jobs[lane = $1]),
    (TEXT, INT8),
    "SELECT count(*) FROM (SELECT FROM forge.jobs WHERE lane = $1 LIMIT $2) AS waiting",
);
