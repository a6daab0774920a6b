//! The way to the database falls silent: packets vanish, nothing is closed.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::time::Duration;

use db::testing::{self, Proxy, TestDatabase};
use db::{Database, Error, Identity, Lane, LaneSettings, Settings, Statement};
use kernel::{Problem, WorkspaceId, codes};
use uuid::Uuid;

const ONE: Statement = db::sql!("test.one", reads(), (), "SELECT 1");

/// A database behind a proxy, whose statements may take a moment only.
async fn behind_a_proxy() -> (TestDatabase, Proxy, Database) {
    let test = testing::database().await;
    let proxy = Proxy::start(&test).await;
    let moment = Duration::from_millis(200);
    let settings = Settings { statement_timeout: moment, ..Settings::new(proxy.url()) };
    let database = Database::connect(settings).await.unwrap();
    (test, proxy, database)
}

fn is_unavailable(error: Error) {
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert_eq!(Problem::from(error).code, codes::DATABASE_UNAVAILABLE);
}

fn nobody() -> Identity {
    Identity::of_workspace(WorkspaceId(Uuid::nil()))
}

#[tokio::test]
async fn transactions_notice_it_and_use_other_connections_when_it_is_over() {
    let (_test, proxy, database) = behind_a_proxy().await;
    let mut asked = database.read(nobody()).await.unwrap();
    asked.query(&ONE, &[]).await.unwrap();
    let mut committed = database.write(nobody()).await.unwrap();
    committed.query(&ONE, &[]).await.unwrap();
    let last = database.write(nobody()).await.unwrap();
    proxy.silence();
    let (asked, committed, last, pinged) = tokio::join!(
        async { asked.query(&ONE, &[]).await.map(drop) },
        committed.commit(),
        async { last.commit_with(&ONE, &[]).await.map(drop) },
        database.ping(),
    );
    for outcome in [asked, committed, last, pinged] {
        is_unavailable(outcome.unwrap_err());
    }
    proxy.restore();
    let mut tx = database.read(nobody()).await.unwrap();
    assert_eq!(tx.query(&ONE, &[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_lane_notices_it_and_opens_another_connection_when_it_is_over() {
    let (_test, proxy, database) = behind_a_proxy().await;
    let limit = ("statement_timeout", "200ms".to_owned());
    let lane = Lane::new(database, LaneSettings { name: "test".into(), settings: vec![limit] });
    lane.query(&ONE, &[]).await.unwrap();
    proxy.silence();
    let (first, second) = tokio::join!(lane.query(&ONE, &[]), lane.execute(&ONE, &[]));
    is_unavailable(first.unwrap_err());
    is_unavailable(second.map(drop).unwrap_err());
    // Nor is there a way to a new one.
    is_unavailable(lane.query(&ONE, &[]).await.unwrap_err());
    proxy.restore();
    assert_eq!(lane.query(&ONE, &[]).await.unwrap().len(), 1);
}
