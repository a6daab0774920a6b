-- oldest-binary: 0.1.0
-- A parked run has all that happened in its checkpoint: it keeps no day of the journal, however long it
-- sleeps. What it does when it is woken goes into the segment of that day.

CREATE OR REPLACE FUNCTION forge.expired_partitions(today date)
    RETURNS TABLE (parent text, child text, state text)
    LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH partitions AS (
        SELECT substring(t.relname FROM '^(.*)_\d{8}$') AS parent, t.relname::text AS child,
            to_date(substring(t.relname FROM '\d{8}$'), 'YYYYMMDD') AS starts,
            CASE WHEN i.inhrelid IS NULL THEN 'detached' WHEN i.inhdetachpending THEN 'pending'
                ELSE 'attached' END AS state
        FROM pg_class t LEFT JOIN pg_inherits i ON i.inhrelid = t.oid
        WHERE t.relnamespace = 'forge'::regnamespace AND t.relkind = 'r'
            AND t.relname ~ '^(journal|history_c\d+)_\d{8}$'
    )
    SELECT p.parent, p.child, p.state FROM partitions p JOIN forge.history_classes() c
        ON p.parent = 'history_c' || c.class
        WHERE c.class > 0 AND (p.starts + c.span)::date + c.class < today
    UNION ALL
    SELECT p.parent, p.child, p.state FROM partitions p
        WHERE p.parent = 'journal' AND p.starts < today - 3
            AND NOT EXISTS (SELECT FROM forge.runs r WHERE r.segment = p.starts
                AND NOT (r.owner IS NULL AND r.state = 'waiting' AND r.checkpoint IS NOT NULL))
    ORDER BY 2;
END;
