-- oldest-binary: 0.1.0
-- Whom hooks let in, what was called lately, and calls kept for people who build a workflow.

ALTER TABLE forge.hooks
    ADD COLUMN auth text NOT NULL DEFAULT 'none',
    ADD CONSTRAINT hooks_auth CHECK (auth IN ('none', 'header', 'basic', 'signature'));

-- The revision counts changes of secrets, too: hooks hold opened ones in memory.
CREATE OR REPLACE FUNCTION forge.find_hook_revision(wanted text)
    RETURNS TABLE (workspace_id uuid, revision bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    ROWS 1
AS $$
    SELECT w.workspace_id, coalesce(h.revision, 0) + coalesce(s.revision, 0)
    FROM forge.workspaces w
    LEFT JOIN forge.hook_revisions h ON h.workspace_id = w.workspace_id
    LEFT JOIN forge.secret_revisions s ON s.workspace_id = w.workspace_id
    WHERE w.slug = wanted
$$;

-- Signatures that were accepted and may not be accepted again before their time is over.
CREATE TABLE forge.hook_signatures (
    workspace_id uuid        NOT NULL,
    -- SHA-256 of the hook and the signature.
    hash         bytea       NOT NULL,
    expires_at   timestamptz NOT NULL,
    CONSTRAINT hook_signatures_pkey PRIMARY KEY (workspace_id, hash),
    CONSTRAINT hook_signatures_hash_length CHECK (octet_length(hash) = 32)
);
SELECT forge.isolate('hook_signatures');
CREATE INDEX hook_signatures_expires_at ON forge.hook_signatures (workspace_id, expires_at);

-- Calls as they are shown: a sample of those that were let in, and of those that were not.
CREATE TABLE forge.hook_calls (
    workspace_id uuid        NOT NULL,
    id           uuid        NOT NULL,
    workflow_id  uuid        NOT NULL,
    node         text        NOT NULL,
    stage        text        NOT NULL,
    outcome      text        NOT NULL,
    at           timestamptz NOT NULL,
    method       text        NOT NULL,
    path         text        NOT NULL,
    client       text        NOT NULL,
    user_agent   text,
    content_type text,
    status       integer     NOT NULL,
    -- Code and words of the refusal; for people of the workspace, never for the caller.
    code         text,
    reason       text,
    run_id       uuid,
    took_us      bigint      NOT NULL,
    -- Calls of the same hook and outcome that were not written down since the one before.
    skipped      bigint      NOT NULL,
    CONSTRAINT hook_calls_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT hook_calls_stage CHECK (stage IN ('draft', 'published')),
    CONSTRAINT hook_calls_outcome CHECK (outcome IN ('accepted', 'rejected'))
);
SELECT forge.isolate('hook_calls');
CREATE INDEX hook_calls_workflow ON forge.hook_calls (workspace_id, workflow_id, id);

-- One call a workflow waits for, or has got, for people who build it.
CREATE TABLE forge.hook_listenings (
    workspace_id uuid        NOT NULL,
    workflow_id  uuid        NOT NULL,
    id           uuid        NOT NULL,
    -- Only calls to this node; null: to any.
    node         text,
    expires_at   timestamptz NOT NULL,
    captured_at  timestamptz,
    captured_by  text,
    run_id       uuid,
    -- The items the trigger put out, as JSON.
    items        text,
    CONSTRAINT hook_listenings_pkey PRIMARY KEY (workspace_id, workflow_id),
    CONSTRAINT hook_listenings_workflow FOREIGN KEY (workspace_id, workflow_id)
        REFERENCES forge.workflows (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT hook_listenings_captured CHECK ((captured_at IS NULL) = (items IS NULL))
);
SELECT forge.isolate('hook_listenings');
