//! Walls: statements fit the schema, and a workspace sees nothing of the engine but its own runs.

use db::{Columns, Identity, Statement};
use kernel::WorkspaceId;
use uuid::Uuid;
use workflow::Retention;

use crate::world::{WORKSPACE, World, new_run, park, start, whole};

const SUMMARIES: Statement = db::sql!(
    "test.all_summaries",
    reads(run_summaries),
    (),
    "SELECT workspace_id, id FROM forge.run_summaries"
);

#[tokio::test]
async fn every_statement_fits_the_schema() {
    let db = db::testing::database().await;
    let statements: Vec<_> =
        engine::store::STATEMENTS.iter().chain(queue::STATEMENTS).copied().collect();
    db::prepare_all(&db.database, &statements).await.unwrap();
}

#[tokio::test]
async fn an_unfiltered_select_by_the_application_sees_no_row_of_the_engine() {
    let mut world = World::new().await;
    world.flush(new_run(), start(Some("k"))).await.unwrap();
    let run = world.started().await;
    world.flush(run, park(2, 0, Some(crate::world::now()))).await.unwrap();
    world.flush(new_run(), whole(None, Retention::Days(30))).await.unwrap();
    let tables = world
        .superuser
        .query(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'forge'::regnamespace \
             AND relkind IN ('r', 'p') AND relname ~ \
             '^(members|fences|runs|journal|run_keys|run_labels|run_failures|run_counts|timers|inbox|history|blob|jobs|job_keys|held)'",
            &[],
        )
        .await
        .unwrap();
    assert!(tables.len() > 40);
    for table in tables {
        let table: String = table.get(0);
        let app = world.db.superuser().await;
        app.batch_execute(&format!(
            "SET ROLE forge_app; SELECT set_config('forge.workspace', '{WORKSPACE}', false)"
        ))
        .await
        .unwrap();
        match app.query(&format!("SELECT * FROM forge.{table}"), &[]).await {
            Ok(rows) => assert!(rows.is_empty(), "{table}"),
            Err(error) => assert_eq!(error.code().unwrap().code(), "42501", "{table}"),
        }
    }
}

#[tokio::test]
async fn a_workspace_sees_the_summaries_of_its_own_runs_only() {
    let mut world = World::new().await;
    world.started().await;
    world.flush(new_run(), whole(None, Retention::Days(30))).await.unwrap();
    let stranger = WorkspaceId(Uuid::from_u128(0x5151));
    for (workspace, expected) in [(WORKSPACE, 2), (stranger, 0)] {
        let mut tx = world.db.database.read(Identity::of_workspace(workspace)).await.unwrap();
        let rows = tx.query(&SUMMARIES, &[]).await.unwrap();
        assert_eq!(rows.len(), expected);
        for row in rows {
            assert_eq!(row.column::<Uuid>("workspace_id").unwrap(), workspace.0);
        }
    }
}
