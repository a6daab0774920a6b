//! `flowforge bench`: what a workload costs, beside what raw PostgreSQL costs in the same run.
//!
//! The server runs in this process, as `up` would start it, on a database of its own in a temporary
//! folder (or on the configured one). The load comes from a process of its own. Counters are read
//! when the warm-up ends and when the load ends, so that both sides of a ratio saw the same machine.

mod api;
pub(crate) mod load;
mod meter;
mod queue;
mod report;
mod step;
mod store;
mod workload;

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use kernel::clock::SystemClock;
use kernel::{Problem, Value, codes, json};
use node::Registry;
use reqwest::Method;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;

use crate::cli::{Bench, Class, Workload};
use crate::client::Client;
use crate::config::Config;
use crate::system::{System, Use};
use crate::{keys, terminal};
use load::{BEGUN, Load, Seen};
use report::Report;
use workload::Called;

/// Measures and prints.
///
/// # Errors
/// Whatever keeps the server from starting or the load from being sent.
pub(crate) async fn bench(mut config: Config, command: &Bench) -> Result<(), Problem> {
    let folder = Folder::new();
    config.data_dir = folder.0.clone();
    config.server.listen = ([127, 0, 0, 1], 0).into();
    let types = nodes::NODES.iter().copied().chain([step::NODE]);
    let uses = Use { registry: Arc::new(Registry::new(types)), ..Use::everything() };
    let system = System::start(&config, uses).await?;
    let measured = measure(&config, &system, command).await;
    system.stop().await;
    let report = measured?;
    match command.json {
        true => terminal::say(report.to_json()),
        false => terminal::put(&report.to_text()),
    }
    Ok(())
}

async fn measure(config: &Config, system: &System, command: &Bench) -> Result<Report, Problem> {
    let raw = store::raw(system.database(), &SystemClock).await?;
    let concurrency = command.concurrency.unwrap_or(default_concurrency(command.workload));
    let seconds = command.seconds.max(1);
    let mut overhead = None;
    let called = Called::of(command.workload, Class::of_steps(command.class));
    let (seen, spent, units) = match called {
        _ if command.workload == Workload::Api => {
            let class = Class::of_api(command.class);
            let load = api::prepare(config, system, class, concurrency, seconds).await?;
            overhead = Some(api::overhead(config, system).await?);
            let (seen, spent) = send(system, &load).await?;
            (seen, spent, 1)
        }
        Some(called) => {
            publish(config, system, &called).await?;
            let load = Load {
                address: system.address(),
                method: "POST".to_owned(),
                path: format!("/hooks/default/{}", called.path),
                body: called.body.to_owned(),
                connections: concurrency,
                measure_ms: seconds * 1000,
                warm_up_ms: seconds * 200,
                every_ms: 0,
                key: None,
            };
            let (seen, spent) = send(system, &load).await?;
            (seen, spent, called.units)
        }
        None => {
            let before = Spent::now(system).await?;
            let seen = queue::drive(system, seconds, concurrency).await?;
            (seen, Spent::now(system).await?.since(before), 1)
        }
    };
    if let Some(error) = &seen.first_error {
        terminal::warn(format_args!("the first error: {error}"));
    }
    Ok(Report {
        workload: name(command.workload),
        rate: (seen.answered * units) as f64 / seen.seconds,
        p50_ms: seen.p50_ms,
        p99_ms: seen.p99_ms,
        errors: seen.errors,
        concurrency,
        seconds: seen.seconds,
        cpu_program_s: spent.program_s,
        cpu_postgres_s: spent.postgres_s,
        commits: spent.commits,
        wal_bytes: spent.wal_bytes,
        rss_mb: meter::resident_mib(),
        c1_ms: raw.c1_ms,
        a100_rows_per_s: raw.a100_rows_per_s,
        p95_ms: overhead.as_ref().map(|_| seen.p95_ms),
        authenticate_us: overhead.as_ref().map(|overhead| overhead.authenticate_us),
        call_us: overhead.as_ref().map(|overhead| overhead.call_us),
    })
}

/// What a workload is judged by.
fn default_concurrency(workload: Workload) -> usize {
    match workload {
        Workload::Webhook | Workload::Start | Workload::Api => 32,
        Workload::Steps => 128,
        Workload::Fanout => 1,
        Workload::Queue => 4,
    }
}

fn name(workload: Workload) -> &'static str {
    match workload {
        Workload::Webhook => "webhook",
        Workload::Steps => "steps",
        Workload::Fanout => "fanout",
        Workload::Start => "start",
        Workload::Queue => "queue",
        Workload::Api => "api",
    }
}

async fn publish(config: &Config, system: &System, called: &Called) -> Result<(), Problem> {
    let client = Client::new(&system.address().to_string(), keys::find(&config.data_dir))?;
    let body = Some(("application/yaml", called.document.clone().into_bytes()));
    let saved = client.call(Method::POST, "/v1/workflows", body).await?.value()?;
    let id = saved.get("id").and_then(Value::as_str).unwrap_or_default();
    client.post(&format!("/v1/workflows/{id}/publish"), &Value::Null).await?;
    Ok(())
}

/// Sends the load from a process of its own and measures from the end of its warm-up on.
async fn send(system: &System, load: &Load) -> Result<(Seen, Spent), Problem> {
    let program = std::env::current_exe().map_err(|error| load_failed(&error))?;
    let mut child = Command::new(program)
        .arg("bench-load")
        .args(load.arguments())
        .envs(load.environment())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| load_failed(&error))?;
    let output = child.stdout.take().ok_or_else(Problem::internal)?;
    let mut output = BufReader::new(output);
    let mut line = String::new();
    output.read_line(&mut line).await.map_err(|error| load_failed(&error))?;
    if line.trim() != BEGUN {
        return Err(load_failed(&"it did not begin"));
    }
    let before = Spent::now(system).await?;
    let mut rest = Vec::new();
    output.read_to_end(&mut rest).await.map_err(|error| load_failed(&error))?;
    let spent = Spent::now(system).await?.since(before);
    let parsed = json::parse(&rest).map_err(|error| load_failed(&error))?;
    let seen = json::from_value(parsed.value).map_err(|error| load_failed(&error))?;
    Ok((seen, spent))
}

fn load_failed(cause: &dyn std::fmt::Display) -> Problem {
    Problem::new(codes::INTERNAL, format!("The load could not be sent: {cause}."))
}

/// What had been spent at a moment, or between two.
#[derive(Debug, Clone, Copy)]
struct Spent {
    program_s: f64,
    postgres_s: Option<f64>,
    commits: i64,
    wal_bytes: i64,
}

impl Spent {
    async fn now(system: &System) -> Result<Self, Problem> {
        let counters = store::counters(system.database()).await?;
        Ok(Self {
            program_s: meter::own_cpu_s(),
            postgres_s: system.postgres_pid().and_then(meter::tree_cpu_s),
            commits: counters.commits,
            wal_bytes: counters.wal_bytes,
        })
    }

    fn since(self, before: Self) -> Self {
        Self {
            program_s: self.program_s - before.program_s,
            postgres_s: self.postgres_s.zip(before.postgres_s).map(|(now, then)| now - then),
            commits: self.commits - before.commits,
            wal_bytes: self.wal_bytes - before.wal_bytes,
        }
    }
}

/// A folder that is removed with this value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("flowforge-bench-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            terminal::warn(format_args!("{} could not be removed: {error}", self.0.display()));
        }
    }
}

/// Sends the load in this process: the hidden command that [`bench`] starts.
pub(crate) async fn send_load(load: &Load) {
    let seen = load.send(|| terminal::say(BEGUN)).await;
    terminal::say(serde_json::to_string(&seen).expect("numbers and texts have a form in JSON"));
}
