-- oldest-binary: 0.1.0
-- Work that nobody holds in memory, and the batches that somebody does.

-- Waiting jobs, and nothing else: claiming deletes them here and keeps them in forge.held. The key is
-- the order in which they are claimed.
CREATE TABLE forge.jobs (
    lane text NOT NULL,
    priority smallint NOT NULL DEFAULT 0,
    run_at timestamptz NOT NULL,
    id uuid NOT NULL,
    workspace_id uuid NOT NULL,
    kind text NOT NULL,
    key text,
    attempts smallint NOT NULL DEFAULT 0,
    payload bytea NOT NULL,
    CONSTRAINT jobs_pkey PRIMARY KEY (lane, priority, run_at, id),
    CONSTRAINT jobs_lane_length CHECK (octet_length(lane) BETWEEN 1 AND 64),
    CONSTRAINT jobs_key_length CHECK (octet_length(key) <= 512)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
ALTER TABLE forge.jobs ALTER COLUMN payload SET STORAGE EXTERNAL;

-- Unique keys of jobs, from enqueue to completion.
CREATE TABLE forge.job_keys (
    workspace_id uuid NOT NULL,
    key text NOT NULL,
    job_id uuid NOT NULL,
    CONSTRAINT job_keys_pkey PRIMARY KEY (workspace_id, key)
);

-- One row for each claimed batch: what its jobs were, and which of them are done. The arrays run in
-- parallel; done holds positions from 1.
CREATE TABLE forge.held (
    incarnation uuid NOT NULL,
    batch bigint NOT NULL,
    lane text NOT NULL,
    claimed_at timestamptz NOT NULL,
    ids uuid[] NOT NULL,
    workspaces uuid[] NOT NULL,
    priorities smallint[] NOT NULL,
    kinds text[] NOT NULL,
    keys text[] NOT NULL,
    attempts smallint[] NOT NULL,
    payloads bytea[] NOT NULL,
    done integer[] NOT NULL DEFAULT '{}',
    CONSTRAINT held_pkey PRIMARY KEY (incarnation, batch)
) WITH (fillfactor = 70);
ALTER TABLE forge.held ALTER COLUMN ids SET STORAGE EXTERNAL;
ALTER TABLE forge.held ALTER COLUMN workspaces SET STORAGE EXTERNAL;
ALTER TABLE forge.held ALTER COLUMN priorities SET STORAGE EXTERNAL;
ALTER TABLE forge.held ALTER COLUMN kinds SET STORAGE EXTERNAL;
ALTER TABLE forge.held ALTER COLUMN keys SET STORAGE EXTERNAL;
ALTER TABLE forge.held ALTER COLUMN attempts SET STORAGE EXTERNAL;
ALTER TABLE forge.held ALTER COLUMN payloads SET STORAGE EXTERNAL;

SELECT forge.isolate_engine(noun) FROM unnest(ARRAY['jobs', 'job_keys', 'held']) AS noun;

-- Puts jobs into a lane of the transaction's workspace; they exist when the transaction commits. A
-- job whose key is taken is not added. Gives the ids that were.
CREATE FUNCTION forge.enqueue(lane text, priority smallint, run_at timestamptz[], ids uuid[],
        kinds text[], keys text[], payloads bytea[])
    RETURNS SETOF uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    tenant uuid := forge.workspace();
BEGIN
    IF tenant IS NULL THEN
        RAISE EXCEPTION 'a job needs a workspace' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN QUERY
        WITH wanted AS MATERIALIZED (
            SELECT * FROM unnest(enqueue.run_at, enqueue.ids, enqueue.kinds, enqueue.keys,
                enqueue.payloads) AS w (at, job, kind, unique_key, body)
        ), keyed AS (
            INSERT INTO forge.job_keys (workspace_id, key, job_id)
            SELECT tenant, w.unique_key, w.job FROM wanted w WHERE w.unique_key IS NOT NULL
            ORDER BY w.unique_key
            ON CONFLICT DO NOTHING RETURNING job_id
        )
        INSERT INTO forge.jobs AS j
            (lane, priority, run_at, id, workspace_id, kind, key, payload)
        SELECT enqueue.lane, enqueue.priority, coalesce(w.at, forge.now()), w.job, tenant, w.kind,
            w.unique_key, w.body
        FROM wanted w
        WHERE w.unique_key IS NULL OR w.job IN (SELECT k.job_id FROM keyed k)
        RETURNING j.id;
END
$$;
GRANT EXECUTE ON FUNCTION forge.enqueue TO forge_app;
