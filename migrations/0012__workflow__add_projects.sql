-- oldest-binary: 0.1.0
-- Projects: folders of workflows. And what lists and the search need to know of a workflow.

CREATE TABLE forge.projects (
    workspace_id uuid        NOT NULL,
    id           uuid        NOT NULL,
    name         text        NOT NULL,
    description  text        NOT NULL,
    -- Goes up by one with every change.
    revision     bigint      NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT forge.now(),
    updated_at   timestamptz NOT NULL DEFAULT forge.now(),
    updated_by   uuid,
    CONSTRAINT projects_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT projects_workspace FOREIGN KEY (workspace_id)
        REFERENCES forge.workspaces (workspace_id) ON DELETE CASCADE,
    CONSTRAINT projects_name_unique UNIQUE (workspace_id, name),
    CONSTRAINT projects_name_length CHECK (octet_length(name) BETWEEN 1 AND 200),
    CONSTRAINT projects_description_length CHECK (octet_length(description) <= 10000)
);
SELECT forge.isolate('projects');

-- Every workspace has a project from its first moment. Its id is the workspace's own, so that it is
-- known without a look.
CREATE FUNCTION forge.add_default_project() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO forge.projects (workspace_id, id, name, description, revision)
    VALUES (NEW.workspace_id, NEW.workspace_id, 'Default', '', 1);
    RETURN NULL;
END
$$;
CREATE TRIGGER default_project AFTER INSERT ON forge.workspaces
    FOR EACH ROW EXECUTE FUNCTION forge.add_default_project();
INSERT INTO forge.projects (workspace_id, id, name, description, revision)
SELECT workspace_id, workspace_id, 'Default', '', 1 FROM forge.workspaces;

ALTER TABLE forge.workflows
    ADD COLUMN project_id  uuid,
    ADD COLUMN tags        text[] NOT NULL DEFAULT '{}',
    -- Put away: out of lists, not to be changed, published or run.
    ADD COLUMN archived_at timestamptz;
UPDATE forge.workflows SET project_id = workspace_id;
ALTER TABLE forge.workflows
    ALTER COLUMN project_id SET DEFAULT forge.workspace(),
    ALTER COLUMN project_id SET NOT NULL,
    ADD CONSTRAINT workflows_project FOREIGN KEY (workspace_id, project_id)
        REFERENCES forge.projects (workspace_id, id),
    ADD CONSTRAINT workflows_tags CHECK (cardinality(tags) <= 50),
    -- 'deleted': nothing but the versions that runs began with and are shown by.
    DROP CONSTRAINT workflows_origin,
    ADD CONSTRAINT workflows_origin CHECK (origin IN ('saved', 'file', 'deleted'));
CREATE INDEX workflows_of_project ON forge.workflows (workspace_id, project_id, id);

ALTER TABLE forge.workflow_versions
    -- What the one who made it says of it.
    ADD COLUMN note text NOT NULL DEFAULT '',
    ADD CONSTRAINT workflow_versions_note_length CHECK (octet_length(note) <= 10000);

-- The words of each saved workflow's draft: its name, tags, nodes, types and texts. An index of our own
-- because row-level security keeps PostgreSQL's from being used: text search is not leakproof,
-- comparing texts is.
CREATE TABLE forge.workflow_words (
    workspace_id uuid     NOT NULL,
    workflow_id  uuid     NOT NULL,
    word         text     COLLATE "C" NOT NULL,
    -- What a hit counts: the more, the more prominent the word's place.
    weight       smallint NOT NULL,
    CONSTRAINT workflow_words_pkey PRIMARY KEY (workspace_id, workflow_id, word),
    CONSTRAINT workflow_words_workflow FOREIGN KEY (workspace_id, workflow_id)
        REFERENCES forge.workflows (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT workflow_words_length CHECK (octet_length(word) BETWEEN 1 AND 64)
);
SELECT forge.isolate('workflow_words');
CREATE INDEX workflow_words_by_word
    ON forge.workflow_words (workspace_id, word, workflow_id, weight);

-- Good enough until the next save, which puts the exact words in.
INSERT INTO forge.workflow_words (workspace_id, workflow_id, word, weight)
SELECT w.workspace_id, w.id, part.word, max(part.weight)
FROM forge.workflows w
CROSS JOIN LATERAL (
    SELECT regexp_split_to_table(lower(w.name), '[^[:alnum:]]+'), 32
    UNION ALL
    SELECT regexp_split_to_table(lower(w.document), '[^[:alnum:]]+'), 2
) AS part (word, weight)
WHERE w.origin = 'saved' AND octet_length(part.word) BETWEEN 1 AND 64
GROUP BY w.workspace_id, w.id, part.word;
