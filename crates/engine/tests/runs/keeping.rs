//! How long what a run names is there.

use std::sync::Arc;
use std::time::Duration;

use db::Database;
use engine::blobs::BlobStore;
use engine::{AnswerWhen, RunStatus};
use jiff::SignedDuration;
use kernel::clock::SystemClock;
use node::Blobs;
use tokio::sync::Semaphore;
use workflow::{Graph, Retention, Settings};

use crate::nodes::{Does, WORKSPACE, items, row};
use crate::world::{World, told};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Keeps what was written for three days, unless somebody needs it longer.
fn store(database: &Database) -> Arc<dyn Blobs> {
    let keep = Duration::from_secs(3 * 86_400);
    Arc::new(BlobStore::new(database.clone(), Arc::new(SystemClock), keep))
}

/// A run with a file, and with a body that is a blob.
fn filed(keep: Retention) -> Arc<Graph> {
    let settings = Settings { keep_succeeded: keep, ..Settings::default() };
    row("filed", &[Does::Trigger, Does::File, Does::Grow(400_000)], settings)
}

/// Whether the run's file and body are there after so many days.
async fn kept(keep: Retention, days: i32) -> bool {
    let world = World::with_blobs([filed(keep)], store).await;
    let (run, answer) = world.start("filed", items(1), AnswerWhen::Ended);
    assert_eq!(told(answer).await.status, RunStatus::Succeeded);
    world.maintain_after(DAY * days).await;
    let there = world.number("SELECT count(*) FROM forge.blobs").await;
    let history = world.number("SELECT count(*) FROM forge.history").await;
    if history == 1 {
        let view = world.until(run, |view| view.status == RunStatus::Succeeded).await;
        let files = view.nodes["n1"][0].outputs[0][0].binary.clone().unwrap();
        let bytes = store(&world.db.database).get(WORKSPACE, &files["file"].blob).await;
        assert_eq!(bytes.unwrap(), b"the file's bytes");
    }
    world.end().await;
    assert!(there == 2 || history == 0, "{there} blobs of a run that is kept");
    there == 2
}

#[tokio::test]
async fn what_a_run_names_is_there_as_long_as_the_run() {
    assert!(kept(Retention::Forever, 40_000).await);
    assert!(kept(Retention::Days(365), 395).await);
    assert!(kept(Retention::Days(30), 31).await);
}

#[tokio::test]
async fn what_a_run_named_goes_when_the_run_has_gone() {
    assert!(!kept(Retention::Days(30), 90).await);
    assert!(!kept(Retention::None, 10).await);
}

/// Its body is read back from the journal; its file is older than that.
#[tokio::test]
async fn what_a_live_run_names_is_there_as_long_as_it_lives() {
    let gate = Arc::new(Semaphore::new(0));
    let nodes = [Does::Trigger, Does::File, Does::Gate(gate.clone())];
    let world = World::with_blobs([row("long", &nodes, Settings::default())], store).await;
    let (run, answer) = world.start("long", items(1), AnswerWhen::Ended);
    world.until_number("SELECT count(*) FROM forge.runs", 1).await;
    world.until(run, |view| view.nodes.contains_key("n2")).await;
    world.advance(DAY * 2);
    world.until_number("SELECT count(*) FROM forge.runs WHERE checkpoint IS NOT NULL", 1).await;
    world.maintain_after(DAY * 10).await;
    assert_eq!(world.number("SELECT count(*) FROM forge.blobs").await, 1);
    gate.add_permits(1);
    assert_eq!(told(answer).await.status, RunStatus::Succeeded);
    world.end().await;
}
