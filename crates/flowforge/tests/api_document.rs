//! The description of the API, held to others' judgement: a validator, a fuzzer, a browser.

mod support;

use std::time::Duration;

use nix::sys::signal::Signal;
use support::{Folder, Server, flowforge, log_of};
use tokio::process::Command;

/// How long the fuzzer may take on a busy machine; its own work is bounded by what it is told.
const FUZZ_WITHIN: Duration = Duration::from_secs(300);
const BROWSE_WITHIN: Duration = Duration::from_secs(120);

/// The Python with the packages of tools/requirements.txt.
async fn python() -> String {
    let made = Command::new(checkout::root().join("tools/python")).output().await;
    let made = made.expect("the script can be started");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8_lossy(&made.stdout).trim().to_owned()
}

/// Runs a program to its end and shows what it said when it failed.
async fn succeed(command: &mut Command, within: Duration) {
    let run = command.kill_on_drop(true).output();
    let output = tokio::time::timeout(within, run).await.expect("it ends in time");
    let output = output.expect("it can be started");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[tokio::test]
async fn both_documents_are_valid_to_somebody_else() {
    let folder = Folder::new("api-valid");
    let server = Server::up(&folder).await;
    let mut check = Command::new(python().await);
    check.args(["-m", "openapi_spec_validator"]);
    for name in ["openapi.json", "openapi-3.0.json"] {
        let path = format!("/v1/{name}");
        let (status, text) = server.call(reqwest::Method::GET, &path, None, None).await;
        assert_eq!(status, 200);
        check.arg(folder.write(name, &text));
    }
    succeed(&mut check, BROWSE_WITHIN).await;
    server.end(Signal::SIGTERM).await;
}

#[tokio::test]
async fn the_documentation_page_works_in_a_browser() {
    let folder = Folder::new("api-page");
    let server = Server::up(&folder).await;
    let mut browse = Command::new("node");
    browse
        .arg(checkout::root().join("tests/pages/docs.mjs"))
        .arg(format!("http://{}", server.address))
        .arg(server.owner_key());
    // `FLOWFORGE_PICTURES=folder` keeps what the browser saw.
    browse.args(std::env::var_os("FLOWFORGE_PICTURES"));
    succeed(&mut browse, BROWSE_WITHIN).await;
    server.end(Signal::SIGTERM).await;
}

/// A workflow for the fuzzer to find.
const HELLO: &str = "format: 1\nname: Hello\nnodes:\n  - { name: Start, type: core.manual }\n";

#[tokio::test]
async fn the_server_keeps_what_its_document_promises_whatever_is_sent() {
    let folder = Folder::new("api-fuzz");
    let mut command = flowforge(&folder);
    command.env("FLOWFORGE_ENGINE__WORKERS", "1").env("FLOWFORGE_LOG__FILTER", "warn");
    let server = Server::spawn(&folder, command).await;
    let key = server.owner_key();
    let body = Some(("application/yaml", HELLO.to_owned()));
    let saved = server.call(reqwest::Method::POST, "/v1/workflows", Some(&key), body).await;
    assert_eq!(saved.0, 201, "{}", saved.1);
    // Who is let loose on the keys takes away its own: that comes last, with a key for it.
    let body = Some(("application/json", r#"{"name":"fuzz","scopes":["*"]}"#.to_owned()));
    let made = server.call(reqwest::Method::POST, "/v1/api-keys", Some(&key), body).await;
    let made = kernel::json::parse(made.1.as_bytes()).unwrap().value;
    let spare = made["key"].as_str().unwrap().to_owned();
    let python = python().await;
    let runs = [("--exclude-operation-id", &key, "120"), ("--include-operation-id", &spare, "20")];
    for (choose, key, seconds) in runs {
        let mut fuzz = Command::new(&python);
        fuzz.args(["-m", "schemathesis.cli", "--config-file"])
            .arg(checkout::root().join("tests/schemathesis.toml"))
            .args(["run", "--max-time", seconds, choose, "revoke_api_key"])
            .arg(format!("http://{}/v1/openapi.json", server.address))
            .env("FLOWFORGE_API_KEY", key)
            .current_dir(folder.path());
        succeed(&mut fuzz, FUZZ_WITHIN).await;
    }
    let log = log_of(&folder);
    assert!(!log.contains("\"level\":\"ERROR\""), "{log}");
    server.end(Signal::SIGTERM).await;
}
