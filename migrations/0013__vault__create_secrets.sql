-- oldest-binary: 0.1.0
-- Secrets of a workspace, sealed: the database never sees one in plain text.

CREATE TABLE forge.secrets (
    workspace_id uuid        NOT NULL,
    name         text        NOT NULL,
    -- Which key sealed it, so that a wrong one is told apart from a damaged row.
    key_id       text        NOT NULL,
    -- Nonce, ciphertext and tag of AES-256-GCM; workspace and name are its additional data, so that
    -- a row moved to another workspace or name does not open.
    sealed       bytea       NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT forge.now(),
    updated_at   timestamptz NOT NULL DEFAULT forge.now(),
    updated_by   uuid,
    CONSTRAINT secrets_pkey PRIMARY KEY (workspace_id, name),
    CONSTRAINT secrets_workspace FOREIGN KEY (workspace_id)
        REFERENCES forge.workspaces (workspace_id) ON DELETE CASCADE,
    CONSTRAINT secrets_name_length CHECK (octet_length(name) BETWEEN 1 AND 100),
    CONSTRAINT secrets_sealed_length CHECK (octet_length(sealed) BETWEEN 28 AND 70000)
);
SELECT forge.isolate('secrets');

-- Goes up with every change of a workspace's secrets, so that members know when to open them again.
CREATE TABLE forge.secret_revisions (
    workspace_id uuid   NOT NULL,
    revision     bigint NOT NULL,
    CONSTRAINT secret_revisions_pkey PRIMARY KEY (workspace_id)
);
SELECT forge.isolate('secret_revisions');
