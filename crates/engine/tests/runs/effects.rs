//! Effects: which items they are for, and what is done about those that may have run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engine::decide::Decision;
use engine::{AnswerWhen, RunStatus};
use kernel::codes;
use node::MayHaveRun;
use tokio::sync::Semaphore;
use workflow::{Graph, GraphNode, OnError, Settings};

use crate::nodes::{Does, WORKSPACE, items, numbers, row};
use crate::world::{World, told};

/// A trigger and an effect; `change` has the last word on the effect's node.
fn effect(does: Does, change: impl Fn(&mut GraphNode)) -> Arc<Graph> {
    let mut graph = row("effect", &[Does::Trigger, does], Settings::default());
    change(&mut Arc::get_mut(&mut graph).expect("nobody else has it yet").nodes[1]);
    graph
}

#[tokio::test]
async fn a_node_that_is_executed_once_has_one_effect() {
    let count = Arc::new(AtomicUsize::new(0));
    let graph = effect(Does::Effect(count.clone()), |node| node.execute_once = true);
    let world = World::new([graph]).await;
    let (_, answer) = world.start("effect", items(3), AnswerWhen::Ended);
    let answer = told(answer).await;
    assert_eq!((answer.status, numbers(&answer.last_items)), (RunStatus::Succeeded, vec![0]));
    assert_eq!(count.load(Ordering::SeqCst), 1);
    world.end().await;
}

#[tokio::test]
async fn an_item_that_is_too_slow_does_not_take_the_others_with_it() {
    let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(1)));
    let graph = effect(Does::GatedEffect(begun.clone(), gate), |node| {
        node.timeout = Some(Duration::from_millis(100));
        node.on_error = OnError::Continue;
    });
    let world = World::new([graph]).await;
    let (_, answer) = world.start("effect", items(2), AnswerWhen::Ended);
    let answer = told(answer).await;
    assert_eq!((answer.status, numbers(&answer.last_items)), (RunStatus::Succeeded, vec![0]));
    let error = answer.last_items[1].json["error"]["code"].as_str();
    assert_eq!(error, Some("node.timeout"));
    assert_eq!(begun.load(Ordering::SeqCst), 2, "each was sent once");
    world.end().await;
}

/// Of 25 items ten are under way when the process dies.
async fn answered(decision: Decision) -> (usize, Vec<u64>) {
    let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let graph = effect(Does::GatedEffect(begun.clone(), gate.clone()), |node| {
        node.may_have_run = MayHaveRun::Ask;
        node.on_error = OnError::Continue;
    });
    let mut world = World::new([graph]).await;
    let (run, _) = world.start("effect", items(25), AnswerWhen::Ended);
    world.until(run, |_| begun.load(Ordering::SeqCst) == 10).await;
    world.die_and_recover().await;
    world.until(run, |view| view.status == RunStatus::Waiting).await;
    gate.add_permits(25);
    assert!(world.engine().answer(WORKSPACE, run, "n1", decision).await.unwrap());
    let view = world.until(run, |view| view.status.is_final()).await;
    assert_eq!(view.status, RunStatus::Succeeded);
    let outputs = view.nodes["n1"][0].outputs[0].clone();
    world.end().await;
    (begun.load(Ordering::SeqCst), numbers(&outputs))
}

#[tokio::test]
async fn effects_taken_for_done_leave_the_other_items_their_turn() {
    assert_eq!(answered(Decision::Done).await, (25, (0..25).collect()));
}

#[tokio::test]
async fn effects_taken_for_failed_leave_the_other_items_their_turn() {
    assert_eq!(answered(Decision::Fail).await, (25, (10..25).collect()));
}

#[tokio::test]
async fn effects_that_are_done_again_are_the_only_ones_done_twice() {
    assert_eq!(answered(Decision::Retry).await, (35, (0..25).collect()));
}

#[tokio::test]
async fn a_run_whose_result_cannot_be_stored_fails_and_its_effect_is_not_repeated() {
    let count = Arc::new(AtomicUsize::new(0));
    let graph = effect(Does::Effect(count.clone()), |_| {});
    let world = World::new([graph]).await;
    let refuse = "ALTER TABLE forge.history ADD CONSTRAINT refused CHECK (state <> 'succeeded')";
    world.db.superuser().await.batch_execute(refuse).await.unwrap();
    let (run, answer) = world.start("effect", items(1), AnswerWhen::Ended);
    let answer = answer.await.unwrap().unwrap();
    assert_eq!((answer.run, answer.status), (run, RunStatus::Failed));
    assert_eq!(answer.error.unwrap().code, codes::RUN_UNSTORABLE);
    world.until_number("SELECT count(*) FROM forge.history", 1).await;
    let view = world.until(run, |view| view.status.is_final()).await;
    assert_eq!(view.error.unwrap().code, codes::RUN_UNSTORABLE.to_string());
    assert_eq!(count.load(Ordering::SeqCst), 1);
    world.end().await;
}
