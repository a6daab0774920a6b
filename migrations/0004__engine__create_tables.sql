-- oldest-binary: 0.1.0
-- The engine: members and their fences, live runs, their journal, finished runs, blobs.

-- One row for each incarnation of a process. Renewed every second, so it shares nothing with what a
-- flush locks.
CREATE TABLE forge.members (
    id uuid NOT NULL,
    name text NOT NULL,
    address text,
    roles text[] NOT NULL DEFAULT '{}',
    labels jsonb NOT NULL DEFAULT '{}',
    version text NOT NULL,
    lease bigint NOT NULL DEFAULT 0,
    backend_pids integer[] NOT NULL DEFAULT '{}',
    backend_starts timestamptz[] NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT members_pkey PRIMARY KEY (id)
) WITH (fillfactor = 50);

-- What an incarnation may still write: one row for each thing that writes, locked FOR SHARE by every
-- statement of that thing and changed once, when the incarnation is declared dead.
CREATE TABLE forge.fences (
    incarnation uuid NOT NULL,
    lane smallint NOT NULL,
    fenced_at timestamptz,
    CONSTRAINT fences_pkey PRIMARY KEY (incarnation, lane)
);

-- Live runs. Touched at start, take, park, signal and end; never by a step.
CREATE TABLE forge.runs (
    workspace_id uuid NOT NULL,
    id uuid NOT NULL,
    workflow_id uuid NOT NULL,
    version_id uuid NOT NULL,
    tier smallint NOT NULL DEFAULT 0,
    priority smallint NOT NULL DEFAULT 0,
    state text NOT NULL,
    owner uuid,
    epoch integer NOT NULL,
    segment date NOT NULL,
    base_seq integer NOT NULL DEFAULT 0,
    signals integer NOT NULL DEFAULT 0,
    reclaims smallint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL,
    deadline_at timestamptz,
    due_at timestamptz,
    checkpoint bytea,
    CONSTRAINT runs_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT runs_state_known CHECK
        (state IN ('queued', 'running', 'waiting', 'compensating', 'paused'))
) WITH (
    fillfactor = 60,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_insert_scale_factor = 0.2
);
ALTER TABLE forge.runs ALTER COLUMN checkpoint SET STORAGE EXTERNAL;
CREATE INDEX runs_owner ON forge.runs (owner) WHERE owner IS NOT NULL;

-- What happened to live runs, one row for each flush of a run. segment is the UTC day of the run's
-- last checkpoint (or birth): a day's partition goes when no live run names it.
CREATE TABLE forge.journal (
    segment date NOT NULL,
    workspace_id uuid NOT NULL,
    run_id uuid NOT NULL,
    seq integer NOT NULL,
    body bytea NOT NULL,
    CONSTRAINT journal_pkey PRIMARY KEY (segment, workspace_id, run_id, seq)
) PARTITION BY RANGE (segment);
ALTER TABLE forge.journal ALTER COLUMN body SET STORAGE EXTERNAL;

-- Unique keys of runs, kept for a while after the run so that a repeated start finds it.
CREATE TABLE forge.run_keys (
    workspace_id uuid NOT NULL,
    key text NOT NULL,
    run_id uuid NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT run_keys_pkey PRIMARY KEY (workspace_id, key),
    CONSTRAINT run_keys_key_length CHECK (octet_length(key) <= 512)
) WITH (fillfactor = 90);

-- When to wake parked runs. A row whose run is no longer parked is stale and simply goes.
CREATE TABLE forge.timers (
    due_at timestamptz NOT NULL,
    workspace_id uuid NOT NULL,
    run_id uuid NOT NULL,
    CONSTRAINT timers_pkey PRIMARY KEY (due_at, workspace_id, run_id)
);

-- Signals to runs, until the run has taken them into its journal.
CREATE TABLE forge.inbox (
    workspace_id uuid NOT NULL,
    run_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    body bytea NOT NULL,
    owner uuid,
    at timestamptz NOT NULL,
    CONSTRAINT inbox_pkey PRIMARY KEY (workspace_id, run_id, id)
);
CREATE INDEX inbox_owner ON forge.inbox (owner) WHERE owner IS NOT NULL;

-- Finished runs. class is the number of days they are kept (0: for good); day is the UTC day of
-- their end. A partition spans a day, and more for the long classes; retention drops whole ones.
CREATE TABLE forge.history (
    class smallint NOT NULL,
    day date NOT NULL,
    workspace_id uuid NOT NULL,
    run_id uuid NOT NULL,
    workflow_id uuid NOT NULL,
    version_id uuid NOT NULL,
    state text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    body bytea NOT NULL,
    CONSTRAINT history_pkey PRIMARY KEY (workspace_id, run_id, class, day),
    CONSTRAINT history_state_known CHECK (state IN ('succeeded', 'failed', 'cancelled'))
) PARTITION BY LIST (class);
ALTER TABLE forge.history ALTER COLUMN body SET STORAGE EXTERNAL;

-- Large bodies and files: by content, never shared between workspaces. The row comes first and is
-- sealed when all its chunks are there; one that never is, expires like any other.
CREATE TABLE forge.blobs (
    workspace_id uuid NOT NULL,
    hash bytea NOT NULL,
    size bigint NOT NULL,
    sealed boolean NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT blobs_pkey PRIMARY KEY (workspace_id, hash),
    CONSTRAINT blobs_hash_is_sha256 CHECK (octet_length(hash) = 32)
);
CREATE INDEX blobs_expires_at ON forge.blobs (expires_at);

CREATE TABLE forge.blob_chunks (
    workspace_id uuid NOT NULL,
    hash bytea NOT NULL,
    chunk integer NOT NULL,
    body bytea NOT NULL,
    CONSTRAINT blob_chunks_pkey PRIMARY KEY (workspace_id, hash, chunk)
);
ALTER TABLE forge.blob_chunks ALTER COLUMN body SET STORAGE EXTERNAL;

SELECT forge.isolate_engine(noun) FROM unnest(ARRAY['members', 'fences', 'runs', 'journal',
    'run_keys', 'timers', 'inbox', 'history', 'blobs', 'blob_chunks']) AS noun;

-- The retention classes and how many days one of their partitions spans.
CREATE FUNCTION forge.history_classes() RETURNS TABLE (class smallint, span interval)
    LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT c::smallint, s FROM (VALUES
        (1, interval '1 day'), (7, interval '1 day'), (30, interval '1 day'),
        (90, interval '7 days'), (365, interval '1 month'), (0, interval '1 month')) v (c, s);
END;

-- First day of the partition a day falls into.
CREATE FUNCTION forge.partition_start(day date, span interval) RETURNS date
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN span >= interval '28 days' THEN date_trunc('month', day::timestamp)::date
        WHEN span = interval '7 days' THEN date_trunc('week', day::timestamp)::date
        ELSE day END;

-- Makes the partition of a parent for [starts, starts + span), unless it is there. The table is made
-- apart and then attached: CREATE … PARTITION OF would lock the parent against every insert behind a
-- long reader. It is empty, so attaching has nothing to check.
CREATE FUNCTION forge.add_partition(parent text, starts date, span interval) RETURNS integer
    LANGUAGE plpgsql
    SET lock_timeout = '500ms'
AS $$
DECLARE
    child text := parent || '_' || to_char(starts, 'YYYYMMDD');
BEGIN
    IF to_regclass(format('forge.%I', child)) IS NOT NULL THEN
        RETURN 0;
    END IF;
    EXECUTE format('CREATE TABLE forge.%I (LIKE forge.%I INCLUDING ALL)', child, parent);
    EXECUTE format('ALTER TABLE forge.%I ENABLE ROW LEVEL SECURITY', child);
    EXECUTE format('ALTER TABLE forge.%I FORCE ROW LEVEL SECURITY', child);
    EXECUTE format('ALTER TABLE forge.%I ATTACH PARTITION forge.%I FOR VALUES FROM (%L) TO (%L)',
        parent, child, starts, (starts + span)::date);
    RETURN 1;
EXCEPTION
    -- Another member made it at the same moment.
    WHEN duplicate_table OR unique_violation THEN
        RETURN 0;
END
$$;

-- Makes every partition of the engine for the days from `today` to `ahead` days later; says how many
-- were missing.
CREATE FUNCTION forge.add_partitions(today date, ahead integer) RETURNS integer
    LANGUAGE plpgsql
AS $$
DECLARE
    made integer := 0;
    wanted record;
BEGIN
    FOR wanted IN
        SELECT 'journal' AS parent, d::date AS starts, interval '1 day' AS span
        FROM generate_series(today - 1, today + ahead, interval '1 day') d
        UNION
        SELECT 'history_c' || c.class, forge.partition_start(d::date, c.span), c.span
        FROM forge.history_classes() c, generate_series(today - 1, today + ahead, interval '1 day') d
        ORDER BY 1, 2
    LOOP
        made := made + forge.add_partition(wanted.parent, wanted.starts, wanted.span);
    END LOOP;
    RETURN made;
END
$$;

-- Partitions whose time is over: every day of theirs has been kept its class's days, or, for the
-- journal, lies three days back and no live run names it. Also what a dropping that was cut short
-- left behind (state: attached, pending, detached).
CREATE FUNCTION forge.expired_partitions(today date)
    RETURNS TABLE (parent text, child text, state text)
    LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH partitions AS (
        SELECT substring(t.relname FROM '^(.*)_\d{8}$') AS parent, t.relname::text AS child,
            to_date(substring(t.relname FROM '\d{8}$'), 'YYYYMMDD') AS starts,
            CASE WHEN i.inhrelid IS NULL THEN 'detached' WHEN i.inhdetachpending THEN 'pending'
                ELSE 'attached' END AS state
        FROM pg_class t LEFT JOIN pg_inherits i ON i.inhrelid = t.oid
        WHERE t.relnamespace = 'forge'::regnamespace AND t.relkind = 'r'
            AND t.relname ~ '^(journal|history_c\d+)_\d{8}$'
    )
    SELECT p.parent, p.child, p.state FROM partitions p JOIN forge.history_classes() c
        ON p.parent = 'history_c' || c.class
        WHERE c.class > 0 AND (p.starts + c.span)::date + c.class < today
    UNION ALL
    SELECT p.parent, p.child, p.state FROM partitions p
        WHERE p.parent = 'journal' AND p.starts < today - 3
            AND NOT EXISTS (SELECT FROM forge.runs r WHERE r.segment = p.starts)
    ORDER BY 2;
END;

DO $$
DECLARE
    kept record;
BEGIN
    FOR kept IN SELECT class FROM forge.history_classes() LOOP
        EXECUTE format('CREATE TABLE forge.%I PARTITION OF forge.history FOR VALUES IN (%s)'
            ' PARTITION BY RANGE (day)', 'history_c' || kept.class, kept.class);
        EXECUTE format('ALTER TABLE forge.%I ENABLE ROW LEVEL SECURITY', 'history_c' || kept.class);
        EXECUTE format('ALTER TABLE forge.%I FORCE ROW LEVEL SECURITY', 'history_c' || kept.class);
    END LOOP;
END
$$;
SELECT forge.add_partitions((forge.now() AT TIME ZONE 'UTC')::date, 7);

-- What a workspace may see of its own runs: one row each, live and finished, without bodies.
CREATE VIEW forge.run_summaries WITH (security_barrier) AS
    SELECT workspace_id, id, workflow_id, version_id, state, started_at,
        NULL::timestamptz AS finished_at
    FROM forge.runs WHERE workspace_id = forge.workspace()
    UNION ALL
    SELECT workspace_id, run_id, workflow_id, version_id, state, started_at, finished_at
    FROM forge.history WHERE workspace_id = forge.workspace();
GRANT SELECT ON forge.run_summaries TO forge_app;
