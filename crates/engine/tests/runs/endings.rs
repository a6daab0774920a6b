//! How runs end, and who hears of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engine::{AnswerWhen, RunStatus};
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use kernel::item::BinaryRef;
use kernel::{Problem, WorkspaceId, codes};
use node::Blobs;
use tokio::sync::Semaphore;
use workflow::{Retention, Settings};

use crate::nodes::{Does, WORKSPACE, items, looped, numbers, row};
use crate::world::{World, told};

#[tokio::test]
async fn a_run_that_fails_ends_after_its_error_workflow_was_told() {
    let told_of = row("told", &[Does::Trigger], Settings::default());
    let settings = Settings { error_workflow: Some("told".to_owned()), ..Settings::default() };
    let failing = row("failing", &[Does::Trigger, Does::Fail], settings);
    let world = World::new([told_of, failing]).await;
    let (_, answer) = world.start("failing", items(1), AnswerWhen::Ended);
    assert_eq!(told(answer).await.status, RunStatus::Failed);
    assert_eq!(world.number("SELECT count(*) FROM forge.history").await, 2);
    world.end().await;
}

/// A day has passed and the run's end is on its way, held up by the database.
#[tokio::test]
async fn an_old_segment_does_not_stop_a_worker_whose_database_is_slow() {
    let gate = Arc::new(Semaphore::new(0));
    let long = row("long", &[Does::Trigger, Does::Gate(gate.clone())], Settings::default());
    let short = row("short", &[Does::Trigger], Settings::default());
    let world = World::new([long, short]).await;
    let (run, answer) = world.start("long", items(1), AnswerWhen::Ended);
    world.until_number("SELECT count(*) FROM forge.runs", 1).await;
    let blocker = world.db.superuser().await;
    blocker.batch_execute("BEGIN; LOCK TABLE forge.runs IN ACCESS EXCLUSIVE MODE").await.unwrap();
    gate.add_permits(1);
    world.until(run, |view| view.nodes["n1"][0].status == "succeeded").await;
    world.advance(SignedDuration::from_hours(30));
    world.until(run, |view| view.nodes["n1"][0].status == "succeeded").await;
    blocker.batch_execute("COMMIT").await.unwrap();
    assert_eq!(told(answer).await.status, RunStatus::Succeeded);
    world.end().await;
}

/// The loop has no end but the bound on activations; meanwhile the worker serves others and shows
/// that it lives.
#[tokio::test]
async fn a_loop_without_an_end_does_not_keep_its_worker() {
    let endless = looped("endless", Settings::default());
    let short = row("short", &[Does::Trigger], Settings::default());
    let world = World::new([endless, short]).await;
    let (run, _) = world.start("endless", items(1), AnswerWhen::Ended);
    let (_, answer) = world.start("short", items(1), AnswerWhen::Ended);
    assert_eq!(told(answer).await.status, RunStatus::Succeeded);
    assert!(!world.until(run, |_| true).await.status.is_final());
    world.engine().cancel(WORKSPACE, run).await.unwrap();
    world.until_number("SELECT count(*) FROM forge.history WHERE state = 'cancelled'", 1).await;
    world.end().await;
}

#[tokio::test]
async fn a_repeated_start_gets_the_answer_of_a_run_that_its_workflow_does_not_keep() {
    let settings = Settings { keep_succeeded: Retention::None, ..Settings::default() };
    let world = World::new([row("unkept", &[Does::Trigger], settings)]).await;
    let (first, answer) = world.start_keyed("unkept", items(2), AnswerWhen::Ended, Some("k"));
    assert_eq!(told(answer).await.run, first);
    let (_, answer) = world.start_keyed("unkept", items(3), AnswerWhen::Ended, Some("k"));
    let answer = told(answer).await;
    assert_eq!((answer.run, numbers(&answer.last_items)), (first, vec![0, 1]));
    world.end().await;
}

/// Blobs that cannot be written so many times.
struct Away(AtomicUsize, Arc<dyn Blobs>);

impl Blobs for Away {
    fn put<'a>(
        &'a self,
        workspace: WorkspaceId,
        bytes: Vec<u8>,
    ) -> BoxFuture<'a, Result<BinaryRef, Problem>> {
        let less = |left: usize| left.checked_sub(1);
        if self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_err() {
            return self.1.put(workspace, bytes);
        }
        let mut problem = Problem::new(codes::DATABASE_UNAVAILABLE, "away");
        problem.retry_after_ms = Some(1_000);
        Box::pin(async move { Err(problem) })
    }

    fn get<'a>(
        &'a self,
        workspace: WorkspaceId,
        blob: &'a str,
    ) -> BoxFuture<'a, Result<Vec<u8>, Problem>> {
        self.1.get(workspace, blob)
    }

    fn keep_until<'a>(
        &'a self,
        workspace: WorkspaceId,
        keys: &'a [String],
        until: Timestamp,
    ) -> BoxFuture<'a, Result<usize, Problem>> {
        self.1.keep_until(workspace, keys, until)
    }
}

#[tokio::test]
async fn a_large_run_waits_for_the_database_to_come_back() {
    let blobs = Arc::new(Away(AtomicUsize::new(3), node::testing::services().blobs));
    let large = row("large", &[Does::Trigger, Does::Grow(400_000)], Settings::default());
    let world = World::with_blobs([large], |_| blobs).await;
    let (run, answer) = world.start("large", items(1), AnswerWhen::Ended);
    assert_eq!(told(answer).await.status, RunStatus::Succeeded);
    assert!(world.number("SELECT max(octet_length(body))::int8 FROM forge.history").await < 200);
    world.until(run, |view| view.nodes["n1"][0].outputs[0].len() == 1).await;
    world.end().await;
}

/// The sweep takes a run from an owner whom nobody knows; somebody has to take it up then.
#[tokio::test]
async fn a_run_that_nobody_owned_is_taken_up_when_its_timer_is_due() {
    let gate = Arc::new(Semaphore::new(0));
    let graph = row("gated", &[Does::Trigger, Does::Gate(gate.clone())], Settings::default());
    let mut world = World::new([graph]).await;
    let (run, _) = world.start("gated", items(1), AnswerWhen::Ended);
    world.until_number("SELECT count(*) FROM forge.runs", 1).await;
    world.die().await;
    let disown = "UPDATE forge.runs SET owner = NULL, due_at = now();
        INSERT INTO forge.timers SELECT now(), workspace_id, id FROM forge.runs";
    world.db.superuser().await.batch_execute(disown).await.unwrap();
    gate.add_permits(1);
    world.live_again().await;
    world.until(run, |view| view.status == RunStatus::Succeeded).await;
    world.end().await;
}

/// The database is held up: nobody is told of an end that a crash could take back.
#[tokio::test]
async fn a_cancel_is_answered_when_the_end_is_durable() {
    let gate = Arc::new(Semaphore::new(0));
    let graph = row("gated", &[Does::Trigger, Does::Gate(gate)], Settings::default());
    let world = World::new([graph]).await;
    let (run, _) = world.start("gated", items(1), AnswerWhen::Ended);
    world.until_number("SELECT count(*) FROM forge.runs", 1).await;
    let blocker = world.db.superuser().await;
    blocker.batch_execute("BEGIN; LOCK TABLE forge.history IN EXCLUSIVE MODE").await.unwrap();
    let mut cancel = Box::pin(world.engine().cancel(WORKSPACE, run));
    // What has happened to its nodes may be seen; that it has ended may not.
    let cancelled = world.until(run, |view| {
        assert_eq!(view.status, RunStatus::Running);
        view.nodes["n1"][0].status == "cancelled"
    });
    tokio::select! {
        biased;
        _ = &mut cancel => panic!("nothing is durable yet"),
        _ = cancelled => {}
    }
    blocker.batch_execute("COMMIT").await.unwrap();
    cancel.await.unwrap();
    assert_eq!(world.number("SELECT count(*) FROM forge.history").await, 1);
    let problem = world.engine().cancel(WORKSPACE, run).await.unwrap_err();
    assert_eq!(problem.code, codes::RUN_FINISHED);
    world.end().await;
}

/// Each is the other's error workflow, and the second dies with the process before it fails.
#[tokio::test]
async fn an_error_workflow_that_fails_tells_nobody_even_after_a_crash() {
    let gate = Arc::new(Semaphore::new(0));
    let tells =
        |other: &str| Settings { error_workflow: Some(other.to_owned()), ..Settings::default() };
    let first = row("first", &[Does::Trigger, Does::Fail], tells("second"));
    let nodes = [Does::Trigger, Does::Gate(gate.clone()), Does::Fail];
    let second = row("second", &nodes, tells("first"));
    let mut world = World::new([first, second]).await;
    world.start("first", items(1), AnswerWhen::Ended);
    world.until_number("SELECT count(*) FROM forge.history", 1).await;
    world.die_and_recover().await;
    gate.add_permits(1);
    world.until_number("SELECT count(*) FROM forge.runs", 0).await;
    assert_eq!(world.number("SELECT count(*) FROM forge.history").await, 2);
    world.end().await;
}

#[tokio::test]
async fn timers_of_a_run_go_with_it() {
    let nodes = [Does::Trigger, Does::Wait(Duration::from_secs(50))];
    let world = World::new([row("sleeping", &nodes, Settings::default())]).await;
    let runs: Vec<_> =
        (0..5).map(|_| world.start("sleeping", items(1), AnswerWhen::Ended).0).collect();
    world.until_number("SELECT count(*) FROM forge.runs", 5).await;
    assert!(world.engine().timers() >= 5);
    for run in runs {
        world.engine().cancel(WORKSPACE, run).await.unwrap();
    }
    world.until_empty().await;
    world.end().await;
}

/// The member's last handle may go anywhere.
#[tokio::test]
async fn an_engines_threads_may_be_dropped_where_others_are_at_work() {
    let gate = Arc::new(Semaphore::new(0));
    let graph = row("gated", &[Does::Trigger, Does::Gate(gate)], Settings::default());
    let world = World::new([graph]).await;
    world.start("gated", items(1), AnswerWhen::Ended);
    world.until_number("SELECT count(*) FROM forge.runs", 1).await;
    world.drop_threads();
}
