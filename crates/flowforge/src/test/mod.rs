//! `flowforge test`: workflow tests written as files, run on a server and a database of their own that
//! are gone afterwards.
//!
//! Workflows see a copy of the folder as `[files] base`, so nothing they write stays behind. A
//! configured database is never touched.

mod difference;
mod file;
mod judge;
mod report;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use kernel::clock::SystemClock;
use kernel::{Clock as _, Problem, Value, VersionId, WorkflowId, WorkspaceId, codes};
use node::Registry;
use serde_json::json;
use uuid::Uuid;
use workflow::{Document, Graph, MediaType};

use crate::cli::Test;
use crate::client::Client;
use crate::config::Config;
use crate::run::to_its_end;
use crate::system::{System, Use};
use crate::{keys, terminal};
use file::{Case, TestFile};
use report::{FileReport, TestReport};

pub(crate) use file::schema;

/// Bytes of a folder that is copied for its tests.
const COPY_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Runs every test below a folder; success only when all passed and there was one.
///
/// # Errors
/// What keeps the server from starting or the folder from being read; a test that fails is none.
pub(crate) async fn test(
    mut config: Config,
    uses: Use,
    command: &Test,
) -> Result<ExitCode, Problem> {
    let began = SystemClock.monotonic();
    let place = std::fs::canonicalize(&command.folder)
        .map_err(|error| unreadable(&command.folder, &error))?;
    let files = file::find(&place)?;
    if files.is_empty() {
        let detail = format!(
            "There is no file *.test.yaml in {}; docs/guide/testing.md says how to write one.",
            command.folder.display()
        );
        return Err(Problem::new(codes::FILE_NOT_FOUND, detail));
    }
    let root = if place.is_dir() { place } else { files[0].parent().unwrap_or(&place).to_owned() };
    let bench = Bench::set_up(&root)?;
    config.data_dir = bench.0.join("data");
    config.database.url = None;
    config.database.direct_url = None;
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.files.allow = vec![bench.files()];
    config.files.base = Some(bench.files());
    let registry = Arc::clone(&uses.registry);
    let system = System::start(&config, Use { private_database: true, ..uses }).await?;
    let client = Client::new(&system.address().to_string(), keys::find(&config.data_dir));
    let reports = match client {
        Ok(client) => {
            let published = HashSet::new();
            let mut runner = Runner { client, root, base: bench.files(), registry, published };
            Ok(runner.all(&files).await)
        }
        Err(problem) => Err(problem),
    };
    system.stop().await;
    let reports = reports?;
    if let Some(path) = &command.junit {
        let xml = report::junit(&reports, SystemClock.monotonic() - began);
        std::fs::write(path, xml).map_err(|error| unreadable(path, &error))?;
    }
    match command.json {
        true => terminal::say(report::json(&reports)),
        false => terminal::put(&report::text(&reports, SystemClock.monotonic() - began)),
    }
    match report::counts(&reports) {
        (_, 0) => Ok(ExitCode::SUCCESS),
        _ => Ok(ExitCode::FAILURE),
    }
}

/// Runs tests against a server.
struct Runner {
    client: Client,
    /// The folder that was given.
    root: PathBuf,
    /// The copy of it that workflows see.
    base: PathBuf,
    registry: Arc<Registry>,
    /// Workflows that are published already.
    published: HashSet<PathBuf>,
}

impl Runner {
    async fn all(&mut self, files: &[PathBuf]) -> Vec<FileReport> {
        let mut reports = Vec::with_capacity(files.len());
        for path in files {
            let shown = path.strip_prefix(&self.root).unwrap_or(path).display().to_string();
            let mut report = FileReport { file: shown, error: None, tests: Vec::new() };
            if let Err(problem) = self.file(path, &mut report.tests).await {
                report.error = Some(told(&problem));
            }
            reports.push(report);
        }
        reports
    }

    async fn file(&mut self, path: &Path, reports: &mut Vec<TestReport>) -> Result<(), Problem> {
        let TestFile { workflow, publish, tests, .. } = file::read(path)?;
        let folder = path.parent().unwrap_or(path);
        for other in &publish {
            self.publish(&folder.join(other)).await?;
        }
        let document = read_document(&folder.join(&workflow))?;
        let nil = Uuid::nil();
        let ids = (WorkspaceId(nil), WorkflowId(nil), VersionId(nil));
        let graph = Graph::build(ids.0, ids.1, ids.2, &document, &self.registry)?;
        for case in &tests {
            let began = SystemClock.monotonic();
            let mut report = TestReport {
                name: case.name.clone(),
                duration_ms: 0.0,
                run_id: None,
                faults: Vec::new(),
            };
            if let Err(problem) = self.case(case, &document, &graph, &mut report).await {
                report.faults.push(told(&problem));
            }
            report.duration_ms = (SystemClock.monotonic() - began).as_secs_f64() * 1_000.0;
            reports.push(report);
        }
        Ok(())
    }

    /// Lets other workflows call this one.
    async fn publish(&mut self, path: &Path) -> Result<(), Problem> {
        let path = std::fs::canonicalize(path).map_err(|error| unreadable(path, &error))?;
        if self.published.contains(&path) {
            return Ok(());
        }
        let document = read_document(&path)?.to_value();
        let saved = self.client.post("/v1/workflows", &document).await?;
        let id = saved["id"].as_str().unwrap_or_default();
        self.client.post(&format!("/v1/workflows/{id}/publish"), &json!({})).await?;
        // Not before: the next file that names it shall try again and say the same.
        self.published.insert(path);
        Ok(())
    }

    async fn case(
        &self,
        case: &Case,
        document: &Document,
        graph: &Graph,
        report: &mut TestReport,
    ) -> Result<(), Problem> {
        let mut document = document.clone();
        for (name, values) in &case.pinned {
            document.pinned.insert(name.clone(), judge::items(values)?);
        }
        let mut request = json!({
            "document": document.to_json(),
            "media_type": MediaType::Json.name(),
            "pins": !case.pinned.is_empty(),
        });
        if let Some(trigger) = &case.trigger {
            request["trigger"] = trigger.as_str().into();
        }
        if let Some(input) = &case.input {
            request["input"] = input.clone();
        }
        let ended = tokio::time::timeout(case.timeout(), to_its_end(&self.client, &request)).await;
        let Ok(run) = ended else {
            let took = case.timeout().as_secs_f64();
            report.faults.push(format!("the run did not end within {took} s\n"));
            return Ok(());
        };
        let run = run?;
        report.run_id = run["run_id"].as_str().map(str::to_owned);
        report.faults = judge::faults(&case.expect, &run, graph, &self.base);
        for expression in &case.assert {
            if let Some(fault) = self.assertion(&run["run_id"], expression).await? {
                report.faults.push(fault);
            }
        }
        Ok(())
    }

    /// Why an assertion does not hold.
    async fn assertion(&self, run: &Value, expression: &str) -> Result<Option<String>, Problem> {
        let body = json!({ "run_id": run, "expression": expression });
        let told = self.client.post("/v1/expressions/evaluate", &body).await?;
        if told["value"] == true {
            return Ok(None);
        }
        let got = match told["error"]["detail"].as_str() {
            Some(detail) => detail.to_owned(),
            None => format!("it gave {}", told["value"]),
        };
        Ok(Some(format!("assert {expression}\n  {got}\n")))
    }
}

/// A folder of its own, gone when this is: a copy of the tests' folder and the server's data.
struct Bench(PathBuf);

impl Bench {
    fn set_up(root: &Path) -> Result<Self, Problem> {
        let moment = SystemClock.now().as_nanosecond();
        let name = format!("flowforge-test-{}-{moment}", std::process::id());
        let bench = Self(std::env::temp_dir().join(name));
        let mut left = COPY_BYTES_MAX;
        copy(root, &bench.files(), &mut left)?;
        Ok(bench)
    }

    fn files(&self) -> PathBuf {
        self.0.join("files")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Copies files and folders; hidden ones and links are left out.
fn copy(from: &Path, to: &Path, left: &mut u64) -> Result<(), Problem> {
    std::fs::create_dir_all(to).map_err(|error| unreadable(to, &error))?;
    for entry in std::fs::read_dir(from).map_err(|error| unreadable(from, &error))? {
        let entry = entry.map_err(|error| unreadable(from, &error))?;
        let kind = entry.file_type().map_err(|error| unreadable(from, &error))?;
        let (name, path) = (entry.file_name(), entry.path());
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            copy(&path, &to.join(name), left)?;
        } else if kind.is_file() {
            let bytes = entry.metadata().map_err(|error| unreadable(&path, &error))?.len();
            *left = left.checked_sub(bytes).ok_or_else(|| {
                let detail = format!(
                    "The folder has more than {} MiB; give one with tests and their data only.",
                    COPY_BYTES_MAX >> 20
                );
                Problem::new(codes::FILE_INVALID, detail)
            })?;
            std::fs::copy(&path, to.join(name)).map_err(|error| unreadable(&path, &error))?;
        }
    }
    Ok(())
}

fn read_document(path: &Path) -> Result<Document, Problem> {
    let media_type = MediaType::of_file_name(&path.to_string_lossy());
    let read = Document::read_bytes(read_text(path)?.as_bytes(), media_type);
    read.map(|(document, _, _)| document).map_err(|mut problem| {
        problem.detail = format!("{}: {}", path.display(), problem.detail);
        problem
    })
}

pub(crate) fn read_text(path: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    let code = match error.kind() {
        std::io::ErrorKind::NotFound => codes::FILE_NOT_FOUND,
        _ => codes::FILE_UNAVAILABLE,
    };
    Problem::new(code, format!("{}: {error}.", path.display()))
}

/// A problem with its places, for people.
fn told(problem: &Problem) -> String {
    let mut text = format!("{} ({})\n", problem.detail, problem.code);
    for place in problem.errors.iter().filter(|place| !problem.detail.contains(&place.detail)) {
        text.push_str(&format!("  {}: {}\n", place.pointer, place.detail));
    }
    text
}
