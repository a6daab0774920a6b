//! `flowforge up` as a process: its start, its neighbours, its end by any signal.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal;
use reqwest::Method;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use support::{Folder, Server, complaint, flowforge, gone, log_of, output};

const HELLO: &str = "format: 1\nname: Hello\nnodes:\n  - { name: Start, type: core.manual }\n";

#[tokio::test]
async fn from_nothing_it_becomes_ready_and_ends_when_asked_with_its_postgresql() {
    let folder = Folder::new("from-nothing");
    let server = Server::up(&folder).await;
    assert_eq!(server.call(Method::GET, "/ready", None, None).await.0, 200);
    let postgres = server.postgres_pid();
    assert!(server.end(Signal::SIGTERM).await.success(), "{}", log_of(&folder));
    gone(postgres).await;
    let log = log_of(&folder);
    assert!(!log.contains("\"level\":\"ERROR\"") && !log.contains("\"level\":\"WARN\""), "{log}");
    assert!(!log.contains("NOTICE") && !log.contains("log.file"), "{log}");
}

#[tokio::test]
async fn killed_it_leaves_no_postgresql_behind_and_loses_nothing() {
    let folder = Folder::new("killed");
    let server = Server::up(&folder).await;
    let key = server.owner_key();
    let body = Some(("application/yaml", HELLO.to_owned()));
    let saved = server.call(Method::POST, "/v1/workflows", Some(&key), body).await;
    assert_eq!(saved.0, 201, "{}", saved.1);
    let postgres = server.postgres_pid();
    server.end(Signal::SIGKILL).await;
    gone(postgres).await;

    let server = Server::up(&folder).await;
    let found = server.call(Method::GET, "/v1/workflows/Hello", Some(&key), None).await;
    assert_eq!(found.0, 200, "{}", found.1);
    server.end(Signal::SIGTERM).await;
}

#[tokio::test]
async fn a_second_one_on_the_same_directory_learns_process_and_address_of_the_first() {
    let folder = Folder::new("second");
    let server = Server::up(&folder).await;
    let mut second = flowforge(&folder);
    let second = output(second.args(["up", "--data-dir", "data", "--listen", "127.0.0.1:0"])).await;
    assert!(!second.status.success());
    let said = complaint(&second);
    assert!(said.contains("database.in_use") && said.contains(&server.address), "{said}");
    assert_eq!(server.call(Method::GET, "/ready", None, None).await.0, 200);
    server.end(Signal::SIGINT).await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_before_anything_is_made() {
    let folder = Folder::new("taken");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let mut command = flowforge(&folder);
    let refused = output(command.args(["up", "--data-dir", "data", "--listen", &taken])).await;
    assert!(!refused.status.success());
    let said = complaint(&refused);
    assert!(said.contains("server.address_in_use") && said.contains(&taken), "{said}");
    assert!(!folder.path().join("data/pg").exists());
}

#[tokio::test]
async fn without_a_terminal_the_first_key_is_written_once_for_the_owner_alone() {
    let folder = Folder::new("first-key");
    let server = Server::up(&folder).await;
    let key = server.owner_key();
    let file = folder.path().join("data/owner-api-key");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(server.call(Method::GET, "/v1/workspace", Some(&key), None).await.0, 200);
    assert_eq!(server.call(Method::GET, "/v1/workspace", Some("ff_wrong"), None).await.0, 401);
    server.end(Signal::SIGTERM).await;

    std::fs::remove_file(&file).unwrap();
    let server = Server::up(&folder).await;
    assert!(!file.exists(), "a key that was shown is not shown again");
    assert_eq!(server.call(Method::GET, "/v1/workspace", Some(&key), None).await.0, 200);
    server.end(Signal::SIGTERM).await;
}

/// Starts `up` on a terminal, waits until it says how to look into the database, ends it as closing
/// the terminal does, and returns all that was to be seen; `None` where there is no `script`.
async fn seen_on_a_terminal(folder: &Folder) -> Option<String> {
    let up = format!("{} up --data-dir data --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_flowforge"));
    let mut command = tokio::process::Command::new("script");
    for name in ["DATABASE_URL", "FLOWFORGE_DIRECT_URL", "FLOWFORGE_BOOTSTRAP_API_KEY"] {
        command.env_remove(name);
    }
    command.args(["-qefc", &up, "/dev/null"]).current_dir(folder.path()).kill_on_drop(true);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().ok()?;
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    let whole = async {
        while !seen.contains("look into the database") {
            assert_ne!(out.read_line(&mut seen).await.unwrap(), 0, "{seen}");
        }
        child.start_kill().unwrap();
        out.read_to_string(&mut seen).await.unwrap();
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), whole).await.expect("it starts");
    Some(seen)
}

#[tokio::test]
async fn on_a_terminal_the_first_key_is_shown_once_and_written_nowhere() {
    let folder = Folder::new("terminal");
    let Some(first) = seen_on_a_terminal(&folder).await else {
        println!("skipped: this machine has no `script`");
        return;
    };
    let key = first.split_whitespace().find(|word| word.starts_with("ff_"));
    let key = key.unwrap_or_else(|| panic!("{first}")).to_owned();
    assert!(!folder.path().join("data/owner-api-key").exists());

    let server = Server::up(&folder).await;
    assert_eq!(server.call(Method::GET, "/v1/workspace", Some(&key), None).await.0, 200);
    assert!(server.end(Signal::SIGTERM).await.success());
    let second = seen_on_a_terminal(&folder).await.unwrap();
    assert!(!second.contains("ff_"), "{second}");
}

#[tokio::test]
async fn the_operator_may_choose_the_first_key() {
    let folder = Folder::new("chosen-key");
    let mut command = flowforge(&folder);
    command.env("FLOWFORGE_BOOTSTRAP_API_KEY", "chosen-by-the-operator-0123456789");
    let server = Server::spawn(&folder, command).await;
    let key = Some("chosen-by-the-operator-0123456789");
    assert_eq!(server.call(Method::GET, "/v1/workspace", key, None).await.0, 200);
    assert!(!folder.path().join("data/owner-api-key").exists());
    server.end(Signal::SIGTERM).await;
}

#[tokio::test]
async fn a_chosen_key_that_is_too_short_is_refused_before_anything_is_made() {
    let folder = Folder::new("short-key");
    let mut command = flowforge(&folder);
    command.env("FLOWFORGE_BOOTSTRAP_API_KEY", "short");
    let refused =
        output(command.args(["up", "--data-dir", "data", "--listen", "127.0.0.1:0"])).await;
    assert!(!refused.status.success());
    let said = complaint(&refused);
    assert!(said.contains("FLOWFORGE_BOOTSTRAP_API_KEY") && said.contains("20"), "{said}");
    assert!(!folder.path().join("data").exists());
}

#[tokio::test]
async fn serve_without_a_database_says_what_to_set() {
    let folder = Folder::new("serve");
    let mut command = flowforge(&folder);
    let refused =
        output(command.args(["serve", "--data-dir", "data", "--listen", "127.0.0.1:0"])).await;
    assert!(!refused.status.success());
    assert!(complaint(&refused).contains("DATABASE_URL"), "{}", complaint(&refused));
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_named_without_its_password() {
    let folder = Folder::new("no-database");
    let mut command = flowforge(&folder);
    command.env("DATABASE_URL", "postgres://me:hunter2@127.0.0.1:1/none");
    let refused =
        output(command.args(["up", "--data-dir", "data", "--listen", "127.0.0.1:0"])).await;
    assert!(!refused.status.success());
    let said = complaint(&refused);
    assert!(said.contains("database.unavailable") && !said.contains("hunter2"), "{said}");
    assert!(said.contains("127.0.0.1:1"), "{said}");
}
