//! Runs that call runs, across the death of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::{AnswerWhen, RunStatus};
use tokio::sync::Semaphore;
use workflow::{Retention, Settings};

use crate::nodes::{Does, items, numbers, row};
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
