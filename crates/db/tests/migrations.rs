//! Migrating a real database: once, in order, and never over somebody newer.

use db::migrate::{self, MIGRATIONS, Migration};
use db::testing;
use kernel::codes;

const FIRST: Migration = Migration {
    number: 1,
    name: "0001__test__count",
    text: "-- oldest-binary: 0.1.0\nCREATE TABLE forge.runs_of_me (at timestamptz);\n\
           INSERT INTO forge.runs_of_me VALUES (clock_timestamp());\n",
};
const INDEX: Migration = Migration {
    number: 2,
    name: "0002__test__index",
    text: "-- oldest-binary: 0.2.0\n-- no-transaction\n\
           CREATE INDEX CONCURRENTLY IF NOT EXISTS runs_of_me_at ON forge.runs_of_me (at);\n",
};
const BROKEN: Migration = Migration {
    number: 2,
    name: "0002__test__broken",
    text: "-- oldest-binary: 0.1.0\nCREATE TABLE forge.half ();\nSELECT nothing;\n",
};

#[tokio::test]
async fn five_migrators_at_once_migrate_once() {
    let test = testing::empty_database().await;
    let members = (0..5).map(|_| async {
        let database = db::Database::connect(test.settings()).await.unwrap();
        migrate::migrate(&database).await.unwrap().applied
    });
    let applied = futures::future::join_all(members).await;
    let names: Vec<String> = applied.into_iter().flatten().collect();
    let expected: Vec<&str> = MIGRATIONS.iter().map(|migration| migration.name).collect();
    assert_eq!(names, expected, "each was applied by exactly one of the five");
    assert!(migrate::migrate(&test.database).await.unwrap().applied.is_empty());
}

#[tokio::test]
async fn a_schema_that_wants_a_newer_binary_is_refused_and_one_that_lets_us_is_not() {
    let test = testing::empty_database().await;
    let newer = [FIRST, INDEX];
    let report = migrate::migrate_with(&test.database, &newer, "0.2.0").await.unwrap();
    assert_eq!(report.applied, ["0001__test__count", "0002__test__index"]);

    let problem = migrate::migrate_with(&test.database, &[FIRST], "0.1.9").await.unwrap_err();
    assert_eq!(problem.code, codes::DATABASE_NEWER_SCHEMA);
    assert!(problem.detail.contains("0.2.0"), "{}", problem.detail);
    let report = migrate::migrate_with(&test.database, &[FIRST], "0.2.1").await.unwrap();
    assert!(report.applied.is_empty());
}

#[tokio::test]
async fn an_applied_migration_whose_text_changed_is_refused() {
    let test = testing::empty_database().await;
    migrate::migrate_with(&test.database, &[FIRST], "0.1.0").await.unwrap();
    let changed = Migration { text: "-- oldest-binary: 0.1.0\nSELECT 1;\n", ..FIRST };
    let problem = migrate::migrate_with(&test.database, &[changed], "0.1.0").await.unwrap_err();
    assert_eq!(problem.code, codes::DATABASE_CHANGED_MIGRATION);
}

#[tokio::test]
async fn a_failing_migration_is_undone_and_can_be_tried_again() {
    let test = testing::empty_database().await;
    let problem =
        migrate::migrate_with(&test.database, &[FIRST, BROKEN], "0.1.0").await.unwrap_err();
    assert_eq!(problem.code, codes::DATABASE_MIGRATION_FAILED);
    assert!(problem.detail.contains(BROKEN.name), "{}", problem.detail);
    let owner = test.database.owner().await.unwrap();
    let half = owner.query_one("SELECT to_regclass('forge.half') IS NULL", &[]).await.unwrap();
    assert!(half.get::<_, bool>(0));

    let mended = Migration { text: "-- oldest-binary: 0.1.0\nSELECT 1;\n", ..BROKEN };
    let report = migrate::migrate_with(&test.database, &[FIRST, mended], "0.1.0").await.unwrap();
    assert_eq!(report.applied, [BROKEN.name]);
}

#[tokio::test]
async fn a_login_that_may_not_make_roles_is_told_which_grants_are_needed() {
    let test = testing::empty_database().await;
    let admin = test.superuser().await;
    admin
        .batch_execute(
            "DO $$ BEGIN CREATE ROLE forge_stranger LOGIN NOINHERIT; \
             EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        )
        .await
        .unwrap();
    let settings = db::Settings::new(test.url("forge_stranger"));
    let problem = db::Database::connect(settings).await.unwrap_err();
    assert_eq!(problem.code, codes::DATABASE_PERMISSION);
    assert!(
        problem.detail.contains("GRANT forge_owner, forge_app, forge_engine TO forge_stranger")
    );
}

#[tokio::test]
async fn a_login_that_owns_its_database_and_may_make_roles_sets_itself_up() {
    let test = testing::empty_database().await;
    let admin = test.superuser().await;
    admin
        .batch_execute(
            "DO $$ BEGIN CREATE ROLE forge_builder LOGIN CREATEROLE; \
             EXCEPTION WHEN duplicate_object THEN NULL; END $$; \
             REVOKE forge_owner, forge_app, forge_engine FROM forge_builder; \
             DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO forge_builder', \
                current_database()); END $$",
        )
        .await
        .unwrap();
    let database =
        db::Database::connect(db::Settings::new(test.url("forge_builder"))).await.unwrap();
    let report = migrate::migrate(&database).await.unwrap();
    assert_eq!(report.applied.len(), MIGRATIONS.len());
}
