//! Runs that call runs, across the death of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engine::{AnswerWhen, RunStatus};
use jiff::SignedDuration;
use kernel::codes;
use tokio::sync::Semaphore;
use workflow::{Graph, Order, Retention, Settings};

use crate::nodes::{Does, WORKSPACE, fork, items, numbers, row};
use crate::world::{World, told};

/// Two children: the first has returned when the process dies, the second has not.
#[tokio::test]
async fn a_call_goes_on_with_the_children_that_had_not_returned() {
    let gate = Arc::new(Semaphore::new(1));
    let child = row("child", &[Does::Trigger, Does::Gate(gate.clone())], Settings::default());
    let parent = row("parent", &[Does::Trigger, Does::Call("child", true)], Settings::default());
    let mut world = World::new([child, parent]).await;
    let (run, _) = world.start("parent", items(2), AnswerWhen::Ended);
    world.until_number("SELECT count(*) FROM forge.history", 1).await;
    // The child's result stands in the parent's journal too.
    world.until_number("SELECT count(*) FROM forge.journal WHERE seq = 2", 1).await;
    world.die_and_recover().await;
    gate.add_permits(1);
    let view = world.until(run, |view| view.status.is_final()).await;
    assert_eq!(view.status, RunStatus::Succeeded);
    assert_eq!(numbers(&view.nodes["n1"][0].outputs[0]), [0, 1]);
    world.end().await;
}

#[tokio::test]
async fn a_called_run_that_is_not_kept_is_still_found_by_its_caller() {
    let effects = Arc::new(AtomicUsize::new(0));
    let nodes = [Does::Trigger, Does::Effect(effects.clone()), Does::Fail];
    let unkept = Settings {
        keep_succeeded: Retention::None,
        keep_failed: Retention::None,
        ..Settings::default()
    };
    let child = row("child", &nodes, unkept);
    let parent = row("parent", &[Does::Trigger, Does::Call("child", true)], Settings::default());
    let world = World::new([child, parent]).await;
    let (_, answer) = world.start("parent", items(1), AnswerWhen::Ended);
    assert_eq!(told(answer).await.status, RunStatus::Failed);
    assert_eq!(effects.load(Ordering::SeqCst), 1);
    assert_eq!(world.number("SELECT count(*) FROM forge.history WHERE class = 1").await, 1);
    world.end().await;
}

#[tokio::test]
async fn a_run_that_does_not_wait_for_its_calls_ends_and_they_run() {
    let effects = Arc::new(AtomicUsize::new(0));
    let child = row("child", &[Does::Trigger, Does::Effect(effects.clone())], Settings::default());
    let parent = row("parent", &[Does::Trigger, Does::Call("child", false)], Settings::default());
    let world = World::new([child, parent]).await;
    let (_, answer) = world.start("parent", items(3), AnswerWhen::Ended);
    let answer = told(answer).await;
    assert_eq!((answer.status, numbers(&answer.last_items)), (RunStatus::Succeeded, vec![0, 1, 2]));
    world.until_number("SELECT count(*) FROM forge.history", 4).await;
    assert_eq!(effects.load(Ordering::SeqCst), 3);
    world.end().await;
}

#[tokio::test]
async fn runs_that_call_themselves_without_waiting_come_to_an_end() {
    let endless =
        row("endless", &[Does::Trigger, Does::Call("endless", false)], Settings::default());
    let world = World::new([endless]).await;
    world.start("endless", items(1), AnswerWhen::Ended);
    world.until_number("SELECT count(*) FROM forge.history WHERE state = 'failed'", 1).await;
    assert_eq!(world.number("SELECT count(*) FROM forge.history").await, 33);
    world.end().await;
}

/// The child ends between the caller's death and its return, and is no longer published then.
#[tokio::test]
async fn a_called_run_that_has_ended_is_not_started_again() {
    let (effects, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let nodes = [Does::Trigger, Does::Effect(effects.clone())];
    let child = row("child", &nodes, Settings::default());
    let nodes = [Does::Trigger, Does::Call("child", true), Does::Gate(gate.clone())];
    let parent = row("parent", &nodes, Settings::default());
    let mut world = World::new([child, parent]).await;
    let (run, _) = world.start("parent", items(2), AnswerWhen::Ended);
    world.until(run, |view| view.nodes.contains_key("n2")).await;
    world.die().await;
    // As if the returns had not been written in time.
    let forget = "DELETE FROM forge.journal WHERE seq > 1";
    world.db.superuser().await.batch_execute(forget).await.unwrap();
    world.unpublish("child");
    gate.add_permits(2);
    world.live_again().await;
    let view = world.until(run, |view| view.status.is_final()).await;
    assert_eq!(view.status, RunStatus::Succeeded);
    assert_eq!(numbers(&view.nodes["n1"][0].outputs[0]), [0, 1]);
    assert_eq!(effects.load(Ordering::SeqCst), 2);
    world.end().await;
}

#[tokio::test]
async fn a_called_run_that_another_member_took_over_returns_when_it_has_ended() {
    let gate = Arc::new(Semaphore::new(0));
    let child = row("child", &[Does::Trigger, Does::Gate(gate)], Settings::default());
    let parent = row("parent", &[Does::Trigger, Does::Call("child", true)], Settings::default());
    let mut world = World::new([child, parent]).await;
    let (run, _) = world.start("parent", items(1), AnswerWhen::Ended);
    world.until_number("SELECT count(*) FROM forge.runs", 2).await;
    world.die().await;
    let client = world.db.superuser().await;
    let theirs = "INSERT INTO forge.fences SELECT id, 0 FROM forge.runs;
        UPDATE forge.runs SET owner = id WHERE epoch = 1 AND version_id::text LIKE '6368%'";
    client.batch_execute(theirs).await.unwrap();
    world.live_again().await;
    world.until(run, |view| view.resumed == 1).await;
    let ended = "INSERT INTO forge.history
        SELECT 30, (now() AT TIME ZONE 'UTC')::date, r.workspace_id, r.id, r.workflow_id,
            r.version_id, 'succeeded', r.started_at, now(),
            substr(j.body, 1, length(j.body) - 1) || convert_to(',{\"e\":[\"succeeded\",null,5]}]', 'UTF8')
        FROM forge.runs r JOIN forge.journal j ON j.run_id = r.id WHERE r.owner = r.id;
        DELETE FROM forge.runs WHERE owner = id";
    client.batch_execute(ended).await.unwrap();
    let view = world.until(run, |view| view.status.is_final()).await;
    assert_eq!(view.status, RunStatus::Succeeded);
    assert_eq!(numbers(&view.nodes["n1"][0].outputs[0]), [0]);
    world.end().await;
}

/// Two levels of calls; the lowest ones wait at a gate.
fn nested(gate: &Arc<Semaphore>, settings: &Settings) -> [Arc<Graph>; 3] {
    let lowest = row("lowest", &[Does::Trigger, Does::Gate(gate.clone())], settings.clone());
    let middle = row("middle", &[Does::Trigger, Does::Call("lowest", true)], settings.clone());
    let top = row("top", &[Does::Trigger, Does::Call("middle", true)], settings.clone());
    [lowest, middle, top]
}

#[tokio::test]
async fn a_cancelled_run_takes_the_runs_it_called_with_it_at_every_level() {
    let gate = Arc::new(Semaphore::new(0));
    let world = World::new(nested(&gate, &Settings::default())).await;
    let (run, _) = world.start("top", items(2), AnswerWhen::Ended);
    world.until_number("SELECT count(*) FROM forge.runs", 5).await;
    world.engine().cancel(WORKSPACE, run).await.unwrap();
    assert_eq!(world.number("SELECT count(*) FROM forge.runs").await, 0);
    let cancelled = "SELECT count(*) FROM forge.history WHERE state = 'cancelled'";
    assert_eq!(world.number(cancelled).await, 5);
    world.until_empty().await;
    world.end().await;
}

#[tokio::test]
async fn a_run_whose_time_is_up_takes_the_runs_it_called_with_it() {
    let gate = Arc::new(Semaphore::new(0));
    let [lowest, middle, _] = nested(&gate, &Settings::default());
    let hour = Settings { timeout: Some(Duration::from_secs(3_600)), ..Settings::default() };
    let top = row("top", &[Does::Trigger, Does::Call("middle", true)], hour);
    let world = World::new([lowest, middle, top]).await;
    let (_, answer) = world.start("top", items(1), AnswerWhen::Ended);
    world.until_number("SELECT count(*) FROM forge.runs", 3).await;
    world.advance(SignedDuration::from_hours(2));
    let answer = told(answer).await;
    assert_eq!(answer.error.unwrap().code, codes::RUN_TIMEOUT);
    assert_eq!(world.number("SELECT count(*) FROM forge.runs").await, 0);
    let cancelled = "SELECT count(*) FROM forge.history WHERE state = 'cancelled'";
    assert_eq!(world.number(cancelled).await, 2);
    world.end().await;
}

/// The process dies when the end of the caller is in its journal and nobody else has heard of it.
#[tokio::test]
async fn called_runs_are_ended_although_the_process_dies_right_after_their_caller_ended() {
    let gate = Arc::new(Semaphore::new(0));
    let mut world = World::new(nested(&gate, &Settings::default())).await;
    let (run, _) = world.start("top", items(1), AnswerWhen::Ended);
    world.until_number("SELECT count(*) FROM forge.runs", 3).await;
    world.die().await;
    let end = format!(
        "INSERT INTO forge.journal SELECT segment, workspace_id, run_id, max(seq) + 1,
            '\\x00'::bytea || convert_to('[{{\"e\":[\"cancelled\",null,5]}}]', 'UTF8')
        FROM forge.journal WHERE run_id = '{run}' GROUP BY 1, 2, 3"
    );
    world.db.superuser().await.batch_execute(&end).await.unwrap();
    world.live_again().await;
    world.until_number("SELECT count(*) FROM forge.runs", 0).await;
    let cancelled = "SELECT count(*) FROM forge.history WHERE state = 'cancelled'";
    assert_eq!(world.number(cancelled).await, 3);
    world.end().await;
}

/// The signal is durable, its owner dies before it looks into its inbox.
#[tokio::test]
async fn a_run_that_was_cancelled_before_its_member_died_does_nothing_more() {
    let (effects, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let nodes = [Does::Trigger, Does::Gate(gate.clone()), Does::Effect(effects.clone())];
    let mut world = World::new([row("gated", &nodes, Settings::default())]).await;
    let (run, _) = world.start("gated", items(1), AnswerWhen::Ended);
    world.until_number("SELECT count(*) FROM forge.runs", 1).await;
    world.die().await;
    let signal = "UPDATE forge.runs SET signals = 1;
        INSERT INTO forge.inbox SELECT workspace_id, id, id, 'cancel', '', owner, now()
        FROM forge.runs";
    world.db.superuser().await.batch_execute(signal).await.unwrap();
    gate.add_permits(1);
    world.live_again().await;
    let view = world.until(run, |view| view.status.is_final()).await;
    assert_eq!(view.status, RunStatus::Cancelled);
    assert_eq!(effects.load(Ordering::SeqCst), 0);
    world.end().await;
}

#[tokio::test]
async fn only_so_many_called_runs_of_one_node_are_under_way_at_once() {
    let gate = Arc::new(Semaphore::new(0));
    let child = row("child", &[Does::Trigger, Does::Gate(gate.clone())], Settings::default());
    let parent = row("parent", &[Does::Trigger, Does::Call("child", true)], Settings::default());
    let world = World::new([child, parent]).await.with_settings(|settings| {
        settings.calls_at_once = 4;
    });
    let world = world.await;
    let (_, answer) = world.start("parent", items(30), AnswerWhen::Ended);
    world.until_number("SELECT count(*) FROM forge.runs", 5).await;
    for _ in 0..30 {
        assert!(world.engine().live_runs() <= 5);
        gate.add_permits(1);
    }
    let answer = told(answer).await;
    assert_eq!(numbers(&answer.last_items), (0..30).collect::<Vec<_>>());
    world.end().await;
}

/// One place for all, and each called run calls in its turn, twice: sequential ones have something
/// that is ready while they wait.
#[tokio::test]
async fn nested_calls_do_not_wait_for_each_others_places() {
    for order in [Order::Parallel, Order::Sequential] {
        let gate = Arc::new(Semaphore::new(100));
        let settings = Settings { order, ..Settings::default() };
        let [lowest, ..] = nested(&gate, &settings);
        let twice = |name, called| fork(name, &[called, called].map(calls), settings.clone());
        let graphs = [lowest, twice("middle", "lowest"), twice("top", "middle")];
        let world = World::new(graphs).await.with_settings(|settings| {
            (settings.calls_at_once, settings.calls_max) = (2, 1);
        });
        let world = world.await;
        let (_, answer) = world.start("top", items(5), AnswerWhen::Ended);
        assert_eq!(numbers(&told(answer).await.last_items), (0..5).collect::<Vec<_>>());
        world.end().await;
    }
}

fn calls(workflow: &'static str) -> Does {
    Does::Call(workflow, true)
}

#[tokio::test]
async fn called_runs_that_sleep_keep_no_others_from_beginning() {
    let sleep = Does::Wait(Duration::from_secs(60));
    let child = row("child", &[Does::Trigger, sleep], Settings::default());
    let parent = row("parent", &[Does::Trigger, Does::Call("child", true)], Settings::default());
    let world = World::new([child, parent]).await.with_settings(|settings| {
        (settings.calls_at_once, settings.calls_max) = (2, 2);
    });
    let world = world.await;
    let (run, _) = world.start("parent", items(10), AnswerWhen::Ended);
    world.until_number("SELECT count(*) FROM forge.runs", 11).await;
    world.engine().cancel(WORKSPACE, run).await.unwrap();
    world.until_empty().await;
    world.end().await;
}

/// Recovery knows nothing of it: nobody else would ever tell.
#[tokio::test]
async fn a_caller_hears_of_a_called_run_that_cannot_be_stored() {
    let child = row("child", &[Does::Trigger], Settings::default());
    let parent = row("parent", &[Does::Trigger, Does::Call("child", true)], Settings::default());
    let workflow = child.workflow.id;
    let world = World::new([child, parent]).await;
    let refuse = format!(
        "ALTER TABLE forge.history ADD CONSTRAINT refused CHECK (workflow_id <> '{workflow}')"
    );
    world.db.superuser().await.batch_execute(&refuse).await.unwrap();
    let (_, answer) = world.start("parent", items(1), AnswerWhen::Ended);
    let answer = told(answer).await;
    assert_eq!(answer.status, RunStatus::Failed);
    assert_eq!(answer.error.unwrap().code, codes::RUN_UNSTORABLE);
    world.end().await;
}
