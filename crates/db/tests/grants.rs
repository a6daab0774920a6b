//! Who may call the functions of the schema.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use db::testing::{self, TestDatabase};
use db::{LaneSettings, migrate};
use tokio_postgres::error::SqlState;

/// The functions a role may call (`0`: everybody), by grants of its own.
async fn callable(test: &TestDatabase, role: &str) -> Vec<String> {
    let text = "SELECT p.proname::text FROM pg_proc p,
           aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
         WHERE p.pronamespace = 'forge'::regnamespace AND a.privilege_type = 'EXECUTE'
           AND a.grantee = CASE $1 WHEN 'public' THEN 0::oid ELSE to_regrole($1)::oid END
         ORDER BY 1";
    let rows = test.superuser().await.query(text, &[&role]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn functions_are_for_those_they_are_granted_to() {
    let test = testing::empty_database().await;
    migrate::migrate(&test.database).await.unwrap();
    let none: [&str; 0] = [];
    assert_eq!(callable(&test, "public").await, none);
    let of_app = [
        "enqueue",
        "find_api_key",
        "find_hook_revision",
        "is_member_alive",
        "now",
        "principal",
        "workspace",
    ];
    assert_eq!(callable(&test, "forge_app").await, of_app);
    assert_eq!(callable(&test, "forge_engine").await, ["now", "principal", "workspace"]);

    let engine = test.database.engine_lane(&LaneSettings::default()).await.unwrap();
    engine.simple_query("SELECT forge.now()").await.unwrap();
    let spied = engine.simple_query("SELECT * FROM forge.find_api_key('ff_a')").await.unwrap_err();
    assert_eq!(spied.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{spied}");

    let owner = test.database.owner().await.unwrap();
    let later = "CREATE FUNCTION forge.later() RETURNS int LANGUAGE sql RETURN 1";
    owner.batch_execute(later).await.unwrap();
    assert_eq!(callable(&test, "public").await, none, "nor may a later one be called");
}
