//! `flowforge demo`: the main job end to end on real data, then the same through a `kill -9`.
//!
//! It starts this very program as a server in a folder of its own, talks to it by HTTP as anybody
//! would, and leaves nothing behind: no process, no file.

mod server;

use std::path::{Path, PathBuf};
use std::time::Duration;

use kernel::{Problem, Value, codes};
use reqwest::Method;

use crate::client::Client;
use crate::{show, terminal};
use server::Server;

/// The example and its trigger's path.
const EXAMPLE: &str = "quakes-near-airports.yaml";
const QUESTION: &str = r#"{"min_magnitude": 2.5, "radius_km": 100}"#;
/// How long a run of the demonstration may take.
const RUN_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Rows of a table that are shown.
const ROWS_MAX: usize = 15;

/// A run slow enough to be killed in its middle: it writes, waits, writes again.
const SLOW: &str = r#"
format: 1
name: Slow enough to be interrupted
nodes:
  - { name: Start, type: core.manual }
  - name: Text
    type: core.set
    parameters: { mode: fields, fields: [ { name: text, type: string, value: "written once" } ] }
  - name: First file
    type: core.json_write
    parameters: { path: slow-first.json }
  - { name: Pause, type: core.wait, parameters: { duration: 2s } }
  - name: Second file
    type: core.json_write
    parameters: { path: slow-second.json }
connections:
  - Start -> Text
  - Text -> First file
  - First file -> Pause
  - Pause -> Second file
"#;

/// Shows it all; an error when anything is not as it should be.
pub(crate) async fn demo(examples: &Path) -> Result<(), Problem> {
    let folder = Folder::make(examples)?;
    let mut server = Server::start(&folder.0).await?;
    let shown = show_everything(&folder, &mut server).await;
    if shown.is_err() {
        terminal::say(format_args!("\nThe end of the server's log:\n{}", server.log_end()));
    }
    server.stop().await;
    shown
}

async fn show_everything(folder: &Folder, server: &mut Server) -> Result<(), Problem> {
    say(&format!(
        "The server listens on http://{}; it keeps a PostgreSQL of its own.",
        server.address
    ));
    let client = server.client()?;
    main_job(folder, &client).await?;
    let run = begin_slow_run(&client).await?;
    say("kill -9, in the middle of the run. Then a new start.");
    server.kill().await;
    *server = Server::start(&folder.0).await?;
    let view = to_its_end(&server.client()?, &run).await?;
    terminal::say(show::run(&view));
    if show::resumed(&view) == 0 {
        return Err(unexpected("the run did not say that it was resumed"));
    }
    say("resumed and succeeded: what was done before the kill was not done again.");
    Ok(())
}

/// Stores the example, publishes it, calls its webhook, shows the answer and the run.
async fn main_job(folder: &Folder, client: &Client) -> Result<(), Problem> {
    let document =
        std::fs::read(folder.0.join(EXAMPLE)).map_err(|error| missing(EXAMPLE, &error))?;
    let body = Some(("application/yaml", document));
    let saved = client.call(Method::POST, "/v1/workflows", body).await?.value()?;
    let id = text(&saved, "id")?;
    let published = client.post(&format!("/v1/workflows/{id}/publish"), &Value::Null).await?;
    let hook = published.pointer("/hooks/0/path").and_then(Value::as_str).unwrap_or("quakes");
    say(&format!("Calling POST /hooks/default/{hook} with {QUESTION}"));
    let body = Some(("application/json", QUESTION.as_bytes().to_vec()));
    let answer = client.call(Method::POST, &format!("/hooks/default/{hook}"), body).await?;
    let run = answer.run_id.clone();
    let answer = answer.value()?;
    terminal::say(answer_as_tables(&answer));
    let run = run.ok_or_else(|| unexpected("the answer does not name its run"))?;
    let view = to_its_end(client, &run).await?;
    terminal::say(show::run(&view));
    Ok(())
}

/// Lists of objects as tables, the rest as lines.
fn answer_as_tables(answer: &Value) -> String {
    let Some(object) = answer.as_object() else {
        return show::objects(answer, ROWS_MAX).unwrap_or_else(|| answer.to_string());
    };
    let mut out = String::new();
    for (key, value) in object {
        let one_row = Value::Array(vec![value.clone()]);
        match show::objects(value, ROWS_MAX).or_else(|| show::objects(&one_row, 1)) {
            Some(table) => out.push_str(&format!("{key}:\n{table}")),
            None => out.push_str(&format!("{key}: {value}\n")),
        }
    }
    out
}

/// Starts the slow run and returns its id once something of it is done and the rest is not.
async fn begin_slow_run(client: &Client) -> Result<String, Problem> {
    let body = Some(("application/yaml", SLOW.as_bytes().to_vec()));
    let saved = client.call(Method::POST, "/v1/workflows", body).await?.value()?;
    let id = text(&saved, "id")?;
    client.post(&format!("/v1/workflows/{id}/publish"), &Value::Null).await?;
    let empty = Value::Object(kernel::Object::new());
    let started = client.post(&format!("/v1/workflows/{id}/runs"), &empty).await?;
    let run = text(&started, "run_id")?;
    say(&format!("Run {run} has started; it writes a file, waits, and writes another."));
    let done = |view: &Value| {
        view.pointer("/nodes/First file/0/status").and_then(Value::as_str) == Some("succeeded")
    };
    look_until(client, &run, done).await?;
    Ok(run)
}

async fn to_its_end(client: &Client, run: &str) -> Result<Value, Problem> {
    let ended = |view: &Value| {
        let status = view.get("status").and_then(Value::as_str).unwrap_or_default();
        ["succeeded", "failed", "cancelled"].contains(&status)
    };
    let view = look_until(client, run, ended).await?;
    match view.get("status").and_then(Value::as_str) {
        Some("succeeded") => Ok(view),
        _ => {
            terminal::say(show::run(&view));
            Err(unexpected("the run did not succeed"))
        }
    }
}

async fn look_until(
    client: &Client,
    run: &str,
    enough: impl Fn(&Value) -> bool,
) -> Result<Value, Problem> {
    let path = format!("/v1/runs/{run}");
    let look = async {
        let mut every = tokio::time::interval(LOOK_EVERY);
        loop {
            every.tick().await;
            match client.get(&path).await {
                Ok(view) if enough(&view) => return Ok(view),
                Ok(_) => {}
                // A run is seen once it has taken 25 ms.
                Err(problem) if problem.code == codes::RUN_NOT_FOUND => {}
                Err(problem) => return Err(problem),
            }
        }
    };
    tokio::time::timeout(RUN_WITHIN, look)
        .await
        .unwrap_or_else(|_| Err(unexpected("the run did not get there within a minute")))
}

/// The folder of the demonstration: a copy of the examples. It is removed with this value.
struct Folder(PathBuf);

impl Folder {
    fn make(examples: &Path) -> Result<Self, Problem> {
        let name = format!("flowforge-demo-{}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        copy(examples, &folder.0)
            .map_err(|error| missing(&examples.display().to_string(), &error))?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            terminal::warn(format_args!("{} could not be removed: {error}", self.0.display()));
        }
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &target)?,
            false => std::fs::copy(entry.path(), target).map(drop)?,
        }
    }
    Ok(())
}

fn say(line: &str) {
    terminal::say(format_args!("\n▸ {line}\n"));
}

fn text(value: &Value, key: &str) -> Result<String, Problem> {
    let found = value.get(key).and_then(Value::as_str).map(str::to_owned);
    found.ok_or_else(|| unexpected(&format!("an answer has no `{key}`")))
}

fn unexpected(what: &str) -> Problem {
    Problem::new(codes::INTERNAL, format!("The demonstration went wrong: {what}."))
}

fn missing(what: &str, error: &std::io::Error) -> Problem {
    let detail = format!("{what} cannot be read: {error}. Run this from the project's folder.");
    Problem::new(codes::FILE_NOT_FOUND, detail)
}
