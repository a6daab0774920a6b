//! Every operation with each of its verdicts, and what is in the tables after it.

use engine::flusher::Verdict;
use engine::store::RunRecord;
use kernel::codes;
use workflow::Retention;

use crate::world::{WORKSPACE, World, end, new_run, now, park, progress, renew, start, whole};

const OK: Result<Verdict, kernel::Problem> = Ok(Verdict::Ok { signals: 0 });

#[tokio::test]
async fn a_started_run_is_live_and_has_its_journal() {
    let mut world = World::new().await;
    let run = world.started().await;
    assert_eq!(world.flush(run, progress(2)).await, OK);
    let Some(RunRecord::Live(live)) = world.store.find(WORKSPACE, run).await.unwrap() else {
        panic!("the run is live");
    };
    assert_eq!((live.epoch, live.base_seq, live.signals, live.owned), (1, 0, 0, true));
    let journal = world.store.journal(&live).await.unwrap();
    let texts: Vec<_> =
        journal.iter().map(|row| engine::codec::decode(&row.body).unwrap().into_owned()).collect();
    assert_eq!(texts, [b"[1]", b"[2]"]);
}

#[tokio::test]
async fn operations_of_one_run_offered_together_are_written_in_order() {
    let mut world = World::new().await;
    let run = new_run();
    let ops = [start(Some("k")), progress(2), progress(3), renew(4), progress(5), end(0)];
    let n = ops.len() as u64;
    for (token, op) in (0..).zip(ops) {
        world.offer(run, token, op);
    }
    for token in 0..n {
        let answer = world.answer().await;
        assert_eq!((answer.token, answer.outcome), (token, OK));
    }
    assert_eq!(world.count("runs").await, 0);
    assert_eq!(world.count("journal").await, 4);
    assert_eq!(world.count("history").await, 1);
}

#[tokio::test]
async fn operations_on_a_run_of_another_term_or_of_nobody_are_lost() {
    let mut world = World::new().await;
    let run = world.started().await;
    for op in [progress(2), park(2, 0, None), renew(2), end(0)] {
        assert_eq!(world.flush_as(run, 2, op.clone()).await, Ok(Verdict::Lost));
        assert_eq!(world.flush(new_run(), op).await, Ok(Verdict::Lost));
    }
    assert_eq!(world.count("journal").await, 1);
    assert_eq!(world.count("history").await, 0);
    assert_eq!(world.count("runs WHERE state = 'running' AND base_seq = 0").await, 1);
}

#[tokio::test]
async fn a_parked_run_belongs_to_nobody_and_has_a_timer_and_its_checkpoint() {
    let mut world = World::new().await;
    let run = world.started().await;
    assert_eq!(world.flush(run, park(2, 0, Some(now()))).await, OK);
    assert_eq!(world.count("runs WHERE owner IS NULL AND state = 'waiting'").await, 1);
    assert_eq!(world.count("timers").await, 1);
    assert_eq!(world.flush(run, progress(3)).await, Ok(Verdict::Lost));
    let taken = world.store.take_due(10).await.unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!((taken[0].run, taken[0].epoch, taken[0].base_seq), (run, 2, 2));
    assert_eq!(taken[0].checkpoint, Some(crate::world::body("checkpoint")));
    assert!(world.store.journal(&taken[0]).await.unwrap().is_empty());
    assert_eq!(world.count("timers").await, 0);
    assert_eq!(world.flush_as(run, 2, progress(3)).await, OK);
    assert_eq!(world.store.journal(&taken[0]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_signal_meanwhile_keeps_a_run_from_parking_and_ending_but_not_from_going_on() {
    let mut world = World::new().await;
    let run = world.started().await;
    world.store.signal_cancel(WORKSPACE, run).await.unwrap();
    assert_eq!(world.flush(run, progress(2)).await, Ok(Verdict::Ok { signals: 1 }));
    assert_eq!(world.flush(run, park(3, 0, None)).await, Ok(Verdict::Moved { signals: 1 }));
    assert_eq!(world.flush(run, end(0)).await, Ok(Verdict::Moved { signals: 1 }));
    assert_eq!(world.flush(run, renew(3)).await, Ok(Verdict::Ok { signals: 1 }));
    assert_eq!(world.count("history").await, 0);
    assert!(world.store.is_cancelled(WORKSPACE, run).await.unwrap());
    assert_eq!(world.flush(run, end(1)).await, Ok(Verdict::Ok { signals: 1 }));
    assert_eq!(world.count("history").await, 1);
    assert_eq!(world.count("inbox").await, 0);
}

#[tokio::test]
async fn a_whole_run_leaves_one_row_and_an_unkept_one_none() {
    let mut world = World::new().await;
    let kept = new_run();
    assert_eq!(world.flush(kept, whole(None, Retention::Forever)).await, OK);
    assert_eq!(world.flush(new_run(), whole(None, Retention::None)).await, OK);
    assert_eq!(world.flush(new_run(), whole(Some("k"), Retention::None)).await, OK);
    assert_eq!(world.count("history").await, 1);
    assert_eq!(world.count("runs").await + world.count("journal").await, 0);
    let Some(RunRecord::Finished(run)) = world.store.find(WORKSPACE, kept).await.unwrap() else {
        panic!("the run is in history");
    };
    assert_eq!(engine::codec::decode(&run.body).unwrap(), &b"[all]"[..]);
}

#[tokio::test]
async fn a_key_belongs_to_the_first_run_that_comes_with_it() {
    let mut world = World::new().await;
    let first = new_run();
    assert_eq!(world.flush(first, start(Some("k"))).await, OK);
    let whole_30 = |key| whole(Some(key), Retention::Days(30));
    assert_eq!(world.flush(new_run(), start(Some("k"))).await, Ok(Verdict::Duplicate));
    assert_eq!(world.flush(new_run(), whole_30("k")).await, Ok(Verdict::Duplicate));
    assert_eq!(world.store.find_key(WORKSPACE, "k").await.unwrap(), Some(first));
    assert_eq!(world.count("runs").await + world.count("history").await, 1);
}

#[tokio::test]
async fn of_two_runs_with_one_key_in_one_flush_one_is_written() {
    let mut world = World::new().await;
    for round in 0..10 {
        let key = format!("k{round}");
        for token in 0..4 {
            world.offer(new_run(), token, whole(Some(&key), Retention::Days(7)));
        }
        let mut written = 0;
        for _ in 0..4 {
            match world.answer().await.outcome.unwrap() {
                Verdict::Ok { .. } => written += 1,
                verdict => assert_eq!(verdict, Verdict::Duplicate),
            }
        }
        assert_eq!(written, 1);
    }
    assert_eq!(world.count("history").await, 10);
}

#[tokio::test]
async fn a_fenced_member_writes_nothing_at_all() {
    let mut world = World::new().await;
    let run = world.started().await;
    world.member.leave().await.unwrap();
    let ops = [
        start(None),
        start(Some("k")),
        progress(2),
        park(2, 0, None),
        renew(2),
        end(0),
        whole(None, Retention::Days(30)),
        whole(Some("k"), Retention::Days(30)),
    ];
    for op in ops {
        let is_new =
            matches!(op, engine::flusher::Op::Start { .. } | engine::flusher::Op::Whole { .. });
        let run = if is_new { new_run() } else { run };
        assert_eq!(world.flush(run, op).await, Ok(Verdict::Fenced));
    }
    assert_eq!(world.count("journal").await, 1);
    assert_eq!(world.count("history").await + world.count("run_keys").await, 0);
    assert_eq!(world.count("runs WHERE state = 'running' AND base_seq = 0").await, 1);
    assert!(world.store.take_due(10).await.unwrap().is_empty());
    assert!(world.flusher.is_fenced());
    assert_eq!(world.flusher.admission().unwrap_err().code, codes::SERVER_OVERLOADED);
}

#[tokio::test]
async fn hundreds_of_operations_offered_at_once_share_few_commits() {
    let mut world = World::new().await;
    world.started().await;
    let before = commits(&world).await;
    for token in 0..1_000 {
        world.offer(new_run(), token, whole(None, Retention::Days(30)));
    }
    for _ in 0..1_000 {
        assert_eq!(world.answer().await.outcome, OK);
    }
    assert_eq!(world.count("history").await, 1_000);
    let commits = commits(&world).await - before;
    assert!(commits <= 20, "{commits} flushes for 1000 operations");
}

/// How many statements have written to history.
async fn commits(world: &World) -> i64 {
    world.number("SELECT count(DISTINCT xmin::text) FROM forge.history").await
}
