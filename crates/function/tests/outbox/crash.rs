//! The process dies around the commit of a mutation.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use db::{Database, Settings};
use function::Request;

use crate::functions::{Gate, add_note};
use crate::world::{World, caller, host};

const URL: &str = "FLOWFORGE_TEST_URL";
const NOTE: &str = r#"{"text": "a"}"#;

#[tokio::test]
#[ignore = "the process that dies; the tests below start it"]
async fn one_mutation_in_a_process_of_its_own() {
    let Ok(url) = std::env::var(URL) else { return };
    let database = Database::connect(Settings::new(url)).await.unwrap();
    let request = Request {
        idempotency_key: Some("k".to_owned()),
        body: NOTE.as_bytes().to_vec(),
        ..Request::default()
    };
    let host = host(&database, Gate::open());
    host.call(&add_note::FUNCTION, &caller(), &request).await.unwrap();
}

/// Runs the mutation in a process that dies by SIGKILL at this point.
async fn die_at(world: &World, point: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--ignored", "--exact", "crash::one_mutation_in_a_process_of_its_own"])
        .env(URL, world.test.url("forge_login"))
        .env("FLOWFORGE_FAULT", point);
    let ended = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(ended.status.signal(), Some(9), "{said}");
}

#[tokio::test]
async fn a_kill_before_the_commit_leaves_nothing_and_the_repetition_is_the_first() {
    let world = World::new(Gate::open()).await;
    die_at(&world, "mutation.before").await;
    assert_eq!(world.left().await, [0; 5]);
    let answer = loop {
        // The server may still be ending the dead one's transaction.
        match world.call(&add_note::FUNCTION, Some("k"), NOTE).await {
            Err(problem) if problem.code == kernel::codes::REQUEST_IN_FLIGHT => {}
            answer => break answer.unwrap(),
        }
    };
    assert_eq!(answer.header("idempotency-replayed"), None);
    assert_eq!(world.left().await, [1; 5]);
}

#[tokio::test]
async fn a_kill_after_the_commit_leaves_all_of_it_and_the_answer() {
    let world = World::new(Gate::open()).await;
    die_at(&world, "mutation.done").await;
    assert_eq!(world.left().await, [1; 5]);
    let answer = world.call(&add_note::FUNCTION, Some("k"), NOTE).await.unwrap();
    assert_eq!((answer.status, answer.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(world.begun(), 0);
    assert_eq!(world.left().await, [1; 5]);
}
