-- oldest-binary: 0.1.0
-- Functions are for those they are granted to, and for nobody else. Revoking a default privilege IN
-- SCHEMA takes nothing away: EXECUTE for PUBLIC comes from the global default, and only there can it
-- be revoked. What forge_app and forge_engine call was granted to them by name and stays.

ALTER DEFAULT PRIVILEGES FOR ROLE forge_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA forge FROM PUBLIC;
