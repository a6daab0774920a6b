-- oldest-binary: 0.1.0
-- Addresses workflows listen to, derived from their documents whenever one is saved or published.

CREATE TABLE forge.hooks (
    workspace_id uuid NOT NULL,
    -- Published addresses are answered under /hooks, those of drafts under /hooks-test.
    stage        text NOT NULL,
    workflow_id  uuid NOT NULL,
    -- The published version; null for drafts.
    version_id   uuid,
    method       text NOT NULL,
    path         text NOT NULL,
    -- The path with every parameter as `:`, so that two spellings of one address collide.
    shape        text NOT NULL,
    node         text NOT NULL,
    CONSTRAINT hooks_pkey PRIMARY KEY (workspace_id, stage, workflow_id, method, shape),
    CONSTRAINT hooks_stage CHECK (stage IN ('draft', 'published')),
    CONSTRAINT hooks_version CHECK ((version_id IS NULL) = (stage = 'draft'))
);
SELECT forge.isolate('hooks');
-- Drafts may share an address while they are being written; what is published may not.
CREATE UNIQUE INDEX hooks_address_unique ON forge.hooks (workspace_id, method, shape)
    WHERE stage = 'published';

-- Goes up with every change of a workspace's hooks, so that members know when to read them again.
CREATE TABLE forge.hook_revisions (
    workspace_id uuid   NOT NULL,
    revision     bigint NOT NULL,
    CONSTRAINT hook_revisions_pkey PRIMARY KEY (workspace_id)
);
SELECT forge.isolate('hook_revisions');

-- The look-up before the workspace is known: which workspace has this slug, and its revision.
CREATE FUNCTION forge.find_hook_revision(wanted text)
    RETURNS TABLE (workspace_id uuid, revision bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    ROWS 1
AS $$
    SELECT w.workspace_id, coalesce(r.revision, 0)
    FROM forge.workspaces w
    LEFT JOIN forge.hook_revisions r ON r.workspace_id = w.workspace_id
    WHERE w.slug = wanted
$$;
GRANT EXECUTE ON FUNCTION forge.find_hook_revision(text) TO forge_app;
