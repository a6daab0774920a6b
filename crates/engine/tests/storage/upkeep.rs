//! Maintenance, step by step.

use std::time::Duration;

use engine::flusher::Verdict;
use engine::maintenance::Maintenance;
use jiff::Timestamp;
use kernel::codes;
use workflow::Retention;

use crate::world::{World, body, new_run, now, park, progress, queue, start, whole};

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn maintenance(world: &World) -> Maintenance {
    Maintenance::new(world.db.database.clone(), queue(world))
}

#[tokio::test]
async fn partitions_stand_ready_a_week_ahead_and_making_them_again_does_nothing() {
    let world = World::new().await;
    let maintenance = maintenance(&world);
    let later = now() + 40 * DAY;
    let made = maintenance.tick(later).await.unwrap().partitions_made;
    assert!(made >= 36, "{made}");
    let again = Maintenance::new(world.db.database.clone(), queue(&world));
    assert_eq!(again.tick(later).await.unwrap().partitions_made, 0);
    let day = (later + 7 * DAY).strftime("%Y%m%d").to_string();
    for parent in ["journal", "history_c1", "history_c7", "history_c30", "events"] {
        let there = format!("SELECT count(*) FROM pg_class WHERE relname = '{parent}_{day}'");
        assert_eq!(world.number(&there).await, 1, "{parent}_{day}");
    }
}

#[tokio::test]
async fn two_members_may_make_partitions_at_once() {
    let world = World::new().await;
    let (one, other) = (maintenance(&world), maintenance(&world));
    let later = now() + 100 * DAY;
    let (first, second) = tokio::join!(one.tick(later), other.tick(later));
    for done in [first, second] {
        // Who finds the other at it lets it be, and looks again.
        if let Err(put_off) = done {
            assert_eq!(put_off.code, codes::DATABASE_UNAVAILABLE, "{put_off}");
        }
    }
    one.tick(later).await.unwrap();
    assert_eq!(other.tick(later).await.unwrap().partitions_made, 0);
    let day = (later + 7 * DAY).strftime("%Y%m%d").to_string();
    let there = format!("SELECT count(*) FROM pg_class WHERE relname = 'journal_{day}'");
    assert_eq!(world.number(&there).await, 1);
}

#[tokio::test]
async fn history_goes_when_its_class_says_so_and_not_before() {
    let mut world = World::new().await;
    for keep in [Retention::Days(1), Retention::Days(7), Retention::Days(90), Retention::Forever] {
        world.flush(new_run(), whole(None, keep)).await.unwrap();
    }
    let maintenance = maintenance(&world);
    for (days, left) in [(1, 4), (3, 3), (7, 3), (9, 2), (91, 2), (100, 1), (5_000, 1)] {
        maintenance.tick(now() + days * DAY).await.unwrap();
        assert_eq!(world.count("history").await, left, "after {days} days");
    }
}

#[tokio::test]
async fn a_day_of_the_journal_stays_as_long_as_a_live_run_needs_it() {
    let mut world = World::new().await;
    let run = world.started().await;
    let maintenance = maintenance(&world);
    maintenance.tick(now() + 30 * DAY).await.unwrap();
    assert_eq!(world.count("journal").await, 1);
    world.flush(run, park(2, 0, None)).await.unwrap();
    let long_ago = "UPDATE forge.runs SET segment = segment + 20";
    world.superuser.batch_execute(long_ago).await.unwrap();
    maintenance.tick(now() + 31 * DAY).await.unwrap();
    assert_eq!(world.count("journal").await, 0);
}

/// Its checkpoint holds all that happened.
#[tokio::test]
async fn a_parked_run_keeps_no_day_of_the_journal_however_long_it_sleeps() {
    let mut world = World::new().await;
    let (run, later) = (world.started().await, now() + 180 * DAY);
    world.flush(run, park(2, 0, Some(later))).await.unwrap();
    maintenance(&world).tick(now() + 90 * DAY).await.unwrap();
    assert_eq!(world.count("journal").await, 0);
    world.db.advance(181 * DAY).await;
    maintenance(&world).tick(now() + 181 * DAY).await.unwrap();
    let taken = world.store.take_due(10).await.unwrap();
    assert!(world.store.journal(&taken[0]).await.unwrap().is_empty());
    assert_eq!(taken[0].checkpoint, Some(crate::world::body("checkpoint")));
    let renewed = engine::flusher::Op::Renew { at: later, seq: 3, body: body("checkpoint") };
    assert_eq!(world.flush_as(run, 2, renewed).await, Ok(Verdict::Ok { signals: 0 }));
    assert_eq!(world.flush_as(run, 2, progress(4)).await, Ok(Verdict::Ok { signals: 0 }));
}

#[tokio::test]
async fn a_partition_that_is_being_read_stays_until_the_next_time() {
    let mut world = World::new().await;
    world.flush(new_run(), whole(None, Retention::Days(1))).await.unwrap();
    let reader = world.db.superuser().await;
    reader.batch_execute("BEGIN; SELECT count(*) FROM forge.history").await.unwrap();
    let maintenance = maintenance(&world);
    maintenance.tick(now() + 10 * DAY).await.unwrap();
    // Writers are not held up while it waits to go.
    assert!(world.flush(new_run(), whole(None, Retention::Days(1))).await.is_ok());
    reader.batch_execute("COMMIT").await.unwrap();
    maintenance.tick(now() + 11 * DAY).await.unwrap();
    assert_eq!(world.count("history").await, 0);
}

#[tokio::test]
async fn keys_are_free_again_after_a_day_unless_their_run_lives() {
    let mut world = World::new().await;
    world.flush(new_run(), whole(Some("finished"), Retention::Days(30))).await.unwrap();
    world.flush(new_run(), start(Some("live"))).await.unwrap();
    let maintenance = maintenance(&world);
    assert_eq!(maintenance.tick(now()).await.unwrap().keys_expired, 0);
    assert_eq!(maintenance.tick(now() + 2 * DAY).await.unwrap().keys_expired, 1);
    let verdict = world.flush(new_run(), whole(Some("finished"), Retention::Days(30))).await;
    assert_eq!(verdict, Ok(Verdict::Ok { signals: 0 }));
    let verdict = world.flush(new_run(), whole(Some("live"), Retention::Days(30))).await;
    assert_eq!(verdict, Ok(Verdict::Duplicate));
}

#[tokio::test]
async fn a_step_that_fails_keeps_no_other_from_being_done() {
    let mut world = World::new().await;
    let run = world.started().await;
    world.flush(run, park(2, 0, Some(now() + DAY))).await.unwrap();
    let damage = "DELETE FROM forge.timers; REVOKE DELETE ON forge.blobs FROM forge_engine";
    world.superuser.batch_execute(damage).await.unwrap();
    let maintenance = maintenance(&world);
    let later = now() + Duration::from_secs(60);
    assert!(maintenance.tick(later).await.is_err(), "blobs cannot be deleted");
    assert_eq!(world.count("timers").await, 1, "the run would never have been woken");
    world.superuser.batch_execute("GRANT DELETE ON forge.blobs TO forge_engine").await.unwrap();
    maintenance.tick(later + Duration::from_secs(1)).await.unwrap();
}

#[tokio::test]
async fn the_sweep_repairs_runs_that_nothing_would_wake_and_leaves_the_others() {
    let mut world = World::new().await;
    let soon: Option<Timestamp> = Some(now() + DAY);
    for due in [soon, soon, None] {
        let run = world.started().await;
        world.flush(run, park(2, 0, due)).await.unwrap();
    }
    let running = world.started().await;
    let maintenance = maintenance(&world);
    assert_eq!(maintenance.tick(now()).await.unwrap().runs_repaired, 0);
    // One timer is lost, one owner was never there.
    let damage = "DELETE FROM forge.timers WHERE run_id = (SELECT min(run_id::text)::uuid FROM forge.timers)";
    world.superuser.batch_execute(damage).await.unwrap();
    let damage = format!("UPDATE forge.runs SET owner = gen_random_uuid() WHERE id = '{running}'");
    world.superuser.batch_execute(&damage).await.unwrap();
    let report = maintenance.tick(now() + Duration::from_secs(60)).await.unwrap();
    assert_eq!(report.runs_repaired, 2);
    let taken = world.store.take_due(10).await.unwrap();
    assert_eq!(taken.iter().map(|run| run.run).collect::<Vec<_>>(), [running]);
    assert_eq!(world.count("timers").await, 2);
    let report = maintenance.tick(now() + Duration::from_secs(120)).await.unwrap();
    assert_eq!(report.runs_repaired, 0);
}

#[tokio::test]
async fn answers_and_events_and_audit_rows_go_when_their_time_is_over() {
    let world = World::new().await;
    let fill = "INSERT INTO forge.idempotency_keys VALUES (gen_random_uuid(), gen_random_uuid(),
            sha256('k'), sha256('r'), 'x', forge.now());
        INSERT INTO forge.events SELECT gen_random_uuid(), gen_random_uuid(), n::date, n, 'notes',
            '{}', 'created', NULL, 'f', NULL, '{}' FROM forge.now() n;
        INSERT INTO forge.audit SELECT gen_random_uuid(), gen_random_uuid(), n::date, n, NULL, NULL,
            'note.added', 'f', 'note', NULL, NULL, NULL, 'succeeded' FROM forge.now() n";
    world.superuser.batch_execute(fill).await.unwrap();
    let maintenance = maintenance(&world);
    for (hours, left) in
        [(1, [1, 1, 1]), (25, [0, 1, 1]), (10 * 24, [0, 0, 1]), (434 * 24, [0, 0, 0])]
    {
        maintenance.tick(now() + hours * DAY / 24).await.unwrap();
        let counts = [
            world.count("idempotency_keys").await,
            world.count("events").await,
            world.count("audit").await,
        ];
        assert_eq!(counts, left, "after {hours} hours");
    }
}
