-- oldest-binary: 0.1.0
-- Jobs that were given up: kept until somebody looks at them.

CREATE TABLE forge.dead_letters (
    workspace_id uuid        NOT NULL,
    id           uuid        NOT NULL,
    lane         text        NOT NULL,
    priority     smallint    NOT NULL,
    kind         text        NOT NULL,
    key          text,
    attempts     smallint    NOT NULL,
    -- Code of the last failure, and what it said.
    code         text        NOT NULL,
    reason       text        NOT NULL,
    died_at      timestamptz NOT NULL,
    payload      bytea       NOT NULL,
    CONSTRAINT dead_letters_pkey PRIMARY KEY (workspace_id, id)
);
ALTER TABLE forge.dead_letters ALTER COLUMN payload SET STORAGE EXTERNAL;
SELECT forge.isolate_engine('dead_letters');
