-- oldest-binary: 0.1.0
-- What runs are found by besides their ids: labels, and why they failed. And how many ended, how, and
-- how long they took.

-- One row for each label of a run. class and day are those of the run's row in history, null while it
-- lives; class -1: the run was not kept. A row whose run is gone is stale: it is passed over, and
-- removed by and by.
CREATE TABLE forge.run_labels (
    workspace_id uuid NOT NULL,
    run_id uuid NOT NULL,
    label text COLLATE "C" NOT NULL,
    class smallint,
    day date,
    CONSTRAINT run_labels_pkey PRIMARY KEY (workspace_id, run_id, label)
) WITH (fillfactor = 90);
CREATE INDEX run_labels_label ON forge.run_labels (workspace_id, label, run_id);

-- One row for each run in history that did not succeed.
CREATE TABLE forge.run_failures (
    workspace_id uuid NOT NULL,
    run_id uuid NOT NULL,
    class smallint NOT NULL,
    day date NOT NULL,
    code text NOT NULL,
    node text NOT NULL,
    detail text NOT NULL,
    CONSTRAINT run_failures_pkey PRIMARY KEY (workspace_id, run_id)
);
-- Runs that failed before are found by their state.
INSERT INTO forge.run_failures
SELECT workspace_id, run_id, class, day, '', '', '' FROM forge.history WHERE state <> 'succeeded';

-- Runs that ended, counted in spans of a minute (kept for days) and of an hour (kept for a year), by how
-- they ended and by how long they took: slot n is [1.19^n, 1.19^(n+1)) microseconds, four to a
-- doubling. The workflow of nothing but zeros stands for all of the workspace's.
CREATE TABLE forge.run_counts (
    workspace_id uuid NOT NULL,
    workflow_id uuid NOT NULL,
    span smallint NOT NULL,
    at timestamptz NOT NULL,
    state text NOT NULL,
    slot smallint NOT NULL,
    runs bigint NOT NULL,
    took_us bigint NOT NULL,
    CONSTRAINT run_counts_pkey PRIMARY KEY (workspace_id, workflow_id, span, at, state, slot),
    CONSTRAINT run_counts_span_known CHECK (span IN (1, 60)),
    CONSTRAINT run_counts_state_known CHECK (state IN ('succeeded', 'failed', 'cancelled'))
) WITH (fillfactor = 50);
-- By which old rows go; a block range index costs next to nothing.
CREATE INDEX run_counts_at ON forge.run_counts USING brin (at);

SELECT forge.isolate_engine(noun) FROM unnest(ARRAY['run_labels', 'run_failures', 'run_counts']) AS noun;
