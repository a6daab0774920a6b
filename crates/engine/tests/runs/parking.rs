//! Runs that sleep leave the memory and lose nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engine::{AnswerWhen, RunStatus};
use jiff::SignedDuration;
use kernel::{RunId, codes};
use tokio::sync::Semaphore;
use tokio_postgres::Client;
use workflow::{Order, Settings};

use crate::nodes::{Does, WORKSPACE, fork, items, numbers, row};
use crate::world::{World, told};

const HOUR: Duration = Duration::from_secs(3_600);
const PARKED: &str = "SELECT count(*) FROM forge.runs WHERE owner IS NULL AND state = 'waiting'";
const TIMERS: &str = "SELECT count(*) FROM forge.timers";
const ENDED: &str = "SELECT count(*) FROM forge.history";

/// Sleeps twice, with an effect after each.
async fn sleeper(effects: &Arc<AtomicUsize>, settings: Settings) -> World {
    let effect = Does::Effect(effects.clone());
    let nodes = [Does::Trigger, Does::Wait(HOUR), effect.clone(), Does::Wait(HOUR), effect];
    World::new([row("sleeper", &nodes, settings)]).await
}

/// A run that nobody waits for.
async fn started(world: &World, count: usize) -> RunId {
    let (run, answer) = world.start("sleeper", items(count), AnswerWhen::Started);
    told(answer).await;
    run
}

#[tokio::test]
async fn a_long_sleep_is_not_held_in_memory_and_goes_on_when_it_is_over() {
    let effects = Arc::new(AtomicUsize::new(0));
    let world = sleeper(&effects, Settings::default()).await;
    let run = started(&world, 2).await;
    for sleep in 0..2 {
        world.until_number(PARKED, 1).await;
        world.until_empty().await;
        assert_eq!(world.number(TIMERS).await, 1);
        assert_eq!(effects.load(Ordering::SeqCst), sleep * 2);
        let view = world.until(run, |view| view.status == RunStatus::Waiting).await;
        assert_eq!(view.nodes.len(), 2 + 2 * sleep);
        world.sleep(SignedDuration::from_mins(61)).await;
        world.until(run, |view| view.nodes.len() > 2 + 2 * sleep).await;
    }
    let view = world.until(run, |view| view.status.is_final()).await;
    assert_eq!((view.status, view.resumed), (RunStatus::Succeeded, 0));
    assert_eq!(numbers(&view.nodes["n4"][0].outputs[0]), [0, 1]);
    assert_eq!((effects.load(Ordering::SeqCst), world.number(TIMERS).await), (4, 0));
    world.end().await;
}

#[tokio::test]
async fn a_sleep_goes_on_after_its_member_died() {
    let effects = Arc::new(AtomicUsize::new(0));
    let mut world = sleeper(&effects, Settings::default()).await;
    let run = started(&world, 1).await;
    world.until_number(PARKED, 1).await;
    world.die().await;
    world.db.advance(HOUR * 50).await;
    world.live_again().await;
    world.advance(SignedDuration::from_hours(50));
    world.until(run, |view| view.nodes.contains_key("n3")).await;
    world.until_number(PARKED, 1).await;
    world.sleep(SignedDuration::from_hours(2)).await;
    let view = world.until(run, |view| view.status.is_final()).await;
    assert_eq!(view.status, RunStatus::Succeeded);
    assert_eq!(effects.load(Ordering::SeqCst), 2);
    world.end().await;
}

#[tokio::test]
async fn a_sleeping_run_that_is_cancelled_ends_and_leaves_nothing() {
    let effects = Arc::new(AtomicUsize::new(0));
    let world = sleeper(&effects, Settings::default()).await;
    let run = started(&world, 1).await;
    world.until_number(PARKED, 1).await;
    world.engine().cancel(WORKSPACE, run).await.unwrap();
    let view = world.until(run, |view| view.status.is_final()).await;
    assert_eq!(view.status, RunStatus::Cancelled);
    world.until_empty().await;
    let left = "SELECT (SELECT count(*) FROM forge.timers) + (SELECT count(*) FROM forge.inbox)
        + (SELECT count(*) FROM forge.runs)";
    assert_eq!((world.number(left).await, effects.load(Ordering::SeqCst)), (0, 0));
    world.end().await;
}

/// A run that is about to fall asleep; another transaction is at its row and puts off what would
/// change it.
async fn held_up(by: &str) -> (World, RunId, Client) {
    let gate = Arc::new(Semaphore::new(0));
    let nodes = [Does::Trigger, Does::Gate(gate.clone()), Does::Wait(HOUR)];
    let world = World::new([row("sleeper", &nodes, Settings::default())]).await;
    let run = started(&world, 1).await;
    let other = world.db.superuser().await;
    other.batch_execute(&format!("BEGIN; {by}")).await.unwrap();
    gate.add_permits(1);
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
        AND application_name LIKE '%strict' AND datname = current_database()";
    world.until_number(waits, 1).await;
    (world, run, other)
}

#[tokio::test]
async fn a_run_that_is_cancelled_while_it_falls_asleep_ends() {
    let (world, run, other) = held_up("SELECT FROM forge.runs FOR UPDATE").await;
    let mut cancel = Box::pin(world.engine().cancel(WORKSPACE, run));
    let seen = world.until(run, |view| view.status == RunStatus::Waiting);
    tokio::select! {
        biased;
        _ = &mut cancel => panic!("nothing is durable yet"),
        _ = seen => {}
    }
    other.batch_execute("COMMIT").await.unwrap();
    cancel.await.unwrap();
    let view = world.until(run, |view| view.status.is_final()).await;
    assert_eq!(view.status, RunStatus::Cancelled);
    world.until_empty().await;
    world.end().await;
}

/// The signal comes between the moment at which the run decides to sleep and that at which it does.
#[tokio::test]
async fn a_signal_that_arrives_while_a_run_falls_asleep_is_not_slept_through() {
    let signal = "UPDATE forge.runs SET signals = signals + 1;
        INSERT INTO forge.inbox SELECT workspace_id, id, id, 'cancel', '', owner, now()
        FROM forge.runs";
    let (world, run, other) = held_up(signal).await;
    other.batch_execute("COMMIT").await.unwrap();
    let view = world.until(run, |view| view.status.is_final()).await;
    assert_eq!(view.status, RunStatus::Cancelled);
    assert_eq!(world.number(ENDED).await, 1);
    world.until_empty().await;
    world.end().await;
}

#[tokio::test]
async fn the_time_of_a_sleeping_run_runs_out() {
    let effects = Arc::new(AtomicUsize::new(0));
    let timeout = Some(Duration::from_secs(1_800));
    let world = sleeper(&effects, Settings { timeout, ..Settings::default() }).await;
    let run = started(&world, 1).await;
    world.until_number(PARKED, 1).await;
    world.sleep(SignedDuration::from_mins(31)).await;
    let view = world.until(run, |view| view.status.is_final()).await;
    assert_eq!(view.error.unwrap().code, codes::RUN_TIMEOUT.to_string());
    world.until_empty().await;
    world.end().await;
}

/// In sequential order the second branch has not begun.
#[tokio::test]
async fn branches_that_sleep_beside_each_other_wake_each_at_its_time() {
    for (order, later) in [(Order::Parallel, 1), (Order::Sequential, 2)] {
        let nodes = [Does::Wait(HOUR), Does::Wait(HOUR * 2)];
        let settings = Settings { order, ..Settings::default() };
        let world = World::new([fork("sleeper", &nodes, settings)]).await;
        let run = started(&world, 1).await;
        world.until_number(PARKED, 1).await;
        world.sleep(SignedDuration::from_mins(61)).await;
        let first = |view: &engine::RunView| view.nodes["n1"][0].status == "succeeded";
        world.until(run, first).await;
        world.until_number(PARKED, 1).await;
        world.sleep(SignedDuration::from_hours(later)).await;
        let view = world.until(run, |view| view.status.is_final()).await;
        assert_eq!((view.status, view.resumed), (RunStatus::Succeeded, 0));
        world.end().await;
    }
}

#[tokio::test]
async fn a_run_that_somebody_waits_for_stays() {
    let nap = row("nap", &[Does::Trigger, Does::Wait(HOUR)], Settings::default());
    let caller = row("caller", &[Does::Trigger, Does::Call("nap", true)], Settings::default());
    let world = World::new([nap, caller]).await;
    let (_, called) = world.start("caller", items(1), AnswerWhen::Started);
    told(called).await;
    let (_, direct) = world.start("nap", items(1), AnswerWhen::Ended);
    world.until_number("SELECT count(*) FROM forge.runs", 3).await;
    world.sleep(SignedDuration::from_mins(61)).await;
    assert_eq!(told(direct).await.status, RunStatus::Succeeded);
    world.until_number(ENDED, 3).await;
    world.end().await;
}

#[tokio::test]
async fn a_short_wait_stays_in_memory() {
    let nodes = [Does::Trigger, Does::Wait(Duration::from_secs(60))];
    let world = World::new([row("sleeper", &nodes, Settings::default())]).await;
    let run = started(&world, 1).await;
    world.advance(SignedDuration::from_secs(30));
    world.until_number("SELECT count(*) FROM forge.journal", 1).await;
    assert_eq!((world.engine().live_runs(), world.number(TIMERS).await), (1, 0));
    world.advance(SignedDuration::from_secs(31));
    world.until(run, |view| view.status == RunStatus::Succeeded).await;
    world.end().await;
}
