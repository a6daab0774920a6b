//! Joining, beating, leaving, and being declared dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use db::testing;
use kernel::Clock;

use crate::world::{count_of, join, until};

#[tokio::test]
async fn a_restarted_member_fences_its_earlier_life_at_once_and_nobody_else() {
    let db = testing::database().await;
    let (earlier, neighbour) =
        (join(&db.database, "here", true).await, join(&db.database, "there", true).await);
    let later = join(&db.database, "here", true).await;
    assert_eq!(later.reaped(), 1);
    let open = "SELECT count(DISTINCT incarnation) FROM forge.fences WHERE fenced_at IS NULL";
    assert_eq!(count_of(&db, open).await, 2);
    until("the earlier life notices", || async { earlier.is_fenced() }).await;
    assert!(!earlier.may_start_effects());
    assert!(later.may_start_effects() && neighbour.may_start_effects());
}

#[tokio::test]
async fn the_lease_is_renewed_only_while_every_vital_part_is_alive() {
    let db = testing::database().await;
    let member = join(&db.database, "here", false).await;
    let alive = Arc::new(AtomicBool::new(true));
    member.depend_on({
        let alive = alive.clone();
        Box::new(move || alive.load(Ordering::SeqCst))
    });
    let lease = "SELECT max(lease) FROM forge.members";
    until("a beat", || async { count_of(&db, lease).await >= 2 }).await;
    alive.store(false, Ordering::SeqCst);
    until("no more effects", || async { !member.may_start_effects() }).await;
    let stopped = count_of(&db, lease).await;
    alive.store(true, Ordering::SeqCst);
    until("effects again", || async { member.may_start_effects() }).await;
    assert!(count_of(&db, lease).await > stopped);
}

#[tokio::test]
async fn a_member_that_stops_beating_is_fenced_by_another() {
    let db = testing::database().await;
    let silent = join(&db.database, "silent", false).await;
    let watcher = join(&db.database, "watcher", false).await;
    let id = silent.id();
    drop(silent);
    until("the silent one is fenced", || async { watcher.reaped() == 1 }).await;
    let closed = format!(
        "SELECT count(*) FROM forge.fences WHERE incarnation = '{id}' AND fenced_at IS NOT NULL"
    );
    assert_eq!(count_of(&db, &closed).await, 4);
    assert!(!watcher.is_fenced());
}

#[tokio::test]
async fn a_members_clock_follows_the_databases() {
    let db = testing::database().await;
    db.pin(Some("2031-02-03T04:05:06Z".parse().unwrap())).await;
    let member = join(&db.database, "here", false).await;
    let year = member.clock().now().to_zoned(jiff::tz::TimeZone::UTC).year();
    assert_eq!(year, 2031);
}
