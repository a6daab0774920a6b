//! The tables and statements of triggers.

use db::testing::database;
use db::{Columns, Identity};
use kernel::WorkspaceId;

#[tokio::test]
async fn every_statement_fits_the_schema() {
    let test = database().await;
    db::prepare_all(&test.database, trigger::STATEMENTS).await.unwrap();
}

#[tokio::test]
async fn an_unfiltered_select_sees_nothing_of_a_neighbour() {
    const UNFILTERED: db::Statement = db::sql!(
        "test.unfiltered",
        reads(hooks, hook_revisions),
        (),
        "SELECT workspace_id FROM forge.hooks
         UNION ALL SELECT workspace_id FROM forge.hook_revisions"
    );
    let test = database().await;
    let (ours, theirs) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    let superuser = test.superuser().await;
    for id in [ours, theirs] {
        let text = format!(
            "INSERT INTO forge.hooks VALUES ('{id}', 'draft', '{id}', NULL, 'GET', 'a', 'a', 'In');
             INSERT INTO forge.hook_revisions VALUES ('{id}', 1)"
        );
        superuser.batch_execute(&text).await.unwrap();
    }
    let identity = Identity::of_workspace(WorkspaceId(ours));
    let mut tx = test.database.read(identity).await.unwrap();
    let seen = tx.query(&UNFILTERED, &[]).await.unwrap();
    let seen: Vec<uuid::Uuid> =
        seen.iter().map(|row| row.column("workspace_id").unwrap()).collect();
    assert_eq!(seen, [ours, ours]);
}
