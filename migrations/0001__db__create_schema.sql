-- oldest-binary: 0.1.0
-- The schema, its clock, and the one line that puts a table under row-level security.

CREATE SCHEMA IF NOT EXISTS forge;
GRANT USAGE ON SCHEMA forge TO forge_app, forge_engine;
-- Functions are for those they are granted to, and for nobody else.
ALTER DEFAULT PRIVILEGES IN SCHEMA forge REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Database time. Tests replace it in their clone. In a WHERE write (SELECT forge.now()): a bare call
-- is evaluated for every row.
CREATE FUNCTION forge.now() RETURNS timestamptz
    LANGUAGE sql VOLATILE PARALLEL SAFE
    RETURN clock_timestamp();

-- The workspace of the transaction, or null when none was set.
CREATE FUNCTION forge.workspace() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN NULLIF(current_setting('forge.workspace', true), '')::uuid;

-- Who acts in the transaction, or null for the program itself.
CREATE FUNCTION forge.principal() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN NULLIF(current_setting('forge.principal', true), '')::uuid;

GRANT EXECUTE ON FUNCTION forge.now(), forge.workspace(), forge.principal()
    TO forge_app, forge_engine;

-- Confines forge_app to the rows of its transaction's workspace: SELECT forge.isolate('api_keys').
-- The table stands in schema forge and has a column workspace_id uuid. The owner keeps full access:
-- under FORCE, data migrations would otherwise silently change nothing.
CREATE FUNCTION forge.isolate(noun text) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE format('ALTER TABLE forge.%I ENABLE ROW LEVEL SECURITY', noun);
    EXECUTE format('ALTER TABLE forge.%I FORCE ROW LEVEL SECURITY', noun);
    EXECUTE format('CREATE POLICY owner ON forge.%I TO forge_owner USING (true) WITH CHECK (true)', noun);
    -- A scalar subquery, so that the setting is read once a statement and an index on workspace_id
    -- can serve it.
    EXECUTE format('CREATE POLICY workspace ON forge.%I TO forge_app'
        ' USING (workspace_id = (SELECT NULLIF(current_setting(''forge.workspace'', true), '''')::uuid))'
        ' WITH CHECK (workspace_id = (SELECT NULLIF(current_setting(''forge.workspace'', true), '''')::uuid))', noun);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON forge.%I TO forge_app', noun);
END
$$;

-- A table of the engine: forge_engine sees all workspaces, forge_app nothing.
-- SELECT forge.isolate_engine('runs').
CREATE FUNCTION forge.isolate_engine(noun text) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE format('ALTER TABLE forge.%I ENABLE ROW LEVEL SECURITY', noun);
    EXECUTE format('ALTER TABLE forge.%I FORCE ROW LEVEL SECURITY', noun);
    EXECUTE format('CREATE POLICY owner ON forge.%I TO forge_owner USING (true) WITH CHECK (true)', noun);
    EXECUTE format('CREATE POLICY engine ON forge.%I TO forge_engine USING (true) WITH CHECK (true)', noun);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON forge.%I TO forge_engine', noun);
END
$$;

-- Lets forge_engine read a table of forge.isolate() across workspaces (a catalogue it caches), and
-- nothing else of it: SELECT forge.allow_engine_read('workflow_versions').
CREATE FUNCTION forge.allow_engine_read(noun text) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE format('CREATE POLICY engine ON forge.%I FOR SELECT TO forge_engine USING (true)', noun);
    EXECUTE format('GRANT SELECT ON forge.%I TO forge_engine', noun);
END
$$;
