-- oldest-binary: 0.1.0
-- How often each process was asked for lately, by whom: one row for each, renewed every second. The
-- arrays run in parallel; scopes are 1 (key), 2 (address), 3 (workspace). Lost with the server, which
-- costs nothing: the next second tells it anew.
CREATE UNLOGGED TABLE forge.rates (
    member_id uuid NOT NULL,
    told_at timestamptz NOT NULL,
    scopes smallint[] NOT NULL,
    subjects uuid[] NOT NULL,
    demands real[] NOT NULL,
    CONSTRAINT rates_pkey PRIMARY KEY (member_id)
) WITH (fillfactor = 50);
SELECT forge.isolate_engine('rates');
