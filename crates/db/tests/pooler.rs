//! The data path through PgBouncer in transaction mode.

use db::testing::{self, Pooler};
use db::{Columns, Identity, Statement};
use kernel::WorkspaceId;
use uuid::Uuid;

const WHO_AM_I: Statement = db::sql!(
    "test.who_am_i",
    reads(),
    (TEXT),
    "SELECT current_user::text AS role, forge.workspace() AS workspace, $1 AS echo"
);

#[tokio::test]
async fn transactions_work_through_a_pooler_and_share_no_identity() {
    let test = testing::database().await;
    let pooler = Pooler::start(&test, 1);
    let database = pooler.database().await;
    let calls = (0..40_u128).map(|number| {
        let database = database.clone();
        async move {
            let workspace = WorkspaceId(Uuid::from_u128(number));
            let mut tx = database.write(Identity::of_workspace(workspace)).await.unwrap();
            for step in 0..3 {
                let echo = format!("{number}/{step}");
                let row = tx.query_one(&WHO_AM_I, &[&echo]).await.unwrap();
                assert_eq!(row.column::<String>("role").unwrap(), "forge_app");
                assert_eq!(row.column::<Uuid>("workspace").unwrap(), workspace.0);
                assert_eq!(row.column::<String>("echo").unwrap(), echo);
            }
            match number % 3 {
                0 => drop(tx),
                1 => tx.commit().await.unwrap(),
                _ => drop(tx.commit_with(&WHO_AM_I, &[&"last"]).await.unwrap()),
            }
            let mut tx = database.lookup().await.unwrap();
            let row = tx.query_one(&WHO_AM_I, &[&"nobody"]).await.unwrap();
            assert_eq!(row.column::<Option<Uuid>>("workspace").unwrap(), None);
        }
    });
    futures::future::join_all(calls).await;
}
