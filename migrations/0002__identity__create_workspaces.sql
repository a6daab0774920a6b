-- oldest-binary: 0.1.0
-- Workspaces, who acts in them, and the keys they show.

CREATE TABLE forge.workspaces (
    workspace_id uuid        NOT NULL,
    slug         text        NOT NULL,
    name         text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT forge.now(),
    CONSTRAINT workspaces_pkey PRIMARY KEY (workspace_id),
    CONSTRAINT workspaces_slug_unique UNIQUE (slug),
    CONSTRAINT workspaces_slug_form CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    CONSTRAINT workspaces_name_length CHECK (octet_length(name) BETWEEN 1 AND 200)
);
SELECT forge.isolate('workspaces');

CREATE TABLE forge.principals (
    workspace_id uuid        NOT NULL,
    id           uuid        NOT NULL,
    kind         text        NOT NULL,
    name         text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT forge.now(),
    CONSTRAINT principals_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT principals_workspace FOREIGN KEY (workspace_id)
        REFERENCES forge.workspaces (workspace_id) ON DELETE CASCADE,
    CONSTRAINT principals_kind CHECK (kind IN ('owner', 'user', 'service')),
    CONSTRAINT principals_name_length CHECK (octet_length(name) BETWEEN 1 AND 200)
);
SELECT forge.isolate('principals');

CREATE TABLE forge.api_keys (
    workspace_id uuid        NOT NULL,
    id           uuid        NOT NULL,
    principal_id uuid        NOT NULL,
    name         text        NOT NULL,
    -- The part of the key that may be shown: how it is found.
    prefix       text        NOT NULL,
    -- SHA-256 of the whole key. A key has 260 random bits, so a slow hash would protect nothing.
    hash         bytea       NOT NULL,
    scopes       text[]      NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT forge.now(),
    last_used_at timestamptz,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    CONSTRAINT api_keys_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT api_keys_prefix_unique UNIQUE (prefix),
    CONSTRAINT api_keys_principal FOREIGN KEY (workspace_id, principal_id)
        REFERENCES forge.principals (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT api_keys_name_length CHECK (octet_length(name) BETWEEN 1 AND 200),
    CONSTRAINT api_keys_hash_length CHECK (octet_length(hash) = 32)
);
SELECT forge.isolate('api_keys');

-- The look-up before the workspace is known: one row by prefix, or none.
CREATE FUNCTION forge.find_api_key(wanted text)
    RETURNS TABLE (workspace_id uuid, slug text, id uuid, principal_id uuid, hash bytea,
                   scopes text[], expires_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    ROWS 1
AS $$
    SELECT k.workspace_id, w.slug, k.id, k.principal_id, k.hash, k.scopes, k.expires_at
    FROM forge.api_keys k
    JOIN forge.workspaces w ON w.workspace_id = k.workspace_id
    WHERE k.prefix = wanted AND k.revoked_at IS NULL
$$;
GRANT EXECUTE ON FUNCTION forge.find_api_key(text) TO forge_app;
