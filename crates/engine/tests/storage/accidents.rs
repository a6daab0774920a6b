//! Bad rows, broken connections, a member fenced in the middle: each operation is written once or not
//! at all, and its verdict says which.

use std::time::Duration;

use db::testing;
use db::{Database, Settings};
use engine::flusher::{Op, Verdict};
use kernel::codes;
use tokio_postgres::Client;
use workflow::Retention;

use crate::proxy::Proxy;
use crate::world::{
    WORKSPACE, World, end, flusher, join, new_run, park, progress, renew, start, store, until,
    whole,
};

const OK: Result<Verdict, kernel::Problem> = Ok(Verdict::Ok { signals: 0 });

#[tokio::test]
async fn one_record_that_cannot_be_stored_fails_alone() {
    let mut world = World::new().await;
    let bad = 37;
    for token in 0..100 {
        let key = if token == bad { "nul\0key".to_owned() } else { format!("key{token}") };
        let op = match token % 2 {
            0 => start(Some(&key)),
            _ => whole(Some(&key), Retention::Days(30)),
        };
        world.offer(new_run(), token, op);
    }
    for _ in 0..100 {
        let answer = world.answer().await;
        if answer.token == bad {
            assert_eq!(answer.outcome.unwrap_err().code, codes::RUN_UNSTORABLE);
        } else {
            assert_eq!(answer.outcome, OK);
        }
    }
    assert_eq!(world.count("run_keys").await, 99);
    assert!(world.flusher.admitting());
}

#[tokio::test]
async fn a_run_that_is_started_twice_by_mistake_fails_alone() {
    let mut world = World::new().await;
    let run = world.started().await;
    let mut again = start(None);
    if let Op::Start { seq, .. } = &mut again {
        *seq = 9;
    }
    world.offer(new_run(), 0, start(None));
    world.offer(run, 1, again);
    world.offer(new_run(), 2, whole(None, Retention::Days(1)));
    for _ in 0..3 {
        let answer = world.answer().await;
        match answer.token {
            1 => assert_eq!(answer.outcome.unwrap_err().code, codes::RUN_UNSTORABLE),
            _ => assert_eq!(answer.outcome, OK),
        }
    }
}

/// The other member's row is no sign that an earlier attempt of ours got through.
#[tokio::test]
async fn a_start_of_a_run_that_another_member_has_is_refused() {
    let mut world = World::new().await;
    let run = world.started().await;
    let next = join(&world.db.database, "there", false).await;
    let theirs = flusher(&world.db.database, next.id());
    let (sender, mut verdicts) = tokio::sync::mpsc::unbounded_channel();
    let sink = theirs.register(std::sync::Arc::new(move |flushed: Vec<_>| {
        let _ = sender.send(flushed);
    }));
    let (workspace, lane, op) = (WORKSPACE, engine::flusher::Lane::Strict, start(None));
    let epoch = engine::flusher::FIRST_EPOCH;
    let marks = engine::flusher::Marks::default();
    theirs.offer(engine::flusher::FlushOp {
        workspace,
        run,
        epoch,
        lane,
        sink,
        token: 1,
        marks,
        op,
    });
    let verdict = verdicts.recv().await.unwrap().remove(0).outcome;
    assert_eq!(verdict.unwrap_err().code, codes::RUN_UNSTORABLE);
    assert_eq!(world.flush(run, progress(2)).await, OK);
    theirs.close(Duration::ZERO);
}

#[tokio::test]
async fn a_missing_partition_stops_admission_until_it_is_there() {
    let mut world = World::new().await;
    world.superuser.batch_execute("DROP TABLE forge.history_c7 CASCADE").await.unwrap();
    let run = new_run();
    world.offer(run, 1, whole(None, Retention::Days(7)));
    until("admission stops", || async { !world.flusher.admitting() }).await;
    let problem = world.flusher.admission().unwrap_err();
    assert_eq!(problem.code, codes::DATABASE_UNAVAILABLE);
    let add = "CREATE TABLE forge.history_c7 PARTITION OF forge.history FOR VALUES IN (7)";
    world.superuser.batch_execute(add).await.unwrap();
    assert_eq!(world.answer().await.outcome, OK);
    assert!(world.flusher.admitting());
}

/// The case "connection lost at COMMIT": the server has committed, the answer never arrives.
#[tokio::test]
async fn every_operation_of_a_flush_whose_answer_is_lost_is_written_once_and_gets_its_verdict() {
    let db = testing::database().await;
    let (proxy, url) = Proxy::before(&db.url("forge_login"));
    let through = Database::connect(Settings::new(url)).await.unwrap();
    let mut world = World::on(db, through).await;
    let mut live = Vec::new();
    for _ in 0..4 {
        live.push(world.started().await);
    }
    assert_eq!(world.flush(new_run(), start(Some("taken"))).await, OK);
    let ops = [
        (new_run(), whole(Some("second"), Retention::Days(30)), OK),
        (new_run(), start(None), OK),
        (new_run(), start(Some("mine")), OK),
        (live[0], progress(2), OK),
        (live[1], renew(2), OK),
        (live[2], end(0), OK),
        (live[3], park(2, 0, None), OK),
        (new_run(), whole(Some("mine too"), Retention::Days(30)), OK),
        (new_run(), whole(None, Retention::Forever), OK),
        (new_run(), whole(None, Retention::None), OK),
        (new_run(), whole(Some("taken"), Retention::Days(30)), Ok(Verdict::Duplicate)),
        (new_run(), progress(2), Ok(Verdict::Lost)),
    ];
    // Two keys that somebody else is just taking: the first holds a flush up until everything has
    // gathered behind it, the second holds up the flush with all of that.
    let first = hold_key(&world, "first").await;
    let second = hold_key(&world, "second").await;
    world.offer(new_run(), 99, whole(Some("first"), Retention::Days(30)));
    until_blocked(&world).await;
    for (token, (run, op, _)) in (0..).zip(&ops) {
        world.offer(*run, token, op.clone());
    }
    first.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(world.answer().await.token, 99);
    until_blocked(&world).await;
    proxy.mute();
    second.batch_execute("ROLLBACK").await.unwrap();
    let committed = || async { world.count("history").await == 5 };
    until("the flush is committed", committed).await;
    proxy.cut();
    for _ in &ops {
        let answer = world.answer().await;
        let (run, _, expected) = &ops[answer.token as usize];
        assert_eq!((&answer.run, &answer.outcome), (run, expected), "{}", answer.token);
    }
    assert_eq!(world.count("history").await, 5);
    assert_eq!(world.count("journal").await, 8);
    assert_eq!(world.count("run_keys").await, 5);
    assert!(world.flusher.admitting());
}

#[tokio::test]
async fn a_backend_killed_in_the_middle_of_a_flush_costs_a_repetition_and_nothing_else() {
    let mut world = World::new().await;
    let run = world.started().await;
    let blocker = hold_key(&world, "held").await;
    world.offer(new_run(), 0, whole(Some("held"), Retention::Days(30)));
    world.offer(run, 1, progress(2));
    until_blocked(&world).await;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE application_name LIKE '%strict' AND datname = current_database()";
    world.superuser.batch_execute(kill).await.unwrap();
    until("admission stops", || async { !world.flusher.admitting() }).await;
    blocker.batch_execute("ROLLBACK").await.unwrap();
    for _ in 0..2 {
        assert_eq!(world.answer().await.outcome, OK);
    }
    assert_eq!(world.count("history").await, 1);
    assert_eq!(world.count("journal").await, 2);
    assert!(world.flusher.admitting());
}

#[tokio::test]
async fn fencing_waits_for_a_flush_under_way_and_the_run_it_starts_is_taken_over() {
    let mut world = World::new().await;
    let other = join(&world.db.database, "there", false).await;
    let blocker = hold_key(&world, "held").await;
    let run = new_run();
    world.offer(run, 0, start(Some("held")));
    until_blocked(&world).await;
    #[expect(clippy::disallowed_methods, reason = "the test waits for it below")]
    let fencing = {
        let member = world.member.clone();
        tokio::spawn(async move { member.leave().await })
    };
    until("the fence waits", || async {
        let text = "SELECT count(*) FROM pg_stat_activity \
                    WHERE wait_event_type = 'Lock' AND datname = current_database()";
        world.number(text).await >= 2
    })
    .await;
    blocker.batch_execute("ROLLBACK").await.unwrap();
    fencing.await.unwrap().unwrap();
    let verdict = world.answer().await.outcome.unwrap();
    let taken = store(&world.db.database, other.id()).take_over(10).await.unwrap();
    match verdict {
        // The flush was faster than the fence's patience: the run exists and changes hands.
        Verdict::Ok { .. } => {
            assert_eq!(taken.len(), 1);
            assert_eq!((taken[0].run, taken[0].epoch, taken[0].reclaims), (run, 2, 1));
        }
        verdict => {
            assert_eq!(verdict, Verdict::Fenced);
            assert!(taken.is_empty());
        }
    }
    assert_eq!(world.flush(run, progress(2)).await, Ok(Verdict::Fenced));
}

#[tokio::test]
async fn a_flush_that_stands_in_the_way_of_fencing_is_ended() {
    let mut world = World::new().await;
    let blocker = hold_key(&world, "held").await;
    let run = new_run();
    world.offer(run, 0, start(Some("held")));
    until_blocked(&world).await;
    // The key stays held, so the flush would wait for ever; fencing ends its backend.
    world.member.leave().await.unwrap();
    blocker.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(world.answer().await.outcome, Ok(Verdict::Fenced));
    assert_eq!(world.count("runs").await, 0);
}

#[tokio::test]
async fn what_is_in_the_queue_is_written_before_the_flusher_closes() {
    let world = World::new().await;
    for token in 0..500 {
        world.offer(new_run(), token, whole(None, Retention::Days(30)));
    }
    world.flusher.close(Duration::from_secs(30));
    assert_eq!(world.count("history").await, 500);
    assert_eq!(world.flusher.waiting(), 0);
    assert_eq!(world.flusher.admission().unwrap_err().code, codes::SERVER_OVERLOADED);
}

/// Takes a key in a transaction that stays open, so that a flush with this key waits.
async fn hold_key(world: &World, key: &str) -> Client {
    let client = world.db.superuser().await;
    client
        .batch_execute(&format!(
            "BEGIN; INSERT INTO forge.run_keys (workspace_id, key, run_id, at) \
             VALUES ('{}', '{key}', gen_random_uuid(), now())",
            WORKSPACE
        ))
        .await
        .unwrap();
    client
}

async fn until_blocked(world: &World) {
    until("the flush is held up", || async {
        let text = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                    AND application_name LIKE '%strict' AND datname = current_database()";
        world.number(text).await == 1
    })
    .await;
}
