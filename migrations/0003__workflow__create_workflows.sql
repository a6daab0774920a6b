-- oldest-binary: 0.1.0
-- Workflows: the draft everybody edits, and the immutable versions that run.

CREATE TABLE forge.workflows (
    workspace_id         uuid        NOT NULL,
    id                   uuid        NOT NULL,
    -- 'saved' by people; 'file': made to run a file, not listed and never called by name.
    origin               text        NOT NULL,
    name                 text        NOT NULL,
    description          text        NOT NULL,
    -- The draft as canonical JSON. Text, because jsonb forgets the order of keys and refuses NUL.
    document             text        NOT NULL,
    -- The text the draft was written as, while it is current: YAML keeps its comments.
    source               text,
    source_type          text,
    -- Goes up by one with every save.
    revision             bigint      NOT NULL,
    published_version_id uuid,
    created_at           timestamptz NOT NULL DEFAULT forge.now(),
    updated_at           timestamptz NOT NULL DEFAULT forge.now(),
    updated_by           uuid,
    CONSTRAINT workflows_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT workflows_workspace FOREIGN KEY (workspace_id)
        REFERENCES forge.workspaces (workspace_id) ON DELETE CASCADE,
    CONSTRAINT workflows_name_unique UNIQUE (workspace_id, origin, name),
    CONSTRAINT workflows_name_length CHECK (octet_length(name) BETWEEN 1 AND 200),
    CONSTRAINT workflows_origin CHECK (origin IN ('saved', 'file')),
    CONSTRAINT workflows_source_type CHECK (source_type IN ('json', 'yaml')),
    CONSTRAINT workflows_source_whole CHECK ((source IS NULL) = (source_type IS NULL))
);
SELECT forge.isolate('workflows');

CREATE TABLE forge.workflow_versions (
    workspace_id uuid        NOT NULL,
    id           uuid        NOT NULL,
    workflow_id  uuid        NOT NULL,
    -- Counts from 1 in each workflow.
    number       integer     NOT NULL,
    -- Canonical JSON with the version of every node type spelled out.
    document     text        NOT NULL,
    source       text,
    source_type  text,
    -- SHA-256 of the document: the same content is the same version.
    hash         bytea       NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT forge.now(),
    created_by   uuid,
    CONSTRAINT workflow_versions_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT workflow_versions_workflow FOREIGN KEY (workspace_id, workflow_id)
        REFERENCES forge.workflows (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT workflow_versions_number_unique UNIQUE (workspace_id, workflow_id, number),
    CONSTRAINT workflow_versions_hash_unique UNIQUE (workspace_id, workflow_id, hash),
    CONSTRAINT workflow_versions_hash_length CHECK (octet_length(hash) = 32),
    CONSTRAINT workflow_versions_source_type CHECK (source_type IN ('json', 'yaml')),
    CONSTRAINT workflow_versions_source_whole CHECK ((source IS NULL) = (source_type IS NULL))
);
SELECT forge.isolate('workflow_versions');
-- Versions never change; they go with their workflow.
REVOKE UPDATE ON forge.workflow_versions FROM forge_app;

ALTER TABLE forge.workflows ADD CONSTRAINT workflows_published_version
    FOREIGN KEY (workspace_id, published_version_id)
    REFERENCES forge.workflow_versions (workspace_id, id);
