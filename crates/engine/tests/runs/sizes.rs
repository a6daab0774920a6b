//! How much a step, a run and all runs may hold.

use std::sync::Arc;
use std::time::Duration;

use engine::{AnswerWhen, RunStatus};
use jiff::SignedDuration;
use kernel::codes;
use tokio::sync::Semaphore;
use workflow::Settings;

use crate::nodes::{Does, WORKSPACE, items, row};
use crate::world::{World, told};

/// The code with which a run of these nodes ends; a step may have 100 000 bytes, a run 250 000.
async fn ends(nodes: &[Does]) -> Option<String> {
    let world = World::new([row("large", nodes, Settings::default())]).await;
    let world = world.with_settings(|settings| {
        (settings.step_bytes_max, settings.run_bytes_max) = (100_000, 250_000);
    });
    let world = world.await;
    let (run, answer) = world.start("large", items(1), AnswerWhen::Ended);
    told(answer).await;
    let view = world.until(run, |view| view.status.is_final()).await;
    world.end().await;
    view.error.map(|error| error.code)
}

#[tokio::test]
async fn a_step_that_gives_more_than_a_step_may_fails() {
    let limit = Some(codes::NODE_LIMIT.to_string());
    assert_eq!(ends(&[Does::Trigger, Does::Grow(150_000)]).await, limit);
    assert_eq!(ends(&[Does::Trigger, Does::Grow(90_000), Does::Pass]).await, None);
}

#[tokio::test]
async fn items_that_are_passed_on_do_not_count_again() {
    let pass = vec![Does::Pass; 20];
    let nodes = [vec![Does::Trigger, Does::Grow(90_000)], pass].concat();
    assert_eq!(ends(&nodes).await, None);
}

#[tokio::test]
async fn a_run_that_holds_more_than_a_run_may_fails() {
    let nodes = [vec![Does::Trigger], vec![Does::Grow(40_000); 7]].concat();
    assert_eq!(ends(&nodes).await, Some(codes::RUN_LIMIT.to_string()));
}

#[tokio::test]
async fn no_run_is_let_in_while_those_in_memory_hold_too_much() {
    let gate = Arc::new(Semaphore::new(0));
    let nodes = [Does::Trigger, Does::Grow(90_000), Does::Gate(gate.clone())];
    let large = row("large", &nodes, Settings::default());
    let small = row("small", &[Does::Trigger], Settings::default());
    let world = World::new([large, small]).await.with_settings(|settings| {
        settings.memory_bytes_max = 100_000;
    });
    let world = world.await;
    let first = world.start("large", items(1), AnswerWhen::Ended);
    let second = world.start("large", items(1), AnswerWhen::Ended);
    world.until(second.0, |view| view.nodes.contains_key("n2")).await;
    let problem = world.refused("small", items(1));
    assert_eq!((problem.code, problem.retry_after_ms), (codes::SERVER_OVERLOADED, Some(1_000)));
    world.engine().cancel(WORKSPACE, second.0).await.unwrap();
    world.until_number("SELECT count(*) FROM forge.history", 1).await;
    gate.add_permits(1);
    assert_eq!(told(first.1).await.status, RunStatus::Succeeded);
    let (_, answer) = world.start("small", items(1), AnswerWhen::Ended);
    assert_eq!(told(answer).await.status, RunStatus::Succeeded);
    world.end().await;
}

/// Its history does not stand in memory beside its items when it ends, sleeps or is a day old.
#[tokio::test]
async fn a_long_history_is_read_back_from_the_journal_when_it_is_needed() {
    let gate = Arc::new(Semaphore::new(0));
    let (grow, effect) = (Does::Grow(200_000), Does::Effect(Arc::default()));
    let nodes = [
        vec![Does::Trigger, grow.clone(), effect.clone(), grow.clone(), effect.clone()],
        vec![Does::Gate(gate.clone()), grow, effect, Does::Wait(Duration::from_secs(3_600))],
    ];
    let world = World::new([row("long", &nodes.concat(), Settings::default())]).await;
    let (run, answer) = world.start("long", items(1), AnswerWhen::Started);
    told(answer).await;
    world.until(run, |view| view.nodes.contains_key("n5")).await;
    world.sleep(SignedDuration::from_hours(25)).await;
    let renewed = "SELECT count(*) FROM forge.runs WHERE base_seq > 0";
    world.until_number(renewed, 1).await;
    gate.add_permits(1);
    world.until_number("SELECT count(*) FROM forge.runs WHERE owner IS NULL", 1).await;
    world.sleep(SignedDuration::from_hours(2)).await;
    let view = world.until(run, |view| view.status.is_final()).await;
    assert_eq!((view.status, view.resumed), (RunStatus::Succeeded, 0));
    let length = |node: &str| view.nodes[node][0].outputs[0][0].json["text"].as_str().map(str::len);
    assert!(["n1", "n3", "n6"].iter().all(|node| length(node).is_some_and(|n| n > 190_000)));
    world.end().await;
}
