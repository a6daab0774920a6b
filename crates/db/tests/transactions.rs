//! Transactions under an identity, on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use db::testing::{self, TestDatabase};
use db::{Columns, Error, Identity, LaneSettings, Settings, Statement};
use kernel::{Problem, WorkspaceId, codes};
use uuid::Uuid;

const ADD_NOTE: Statement = db::sql!(
    "test.add_note",
    writes(notes),
    (UUID, TEXT),
    "INSERT INTO forge.notes (workspace_id, text) VALUES ($1, $2)"
);
const ALL_NOTES: Statement = db::sql!(
    "test.all_notes",
    reads(notes),
    (),
    "SELECT workspace_id, text FROM forge.notes ORDER BY text"
);
const SET_COUNTER: Statement = db::sql!(
    "test.set_counter",
    reads(notes[text = $1]) writes(notes),
    (TEXT),
    "UPDATE forge.notes SET counter = counter + 1 WHERE text = $1"
);
const WHO_AM_I: Statement = db::sql!(
    "test.who_am_i",
    reads(),
    (),
    "SELECT current_user::text AS role, forge.workspace() AS workspace, \
            forge.principal() AS principal, pg_backend_pid() AS pid"
);
const WAIT_FOR_EVER: Statement =
    db::sql!("test.wait_for_ever", reads(), (), "SELECT pg_sleep(3600)::text");
const DIVIDE: Statement = db::sql!("test.divide", reads(), (INT4), "SELECT 1 / $1");

fn workspace(number: u128) -> Identity {
    Identity::of_workspace(WorkspaceId(Uuid::from_u128(number)))
}

async fn with_notes() -> TestDatabase {
    let test = testing::database().await;
    let owner = test.database.owner().await.unwrap();
    owner
        .batch_execute(
            "CREATE TABLE forge.notes (workspace_id uuid NOT NULL, text text NOT NULL, \
                counter integer NOT NULL DEFAULT 0, \
                CONSTRAINT notes_text_key UNIQUE (workspace_id, text)); \
             SELECT forge.isolate('notes'); \
             CREATE TABLE forge.gears (workspace_id uuid, size integer); \
             SELECT forge.isolate_engine('gears')",
        )
        .await
        .unwrap();
    for (number, text) in [(1, "mine"), (2, "a neighbour's")] {
        let identity = workspace(number);
        let mut tx = test.database.write(identity).await.unwrap();
        tx.execute(&ADD_NOTE, &[&identity.workspace.0, &text]).await.unwrap();
        tx.commit().await.unwrap();
    }
    test
}

#[tokio::test]
async fn an_unfiltered_select_sees_nothing_of_a_neighbour() {
    let test = with_notes().await;
    let mut tx = test.database.read(workspace(1)).await.unwrap();
    let rows = tx.query(&ALL_NOTES, &[]).await.unwrap();
    let texts: Vec<String> = rows.iter().map(|row| row.column("text").unwrap()).collect();
    assert_eq!(texts, ["mine"]);

    let mut tx = test.database.lookup().await.unwrap();
    assert!(tx.query(&ALL_NOTES, &[]).await.unwrap().is_empty());

    // The owner sees both: row-level security hid them, they were not absent.
    let owner = test.database.owner().await.unwrap();
    assert_eq!(owner.query("SELECT FROM forge.notes", &[]).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_row_cannot_be_written_into_a_neighbours_workspace() {
    let test = with_notes().await;
    let mut tx = test.database.write(workspace(1)).await.unwrap();
    let foreign = workspace(2).workspace.0;
    let error = tx.execute(&ADD_NOTE, &[&foreign, &"smuggled"]).await.unwrap_err();
    assert!(error.to_string().contains("row-level security"), "{error}");
    assert!(matches!(tx.commit().await, Err(Error::RolledBack)));
}

#[tokio::test]
async fn roles_see_only_their_own_tables() {
    let test = with_notes().await;
    let engine = test.database.engine_lane(&LaneSettings::default()).await.unwrap();
    engine.execute("INSERT INTO forge.gears VALUES (NULL, 1)", &[]).await.unwrap();
    assert!(engine.query("SELECT FROM forge.notes", &[]).await.is_err());
    let gears: Statement = db::sql!("test.gears", reads(gears), (), "SELECT FROM forge.gears");
    let mut tx = test.database.read(workspace(1)).await.unwrap();
    assert!(tx.query(&gears, &[]).await.is_err());

    let owner = test.database.owner().await.unwrap();
    owner.batch_execute("SELECT forge.allow_engine_read('notes')").await.unwrap();
    assert_eq!(engine.query("SELECT FROM forge.notes", &[]).await.unwrap().len(), 2);
    assert!(engine.execute("DELETE FROM forge.notes", &[]).await.is_err());
}

#[tokio::test]
async fn the_database_itself_refuses_a_write_in_a_read_transaction() {
    let test = with_notes().await;
    let identity = workspace(1);
    let mut tx = test.database.read(identity).await.unwrap();
    let error = tx.execute(&ADD_NOTE, &[&identity.workspace.0, &"x"]).await.unwrap_err();
    assert!(error.to_string().contains("read-only"), "{error}");
}

#[tokio::test]
async fn committing_a_failed_transaction_is_an_error() {
    let test = with_notes().await;
    let identity = workspace(1);
    let mut tx = test.database.write(identity).await.unwrap();
    tx.execute(&ADD_NOTE, &[&identity.workspace.0, &"lost"]).await.unwrap();
    let error = tx.query(&DIVIDE, &[&0]).await.unwrap_err();
    assert!(matches!(error, Error::Data(_)), "{error}");
    assert!(matches!(tx.commit().await, Err(Error::RolledBack)));
    let mut tx = test.database.read(identity).await.unwrap();
    assert_eq!(tx.query(&ALL_NOTES, &[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_last_statement_commits_in_one_burst_or_undoes_everything() {
    let test = with_notes().await;
    let identity = workspace(1);
    let id = identity.workspace.0;
    // Alone, with BEGIN in the same burst; and behind another statement.
    let tx = test.database.write(identity).await.unwrap();
    tx.commit_with(&ADD_NOTE, &[&id, &"alone"]).await.unwrap();
    let mut tx = test.database.write(identity).await.unwrap();
    tx.execute(&ADD_NOTE, &[&id, &"before"]).await.unwrap();
    let rows = tx.commit_with(&ALL_NOTES, &[]).await.unwrap();
    assert_eq!(rows.len(), 3, "its rows are answered");
    // A last statement that is refused takes the others with it, and names its constraint.
    let mut tx = test.database.write(identity).await.unwrap();
    tx.execute(&ADD_NOTE, &[&id, &"lost"]).await.unwrap();
    let error = tx.commit_with(&ADD_NOTE, &[&id, &"mine"]).await.unwrap_err();
    assert_eq!(error.constraint(), Some("notes_text_key"));
    // So does one that was refused before.
    let mut tx = test.database.write(identity).await.unwrap();
    tx.query(&DIVIDE, &[&0]).await.unwrap_err();
    tx.commit_with(&ADD_NOTE, &[&id, &"too late"]).await.unwrap_err();
    let mut tx = test.database.read(identity).await.unwrap();
    let rows = tx.query(&ALL_NOTES, &[]).await.unwrap();
    let texts: Vec<String> = rows.iter().map(|row| row.column("text").unwrap()).collect();
    assert_eq!(texts, ["alone", "before", "mine"]);
}

#[tokio::test]
async fn a_last_statement_that_meets_another_transaction_is_run_again() {
    let test = with_notes().await;
    let identity = workspace(1);
    let attempts = std::sync::atomic::AtomicU32::new(0);
    let (database, attempts) = (&test.database, &attempts);
    database
        .transact(identity, |mut tx| async move {
            let first = attempts.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
            tx.query(&ALL_NOTES, &[]).await?;
            if first {
                let other = database.write(identity).await?;
                other.commit_with(&SET_COUNTER, &[&"mine"]).await?;
            }
            tx.commit_with(&SET_COUNTER, &[&"mine"]).await.map(drop)
        })
        .await
        .unwrap();
    assert_eq!(attempts.load(std::sync::atomic::Ordering::SeqCst), 2);
    let owner = test.database.owner().await.unwrap();
    let text = "SELECT counter FROM forge.notes WHERE text = 'mine'";
    assert_eq!(owner.query_one(text, &[]).await.unwrap().get::<_, i32>(0), 2);
}

#[tokio::test]
async fn a_refused_row_names_its_constraint() {
    let test = with_notes().await;
    let identity = workspace(1);
    let mut tx = test.database.write(identity).await.unwrap();
    let error = tx.execute(&ADD_NOTE, &[&identity.workspace.0, &"mine"]).await.unwrap_err();
    assert_eq!(error.constraint(), Some("notes_text_key"));
}

/// One connection, so that every transaction inherits what the one before left.
async fn single(test: &TestDatabase) -> db::Database {
    let settings = Settings { pool_max: 1, ..test.settings() };
    db::Database::connect(settings).await.unwrap()
}

async fn who(database: &db::Database, identity: Option<Identity>) -> (String, Option<Uuid>, i32) {
    let mut tx = match identity {
        Some(identity) => database.read(identity).await.unwrap(),
        None => database.lookup().await.unwrap(),
    };
    let row = tx.query_one(&WHO_AM_I, &[]).await.unwrap();
    let answer =
        (row.column("role").unwrap(), row.column("workspace").unwrap(), row.column("pid").unwrap());
    tx.commit().await.unwrap();
    answer
}

#[tokio::test]
async fn a_reused_connection_knows_nothing_of_who_used_it_before() {
    let test = with_notes().await;
    let database = single(&test).await;
    let ada =
        Identity::new(WorkspaceId(Uuid::from_u128(1)), kernel::PrincipalId(Uuid::from_u128(7)));
    let (role, seen, first) = who(&database, Some(ada)).await;
    assert_eq!((role.as_str(), seen), ("forge_app", Some(ada.workspace.0)));
    let (role, seen, second) = who(&database, None).await;
    assert_eq!((role.as_str(), seen), ("forge_app", None));
    assert_eq!(first, second, "the same connection was reused");
}

#[tokio::test]
async fn a_transaction_dropped_midway_is_rolled_back_and_leaks_no_identity() {
    let test = with_notes().await;
    let database = single(&test).await;
    let identity = workspace(1);
    let mut tx = database.write(identity).await.unwrap();
    tx.execute(&ADD_NOTE, &[&identity.workspace.0, &"dropped"]).await.unwrap();
    drop(tx);

    let (_, seen, _) = who(&database, None).await;
    assert_eq!(seen, None);
    let mut tx = database.read(identity).await.unwrap();
    assert_eq!(tx.query(&ALL_NOTES, &[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_statement_dropped_midway_costs_its_connection_and_is_cancelled() {
    let test = with_notes().await;
    let database = single(&test).await;
    let (_, _, before) = who(&database, None).await;
    let mut tx = database.write(workspace(1)).await.unwrap();
    {
        let waiting = [];
        let call = tx.query(&WAIT_FOR_EVER, &waiting);
        let dropped = tokio::time::timeout(std::time::Duration::from_millis(50), call).await;
        assert!(dropped.is_err());
    }
    drop(tx);
    let (_, seen, after) = who(&database, None).await;
    assert_eq!(seen, None);
    assert_ne!(before, after, "the connection was discarded");

    let watcher = test.superuser().await;
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(10));
    let gone = async {
        while watcher
            .query_opt("SELECT FROM pg_stat_activity WHERE pid = $1", &[&before])
            .await
            .unwrap()
            .is_some()
        {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), gone).await.expect("cancelled");
}

#[tokio::test]
async fn a_transaction_that_met_another_one_is_run_again() {
    let test = with_notes().await;
    let identity = workspace(1);
    let attempts = std::sync::atomic::AtomicU32::new(0);
    let (database, attempts) = (&test.database, &attempts);
    let changed = database
        .transact(identity, |mut tx| async move {
            let first = attempts.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
            tx.query(&ALL_NOTES, &[]).await?;
            if first {
                // Behind this transaction's snapshot: its own update now meets this one.
                let mut other = database.write(identity).await?;
                other.execute(&SET_COUNTER, &[&"mine"]).await?;
                other.commit().await?;
            }
            let changed = tx.execute(&SET_COUNTER, &[&"mine"]).await?;
            tx.commit().await?;
            Ok::<_, Error>(changed)
        })
        .await
        .unwrap();
    assert_eq!(changed, 1);
    assert_eq!(attempts.load(std::sync::atomic::Ordering::SeqCst), 2);
    let owner = test.database.owner().await.unwrap();
    let row =
        owner.query_one("SELECT counter FROM forge.notes WHERE text = 'mine'", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 2);
}

#[tokio::test]
async fn a_body_that_forgets_to_commit_fails() {
    let test = with_notes().await;
    let identity = workspace(1);
    let result: Result<(), Error> = test
        .database
        .transact(identity, |mut tx| async move {
            tx.execute(&SET_COUNTER, &[&"mine"]).await?;
            Ok(())
        })
        .await;
    assert!(matches!(result, Err(Error::Internal(_))));
}

#[tokio::test]
async fn a_future_of_transact_may_move_between_threads() {
    fn movable<T: Send>(future: T) -> T {
        future
    }
    let test = with_notes().await;
    let text = String::from("mine");
    let text = text.as_str();
    movable(test.database.transact(workspace(1), |mut tx| async move {
        tx.execute(&SET_COUNTER, &[&text]).await?;
        tx.commit().await?;
        Ok::<_, Problem>(())
    }))
    .await
    .unwrap();
}

#[tokio::test]
async fn a_busy_pool_answers_overloaded_in_time() {
    let test = with_notes().await;
    let settings = Settings {
        pool_max: 1,
        acquire_timeout: std::time::Duration::from_millis(50),
        ..test.settings()
    };
    let database = db::Database::connect(settings).await.unwrap();
    let held = database.read(workspace(1)).await.unwrap();
    let problem = Problem::from(database.read(workspace(1)).await.unwrap_err());
    assert_eq!(problem.code, codes::SERVER_OVERLOADED);
    drop(held);
    database.read(workspace(1)).await.unwrap();
}

#[tokio::test]
async fn an_absent_database_is_unavailable_with_a_time_to_try_again() {
    let settings = Settings::new("postgres://nobody@127.0.0.1:1/nothing");
    let problem = db::Database::connect(settings).await.unwrap_err();
    assert_eq!(problem.code, codes::DATABASE_UNAVAILABLE);
    assert!(problem.retry_after_ms.is_some());
    assert!(problem.detail.contains("refused"), "{}", problem.detail);
    assert!(problem.detail.contains("try again"), "{}", problem.detail);
}

#[tokio::test]
async fn a_login_or_database_that_does_not_exist_is_named() {
    let test = testing::empty_database().await;
    let stranger = Settings::new(test.url("somebody_else"));
    let problem = db::Database::connect(stranger).await.unwrap_err();
    assert_eq!(problem.code, codes::DATABASE_PERMISSION);
    assert!(problem.detail.contains("somebody_else"), "{}", problem.detail);
    let elsewhere = Settings::new(test.url("forge_login").replace("dbname=test", "dbname=absent"));
    let problem = db::Database::connect(elsewhere).await.unwrap_err();
    assert_eq!(problem.code, codes::DATABASE_PERMISSION);
    assert!(problem.detail.contains("absent"), "{}", problem.detail);
}

#[tokio::test]
async fn a_terminated_backend_is_gone_and_a_reused_pid_is_not_mistaken_for_it() {
    let test = with_notes().await;
    let lane = test.database.engine_lane(&LaneSettings::default()).await.unwrap();
    let backend = lane.backend();
    let other = db::Backend { started_at: jiff::Timestamp::UNIX_EPOCH, ..backend };
    let second = std::time::Duration::from_secs(1);
    assert!(test.database.terminate(other, second).await.unwrap());
    assert!(lane.simple_query("SELECT 1").await.is_ok(), "another incarnation was meant");
    assert!(test.database.terminate(backend, second).await.unwrap());
    assert!(lane.simple_query("SELECT 1").await.is_err());
}

#[tokio::test]
async fn every_statement_is_proven_against_the_schema() {
    let test = with_notes().await;
    let fine = [&ADD_NOTE, &ALL_NOTES, &SET_COUNTER, &WHO_AM_I];
    db::prepare_all(&test.database, &fine).await.unwrap();
    let wrong = db::sql!("test.wrong", reads(notes), (), "SELECT nothing FROM forge.notes");
    let error = db::prepare_all(&test.database, &[&ADD_NOTE, &wrong, &ADD_NOTE]).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("test.wrong") && text.contains("two statements"), "{text}");
    assert_eq!(SET_COUNTER.reads[0].table, "notes");
    assert_eq!(SET_COUNTER.reads[0].key, "text = $1");
}

#[tokio::test]
async fn the_clock_of_a_clone_can_be_moved_and_stopped() {
    let test = testing::database().await;
    let owner = test.database.owner().await.unwrap();
    let ahead = async || -> f64 {
        let text = "SELECT extract(epoch FROM forge.now() - clock_timestamp())::float8";
        owner.query_one(text, &[]).await.unwrap().get(0)
    };
    assert!(ahead().await.abs() < 60.0);
    test.advance(std::time::Duration::from_secs(3_600)).await;
    assert!((ahead().await - 3_600.0).abs() < 60.0);
    let noon: jiff::Timestamp = "2030-01-01T12:00:00Z".parse().unwrap();
    test.pin(Some(noon)).await;
    let row = owner.query_one("SELECT forge.now()", &[]).await.unwrap();
    assert_eq!(row.get::<_, jiff::Timestamp>(0), noon);
}

#[tokio::test]
async fn the_pool_recovers_when_every_connection_was_cut() {
    let test = with_notes().await;
    let database = single(&test).await;
    who(&database, None).await;
    let admin = test.superuser().await;
    admin
        .batch_execute(
            "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await
        .unwrap();
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(5));
    let recovered = async {
        // A connection whose end was not seen yet answers "unavailable" and is not used again.
        while let Err(error) = database.ping().await {
            assert!(matches!(error, Error::Unavailable(_)), "{error}");
            ticks.tick().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), recovered).await.expect("recovers");
    assert_eq!(who(&database, Some(workspace(1))).await.1, Some(Uuid::from_u128(1)));
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_stopped_by_the_server() {
    let test = with_notes().await;
    let settings =
        Settings { statement_timeout: std::time::Duration::from_millis(50), ..test.settings() };
    let database = db::Database::connect(settings).await.unwrap();
    let mut tx = database.read(workspace(1)).await.unwrap();
    let error = tx.query(&WAIT_FOR_EVER, &[]).await.unwrap_err();
    assert!(matches!(error, Error::Timeout), "{error}");
}

#[tokio::test]
async fn a_connection_asked_for_on_a_runtime_that_ended_still_works() {
    let test = with_notes().await;
    let database = single(&test).await;
    let elsewhere = database.clone();
    let asked = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(who(&elsewhere, Some(workspace(1)))).2
    });
    // The home runtime goes on driving the connection while the other thread works.
    let first = tokio::task::spawn_blocking(move || asked.join().unwrap()).await.unwrap();
    assert_eq!(who(&database, Some(workspace(2))).await.2, first, "the same connection");
}
