-- oldest-binary: 0.1.0
-- What commits together with a mutation: its audit row, its events, the answer to its idempotency key.

-- Who did what, one row for each mutation. day is the UTC day of `at`: a month's partition goes when
-- its rows have been kept long enough.
CREATE TABLE forge.audit (
    workspace_id uuid        NOT NULL,
    id           uuid        NOT NULL,
    day          date        NOT NULL,
    at           timestamptz NOT NULL,
    principal_id uuid,
    key_id       uuid,
    -- What happened, such as `workflow.published`, and the function that did it.
    action       text        NOT NULL,
    function     text        NOT NULL,
    -- What it happened to: a noun, and an id or a name.
    subject_kind text        NOT NULL,
    subject_id   text,
    request_id   text,
    trace_id     text,
    outcome      text        NOT NULL,
    CONSTRAINT audit_pkey PRIMARY KEY (workspace_id, id, day),
    CONSTRAINT audit_outcome_known CHECK (outcome IN ('succeeded', 'refused', 'failed'))
) PARTITION BY RANGE (day);
CREATE INDEX audit_subject ON forge.audit (workspace_id, subject_id, id);
SELECT forge.isolate('audit');
-- What was written stays as it was.
REVOKE UPDATE, DELETE ON forge.audit FROM forge_app;

-- What changed, for whoever looks on: written in the transaction that changed it.
CREATE TABLE forge.events (
    workspace_id uuid        NOT NULL,
    id           uuid        NOT NULL,
    day          date        NOT NULL,
    at           timestamptz NOT NULL,
    -- The table's name without its schema, the keys of the rows, and what was done to them.
    noun         text        NOT NULL,
    keys         text[]      NOT NULL,
    operation    text        NOT NULL,
    principal_id uuid,
    function     text        NOT NULL,
    trace_id     text,
    -- JSON. Text, because jsonb forgets the order of keys and refuses NUL.
    body         text        NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (workspace_id, id, day),
    CONSTRAINT events_operation_known CHECK (operation IN ('created', 'changed', 'deleted'))
) PARTITION BY RANGE (day);
SELECT forge.isolate('events');
REVOKE UPDATE, DELETE ON forge.events FROM forge_app;
SELECT forge.allow_engine_read('events');

-- Answers to requests that carried an idempotency key.
CREATE TABLE forge.idempotency_keys (
    workspace_id uuid        NOT NULL,
    principal_id uuid        NOT NULL,
    -- SHA-256 of the key. The key itself opens the answer, so it is not kept.
    key          bytea       NOT NULL,
    -- SHA-256 of the request: the same key with another request is a mistake of the caller.
    fingerprint  bytea       NOT NULL,
    -- The sealed answer; null while an action is under way, or when its process died.
    answer       bytea,
    at           timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (workspace_id, principal_id, key),
    CONSTRAINT idempotency_keys_key_length CHECK (octet_length(key) = 32),
    CONSTRAINT idempotency_keys_fingerprint_length CHECK (octet_length(fingerprint) = 32)
);
ALTER TABLE forge.idempotency_keys ALTER COLUMN answer SET STORAGE EXTERNAL;
CREATE INDEX idempotency_keys_at ON forge.idempotency_keys (at);
SELECT forge.isolate('idempotency_keys');
-- The maintenance removes what has expired, whosever it is.
CREATE POLICY engine ON forge.idempotency_keys TO forge_engine USING (true);
GRANT SELECT, DELETE ON forge.idempotency_keys TO forge_engine;

-- Keys this installation made for itself, read by the owner alone. `cursor` signs what lists give out.
CREATE TABLE forge.internal_keys (
    name  text  NOT NULL,
    value bytea NOT NULL,
    CONSTRAINT internal_keys_pkey PRIMARY KEY (name),
    CONSTRAINT internal_keys_value_length CHECK (octet_length(value) >= 32)
);
INSERT INTO forge.internal_keys VALUES ('cursor',
    decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

-- Logs that are dropped a partition at a time, and for how many days each is kept.
CREATE FUNCTION forge.kept_logs() RETURNS TABLE (parent text, span interval, days integer)
    LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT p, s, d FROM (VALUES
        ('audit', interval '1 month', 400), ('events', interval '1 day', 7)) v (p, s, d);
END;

-- Makes every partition of the logs for the days from `today` to `ahead` days later; says how many
-- were missing.
CREATE FUNCTION forge.add_log_partitions(today date, ahead integer) RETURNS integer
    LANGUAGE plpgsql
AS $$
DECLARE
    made integer := 0;
    wanted record;
BEGIN
    FOR wanted IN
        SELECT DISTINCT k.parent, forge.partition_start(d::date, k.span) AS starts, k.span
        FROM forge.kept_logs() k, generate_series(today - 1, today + ahead, interval '1 day') d
        ORDER BY 1, 2
    LOOP
        made := made + forge.add_partition(wanted.parent, wanted.starts, wanted.span);
    END LOOP;
    RETURN made;
END
$$;

-- Partitions of the logs whose rows have been kept their days, and what a dropping that was cut short
-- left behind (state: attached, pending, detached).
CREATE FUNCTION forge.expired_log_partitions(today date)
    RETURNS TABLE (parent text, child text, state text)
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT k.parent, t.relname::text,
        CASE WHEN i.inhrelid IS NULL THEN 'detached' WHEN i.inhdetachpending THEN 'pending'
            ELSE 'attached' END
    FROM forge.kept_logs() k
    JOIN pg_class t ON t.relname ~ ('^' || k.parent || '_\d{8}$')
        AND t.relnamespace = 'forge'::regnamespace AND t.relkind = 'r'
    LEFT JOIN pg_inherits i ON i.inhrelid = t.oid
    WHERE (to_date(right(t.relname, 8), 'YYYYMMDD') + k.span)::date + k.days < today
    ORDER BY 2;
END;

SELECT forge.add_log_partitions((forge.now() AT TIME ZONE 'UTC')::date, 7);

-- Names have their length in characters, as the API declares it.
ALTER TABLE forge.workspaces DROP CONSTRAINT workspaces_name_length,
    ADD CONSTRAINT workspaces_name_length CHECK (char_length(name) BETWEEN 1 AND 200);
ALTER TABLE forge.api_keys DROP CONSTRAINT api_keys_name_length,
    ADD CONSTRAINT api_keys_name_length CHECK (char_length(name) BETWEEN 1 AND 200);
