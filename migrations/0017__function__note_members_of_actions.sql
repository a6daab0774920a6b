-- oldest-binary: 0.1.0
-- Whose an action under way is: as long as that member lives, a repetition on another waits for it.

ALTER TABLE forge.idempotency_keys
    -- The incarnation that runs the action; null: none that could be asked about.
    ADD COLUMN incarnation uuid;

-- Whether a member may still be at work: any of its fences is open. forge_app does not see the fences.
CREATE FUNCTION forge.is_member_alive(member uuid) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM forge.fences f WHERE f.incarnation = member AND f.fenced_at IS NULL)
$$;
GRANT EXECUTE ON FUNCTION forge.is_member_alive(uuid) TO forge_app;
