//! Jobs on a real PostgreSQL: enqueued once, held by one, done once, given back by the dead.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod losses;
mod world;

use std::collections::HashSet;
use std::time::Duration;

use db::Identity;
use kernel::Clock;
use kernel::clock::SystemClock;
use queue::Priority;

use world::{WORKSPACE, World, flaky, held, job, keyed, member, plain};

#[tokio::test]
async fn jobs_are_claimed_in_order_held_and_gone_when_all_are_done() {
    let world = World::new().await;
    let jobs = plain(700);
    assert_eq!(world.add(&jobs).await, 700);
    let (first, second) = (world.claim(500).await, world.claim(500).await);
    assert_eq!((first.len(), second.len()), (500, 200));
    let claimed: HashSet<_> = first.iter().chain(&second).map(|job| job.id).collect();
    assert_eq!(claimed, jobs.iter().map(|job| job.id).collect());
    assert_eq!(first[0].payload, &b"payload"[..]);
    assert_eq!((world.count("jobs").await, world.count("held").await), (0, 2));
    world.queue.complete(&held(&first)).await.unwrap();
    world.queue.complete(&held(&second[..50])).await.unwrap();
    world.queue.complete(&held(&second[..50])).await.unwrap();
    assert_eq!(world.count("held").await, 1);
    world.queue.complete(&held(&second[50..])).await.unwrap();
    assert_eq!(world.count("held").await, 0);
    assert!(world.claim(500).await.is_empty());
}

#[tokio::test]
async fn high_priorities_go_first_and_later_jobs_wait_for_their_time() {
    let world = World::new().await;
    let later = SystemClock.now() + Duration::from_secs(3_600);
    world.add(&[job(None, Some(later))]).await;
    for priority in [Priority::Low, Priority::Normal, Priority::High] {
        world.queue.enqueue(WORKSPACE, "default", priority, &plain(3)).await.unwrap();
    }
    let urgent = plain(1);
    world.queue.enqueue(WORKSPACE, "default", Priority::High, &urgent).await.unwrap();
    assert_eq!(world.claim(4).await.len(), 4);
    assert_eq!(world.count("jobs WHERE priority = 0").await, 0);
    assert_eq!(world.claim(100).await.len(), 6);
    world.db.advance(Duration::from_secs(3_601)).await;
    assert_eq!(world.claim(100).await.len(), 1);
}

#[tokio::test]
async fn two_members_never_hold_the_same_job() {
    let world = World::new().await;
    let (_, other) = member(&world.db, &world.superuser).await;
    world.add(&plain(2_000)).await;
    let mut seen = HashSet::new();
    loop {
        let (ours, theirs) =
            tokio::join!(world.queue.claim("default", 100), other.claim("default", 100));
        let jobs: Vec<_> = ours.unwrap().into_iter().chain(theirs.unwrap()).collect();
        if jobs.is_empty() {
            break;
        }
        for job in jobs {
            assert!(seen.insert(job.id), "{} was claimed twice", job.id);
        }
    }
    assert_eq!(seen.len(), 2_000);
}

#[tokio::test]
async fn a_key_is_taken_until_its_job_is_done() {
    let world = World::new().await;
    assert_eq!(world.add(&[job(Some("k"), None), job(Some("k"), None), job(None, None)]).await, 2);
    assert_eq!(world.add(&[job(Some("k"), None)]).await, 0);
    let jobs = world.claim(10).await;
    assert_eq!(jobs.len(), 2);
    assert_eq!(world.add(&[job(Some("k"), None)]).await, 0);
    world.queue.complete(&held(&jobs)).await.unwrap();
    assert_eq!(world.add(&[job(Some("k"), None)]).await, 1);
}

#[tokio::test]
async fn a_key_is_free_when_its_job_is_done_although_its_batch_is_not() {
    let world = World::new().await;
    let jobs = [job(Some("k"), None), job(None, None)];
    let keyed = jobs[0].id;
    world.add(&jobs).await;
    let jobs = world.claim(10).await;
    let keyed = jobs.iter().find(|job| job.id == keyed).expect("it was claimed");
    world.queue.complete(&[keyed.held]).await.unwrap();
    assert_eq!((world.count("job_keys").await, world.count("held").await), (0, 1));
    world.queue.complete(&held(&jobs)).await.unwrap();
    assert_eq!(world.count("held").await, 0);
}

#[tokio::test]
async fn jobs_of_a_dead_member_come_back_once_without_what_it_had_done() {
    let world = World::new().await;
    let (_, other) = member(&world.db, &world.superuser).await;
    world.add(&plain(10)).await;
    let jobs = world.claim(10).await;
    world.queue.complete(&held(&jobs[..4])).await.unwrap();
    assert_eq!(other.return_lost().await.unwrap(), 0);
    world.fence(world.member).await;
    assert_eq!(other.return_lost().await.unwrap(), 6);
    assert_eq!(other.return_lost().await.unwrap(), 0);
    let again = other.claim("default", 100).await.unwrap();
    let (before, after): (HashSet<_>, HashSet<_>) =
        (jobs[4..].iter().map(|job| job.id).collect(), again.iter().map(|job| job.id).collect());
    assert_eq!(before, after);
    assert!(again.iter().all(|job| job.attempts == 1));
}

#[tokio::test]
async fn a_fenced_member_claims_nothing_and_completes_nothing() {
    let world = World::new().await;
    world.add(&plain(10)).await;
    let jobs = world.claim(5).await;
    world.fence(world.member).await;
    assert!(world.claim(5).await.is_empty());
    world.queue.complete(&held(&jobs)).await.unwrap();
    assert_eq!((world.count("jobs").await, world.count("held").await), (5, 1));
    assert_eq!(world.queue.return_lost().await.unwrap(), 0);
}

#[tokio::test]
async fn a_job_of_a_slow_transaction_is_found_behind_the_ones_already_claimed() {
    let world = World::new().await;
    let past = SystemClock.now() - Duration::from_secs(60);
    world.add(&plain(10)).await;
    assert_eq!(world.claim(10).await.len(), 10);
    world.add(&[job(None, Some(past))]).await;
    let found = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        while world.claim(10).await.is_empty() {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), found).await.expect("a full scan finds it");
}

#[tokio::test]
async fn a_job_enqueued_in_a_transaction_exists_when_that_commits() {
    let world = World::new().await;
    let jobs = [job(Some("k"), None), job(Some("k"), None)];
    let database = &world.db.database;
    let identity = Identity::of_workspace(WORKSPACE);
    let mut tx = database.write(identity).await.unwrap();
    let added = queue::enqueue(&mut tx, "default", Priority::Normal, &jobs).await.unwrap();
    assert_eq!(added.len(), 1);
    assert!(world.claim(10).await.is_empty());
    drop(tx);
    let mut tx = database.write(identity).await.unwrap();
    queue::enqueue(&mut tx, "default", Priority::Normal, &jobs).await.unwrap();
    tx.commit().await.unwrap();
    let claimed = world.claim(10).await;
    assert_eq!((claimed.len(), claimed[0].workspace), (1, WORKSPACE));
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_given_back_before_the_next() {
    let world = World::new().await;
    world.add(&plain(5)).await;
    world.claim(5).await;
    world.add(&plain(3)).await;
    // As if the answer had not come: the database holds a batch this handle does not know.
    let unknown = "UPDATE forge.held SET batch = 1000";
    world.superuser.batch_execute(unknown).await.unwrap();
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE application_name LIKE '%jobs' AND datname = current_database()";
    let block = world.db.superuser().await;
    block.batch_execute("BEGIN; LOCK TABLE forge.jobs").await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "the test waits for it below")]
    let claim = tokio::spawn({
        let queue = world.queue.clone();
        async move { queue.claim("default", 10).await }
    });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                 AND application_name LIKE '%jobs' AND datname = current_database()";
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    while world.superuser.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        ticks.tick().await;
    }
    world.superuser.batch_execute(cut).await.unwrap();
    assert!(claim.await.unwrap().is_err());
    block.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(world.claim(100).await.len(), 8);
}

#[tokio::test]
async fn a_job_that_fails_is_tried_again_and_keeps_its_key_until_it_is_done() {
    let world = World::new().await;
    let handler = flaky(1);
    world.add(&[keyed("test.flaky", "only one")]).await;
    let (running, stop) = world.worker(&handler);
    while handler.seen.load(std::sync::atomic::Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.add(&[keyed("test.flaky", "only one")]).await, 0, "the key is taken");
    handler.done.notified().await;
    stop.cancel();
    running.await.unwrap();
    for table in ["jobs", "held", "job_keys", "dead_letters"] {
        assert_eq!(world.count(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_job_that_fails_every_attempt_is_a_dead_letter_and_its_key_is_free() {
    let world = World::new().await;
    let handler = flaky(u16::MAX);
    world.add(&[keyed("test.flaky", "only one")]).await;
    let (running, stop) = world.worker(&handler);
    while world.count("dead_letters").await == 0 {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    running.await.unwrap();
    let text = "SELECT attempts, code, reason FROM forge.dead_letters";
    let row = world.superuser.query_one(text, &[]).await.unwrap();
    assert_eq!(row.get::<_, i16>(0), 3);
    assert_eq!(row.get::<_, String>(1), "job.failed");
    assert_eq!(row.get::<_, String>(2), "not yet");
    assert_eq!(world.count("job_keys").await, 0);
    assert_eq!(world.count("held").await, 0);
}

#[tokio::test]
async fn a_job_of_an_unknown_kind_goes_back_untouched() {
    let world = World::new().await;
    world.add(&[keyed("test.unheard_of", "k")]).await;
    let (running, stop) = world.worker(&flaky(0));
    let text = "SELECT attempts FROM forge.jobs WHERE run_at > now() + interval '10 s'";
    let row = loop {
        if let Some(row) = world.superuser.query_opt(text, &[]).await.unwrap() {
            break row;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(row.get::<_, i16>(0), 0);
    stop.cancel();
    running.await.unwrap();
}

/// It may be what kills them.
#[tokio::test]
async fn a_job_whose_members_died_at_each_attempt_is_a_dead_letter() {
    let world = World::new().await;
    world.add(&[keyed("test.flaky", "only one")]).await;
    for _ in 0..3 {
        let (member, queue) = member(&world.db, &world.superuser).await;
        assert_eq!(queue.claim("default", 1).await.unwrap().len(), 1);
        world.fence(member).await;
        assert_eq!(world.queue.return_lost().await.unwrap(), 1);
    }
    let handler = flaky(0);
    let (running, stop) = world.worker(&handler);
    while world.count("dead_letters").await == 0 {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    running.await.unwrap();
    assert_eq!(handler.seen.load(std::sync::atomic::Ordering::SeqCst), 0);
    assert_eq!(world.count("dead_letters WHERE attempts = 3").await, 1);
    assert_eq!((world.count("job_keys").await, world.count("held").await), (0, 0));
}
