//! The database goes away between a job's end and its outcome, or between a claim and its answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use db::testing::Proxy;
use db::{Database, Settings};
use kernel::clock::SystemClock;
use queue::Queue;

use crate::world::{World, flaky, keyed, plain};

/// As if the database were away when what became of a job is written, so often. The sequence counts
/// although the statements fail.
const REFUSE: &str = "
CREATE SEQUENCE forge.refusals;
CREATE FUNCTION forge.refuse() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF nextval('forge.refusals') <= 3 THEN
        RAISE EXCEPTION 'the server is shutting down' USING ERRCODE = 'admin_shutdown';
    END IF;
    RETURN coalesce(NEW, OLD);
END
$$;
CREATE TRIGGER refuse BEFORE UPDATE OR DELETE ON forge.held
    FOR EACH ROW EXECUTE FUNCTION forge.refuse()";

/// Runs one job with a key, whose handler fails so often, while outcomes are refused; until nobody
/// holds it any more and it does not wait.
async fn work_through(failures: u16) -> (World, u16) {
    let world = World::new().await;
    world.superuser.batch_execute(REFUSE).await.unwrap();
    let handler = flaky(failures);
    world.add(&[keyed("test.flaky", "only one")]).await;
    let (running, stop) = world.worker(&handler);
    let gone = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while (world.count("jobs").await, world.count("held").await) != (0, 0) {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("nobody holds it any more");
    stop.cancel();
    running.await.unwrap();
    let refused = "SELECT last_value > 3 FROM forge.refusals";
    assert!(world.superuser.query_one(refused, &[]).await.unwrap().get::<_, bool>(0));
    assert_eq!(world.count("job_keys").await, 0, "its key is free");
    let seen = handler.seen.load(Ordering::SeqCst);
    (world, seen)
}

#[tokio::test]
async fn a_failed_job_is_tried_again_although_the_database_was_away_when_it_failed() {
    let (world, seen) = work_through(1).await;
    assert_eq!((seen, world.count("dead_letters").await), (2, 0));
}

#[tokio::test]
async fn a_done_job_is_gone_although_the_database_was_away_when_it_was_done() {
    let (world, seen) = work_through(0).await;
    assert_eq!((seen, world.count("dead_letters").await), (1, 0));
}

#[tokio::test]
async fn a_job_is_a_dead_letter_although_the_database_was_away_when_it_was_given_up() {
    let (world, seen) = work_through(u16::MAX).await;
    assert_eq!((seen, world.count("dead_letters").await), (3, 1));
}

/// The first batch is written only when somebody lets go of a lock.
const STALL: &str = "
CREATE FUNCTION forge.stall() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF NEW.batch = 1 THEN
        PERFORM pg_advisory_xact_lock(1);
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER stall BEFORE INSERT ON forge.held FOR EACH ROW EXECUTE FUNCTION forge.stall();
SELECT pg_advisory_lock(1)";

#[tokio::test]
async fn a_claim_that_could_commit_after_its_connection_was_lost_strands_nothing() {
    let world = World::new().await;
    world.add(&plain(5)).await;
    world.superuser.batch_execute(STALL).await.unwrap();
    let proxy = Proxy::start(&world.db).await;
    let database = Database::connect(Settings::new(proxy.url())).await.unwrap();
    let queue = Queue::new(database, world.member, Arc::new(SystemClock));
    let lose = async {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' \
                     AND application_name LIKE '%jobs' AND datname = current_database()";
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while world.superuser.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            ticks.tick().await;
        }
        // The server does not learn of it: the claim goes on.
        proxy.cut();
    };
    let (claimed, ()) = tokio::join!(queue.claim("default", 10), lose);
    assert!(claimed.is_err());
    proxy.restore();
    assert_eq!(queue.claim("default", 10).await.unwrap().len(), 5);
    world.superuser.batch_execute("SELECT pg_advisory_unlock(1)").await.unwrap();
    assert_eq!((world.count("jobs").await, world.count("held").await), (0, 1));
}
