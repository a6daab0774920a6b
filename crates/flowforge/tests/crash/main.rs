//! Crashes: the process dies at every fault point, in every example, and is started again.
//!
//! A case is an example, a fault point and how often the point is reached before the process dies
//! there by SIGKILL. The workflow is started with an idempotency key; after the death a second
//! process is started on the same database and the request is sent again with the same key, as a
//! careful caller would. The end must be the one of an undisturbed run: same answer, same outputs of
//! every node, same files, same number of runs, and whatever was acknowledged is still there.
//!
//! `CRASH_CASE='invoice.yaml flush.done:4'` looks at the cases whose names begin like that.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod calls;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use db::testing::{self, TestDatabase};
use futures::FutureExt as _;
use kernel::fault::POINTS;
use kernel::{Object, Value};
use reqwest::Method;
use testkit::{Actor, Process, Reply, Start, eventually};
use tokio::sync::Semaphore;
use workflow::Document;

const PROGRAM: &str = env!("CARGO_BIN_EXE_flowforge");
const FINAL: [&str; 3] = ["succeeded", "failed", "cancelled"];

/// The first time a point is reached is where runs begin; the later ones are in their middle.
#[test]
fn every_example_survives_a_crash_at_every_fault_point() {
    walk(&|point| match point {
        "decide.recorded" | "flush.done" | "flush.sent" => &[1, 4],
        _ => &[1],
    });
}

#[test]
#[ignore = "takes many minutes: `make crash`"]
fn every_example_survives_crashes_all_along_its_way() {
    walk(&|_| &[2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20]);
}

/// Dies before its first effect, whenever it is told to.
const DEADLY: &str = "
format: 1
name: Deadly
nodes:
  - { name: Start, type: core.manual }
  - { name: Bang, type: core.write_file, parameters: { path: bang.txt, content: bang } }
connections: [ Start -> Bang ]
";

const HARMLESS: &str = "
format: 1
name: Harmless
nodes:
  - { name: Start, type: core.manual }
  - { name: Nap, type: core.wait, parameters: { duration: 1s } }
connections: [ Start -> Nap ]
";

#[tokio::test]
async fn a_run_that_kills_the_process_three_times_is_given_up_and_the_others_go_on() {
    let world = World::new().await;
    let mut process = world.process(Some("effect.before")).await;
    let owner = process.owner();
    let harmless = store(&owner, HARMLESS).await;
    let deadly = store(&owner, DEADLY).await;
    let start = |id: &str| format!("/v1/workflows/{id}/runs");
    let napping = owner.post(&start(&harmless), &Value::Object(Object::new())).await.expect(202);
    let body = Value::Object(Object::new());
    // It may die before it has answered; the run's id is in the database by then.
    let _ = Reply::try_of(owner.request(Method::POST, &start(&deadly)).json(&body)).await;
    process.ended().await;
    for death in 2..=3 {
        match world.start.clone().env("FLOWFORGE_FAULT", "effect.before").start().await {
            Ok(mut process) => {
                process.ended().await;
            }
            Err(ended) => assert!(ended.status.code().is_none(), "death {death}: {ended:?}"),
        }
    }
    let mut process = world.process(Some("effect.before")).await;
    let owner = process.owner();
    let listed = owner.get(&format!("/v1/runs?workflow={deadly}")).await.expect(200);
    let run =
        listed.json["items"][0]["run_id"].as_str().unwrap_or_else(|| panic!("{}", listed.text));
    let view = ended(&mut process, run).await.unwrap_or_else(|| panic!("it died a fourth time"));
    assert_eq!(view["status"], "failed");
    assert_eq!(view["error"]["code"], "run.poisoned", "{view}");
    assert_eq!(view["error"]["node"], "Bang");
    assert!(!world.folder.join("files/bang.txt").exists());
    let view = ended(&mut process, &napping.run_id()).await.unwrap();
    assert_eq!(view["status"], "succeeded", "{view}");
    process.kill().await;
}

const MANY: &str = "
format: 1
name: Many
nodes:
  - { name: Ask, type: core.webhook, parameters: { path: many, method: POST, respond: immediately } }
  - { name: Write, type: core.write_file, parameters: { path: '=many/{{ $json.body.n }}.txt', content: '=number {{ $json.body.n }}' } }
connections: [ Ask -> Write ]
";

/// Sends a request of its own for each number, all at once; gives the runs that were acknowledged.
async fn send_many(process: &Process, numbers: Vec<u32>) -> BTreeMap<u32, String> {
    let send = |number: u32| {
        let request = process.anon().request(Method::POST, "/hooks/default/many");
        let request = request.header("idempotency-key", number.to_string());
        let body = format!("{{\"n\": {number}}}");
        let request = request.header("content-type", "application/json").body(body);
        async move {
            let reply = Reply::try_of(request).await.ok()?;
            (200..300).contains(&reply.status).then(|| (number, reply.run_id()))
        }
    };
    futures::future::join_all(numbers.into_iter().map(send)).await.into_iter().flatten().collect()
}

#[tokio::test]
async fn of_many_runs_at_once_nothing_that_was_acknowledged_is_lost() {
    const RUNS: u32 = 200;
    for fault in ["flush.sent:3", "flush.done:5", "effect.performed:50", "run.ended:70"] {
        let world = World::new().await;
        let mut process = world.process(Some(fault)).await;
        store(&process.owner(), MANY).await;
        let acknowledged = send_many(&process, (0..RUNS).collect()).await;
        process.ended().await;
        let mut process = world.process(None).await;
        for (number, run) in &acknowledged {
            let view = ended(&mut process, run).await.unwrap();
            assert_eq!(view["status"], "succeeded", "{fault}: {view}");
            let path = world.folder.join(format!("files/many/{number}.txt"));
            assert_eq!(
                std::fs::read_to_string(path).unwrap(),
                format!("number {number}"),
                "{fault}"
            );
        }
        let again = send_many(&process, (0..RUNS).collect()).await;
        assert_eq!(again.len(), RUNS as usize, "{fault}");
        for (number, run) in &again {
            assert_eq!(acknowledged.get(number).unwrap_or(run), run, "{fault}: another run");
            ended(&mut process, run).await.unwrap();
        }
        let count = "SELECT count(*) FROM forge.history";
        let runs: i64 =
            world.database.superuser().await.query_one(count, &[]).await.unwrap().get(0);
        assert_eq!(runs, i64::from(RUNS), "{fault}");
        process.kill().await;
    }
}

/// An example, and how it is begun.
struct Example {
    file: String,
    text: String,
    /// Method and path of its webhook; without one it is started through the API.
    hook: Option<(Method, String)>,
    input: Value,
}

/// What is there when a run has ended.
#[derive(Debug, PartialEq)]
struct End {
    status: String,
    /// Answer of the webhook.
    answer: Option<(u16, String)>,
    /// State and outputs of every activation, but for the trigger's, which names the request.
    nodes: BTreeMap<String, Vec<(String, String)>>,
    files: BTreeMap<String, Vec<u8>>,
    runs: i64,
}

/// How often each point is reached before the process dies there.
type Nths<'a> = &'a dyn Fn(&str) -> &'static [u32];

fn walk(nths: Nths<'_>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let failures = tokio::task::LocalSet::new().block_on(&runtime, walk_all(nths));
    assert!(failures.is_empty(), "{} cases failed:\n{}", failures.len(), failures.join("\n"));
}

async fn walk_all(nths: Nths<'_>) -> Vec<String> {
    let at_once = std::thread::available_parallelism().map_or(2, usize::from) + 1;
    let gate = Arc::new(Semaphore::new(at_once));
    let mut cases = tokio::task::JoinSet::new();
    let wanted = std::env::var("CRASH_CASE").ok();
    for example in examples() {
        if wanted.as_ref().is_some_and(|wanted| !wanted.starts_with(&example.file)) {
            continue;
        }
        let example = Arc::new(example);
        let calm = Arc::new(undisturbed(&example).await);
        for point in run_points() {
            for nth in nths(point) {
                let (example, calm, gate) =
                    (Arc::clone(&example), Arc::clone(&calm), Arc::clone(&gate));
                let fault = format!("{point}:{nth}");
                let name = format!("{} {fault}", example.file);
                if wanted.as_ref().is_some_and(|wanted| !name.starts_with(wanted.as_str())) {
                    continue;
                }
                cases.spawn_local(async move {
                    let _place = gate.acquire().await.unwrap();
                    let case = async move { crash(&example, &fault, &calm).await };
                    (name, tokio::task::spawn_local(case).await)
                });
            }
        }
    }
    let mut failures = Vec::new();
    let mut died = BTreeSet::new();
    while let Some(case) = cases.join_next().await {
        match case.unwrap() {
            (name, Ok(true)) => {
                let point = name.rsplit(' ').next().and_then(|fault| fault.split(':').next());
                died.extend(point.map(str::to_owned));
            }
            (_, Ok(false)) => {}
            (name, Err(error)) => {
                let panic = error.into_panic();
                let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                failures.push(format!("{name}: {text}"));
            }
        }
    }
    // A point that no example reaches proves nothing.
    let all: BTreeSet<String> = run_points().map(ToString::to_string).collect();
    let idle: Vec<_> = all.difference(&died).collect();
    if !idle.is_empty() && wanted.is_none() {
        failures.push(format!("nothing died at {idle:?}"));
    }
    failures
}

/// The points that runs reach; those of calls have tests of their own.
fn run_points() -> impl Iterator<Item = &'static &'static str> {
    let of_calls = |point: &str| point.starts_with("action.") || point.starts_with("mutation.");
    POINTS.iter().filter(move |point| !of_calls(point))
}

fn examples() -> Vec<Example> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(checkout::path("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files.iter().map(|path| example(path)).collect()
}

fn example(path: &Path) -> Example {
    let file = path.file_name().unwrap().to_str().unwrap().to_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let document = Document::from_yaml(&text).unwrap();
    let hook = document.nodes.iter().find(|node| node.kind == "core.webhook").map(|node| {
        let text = |name: &str| node.parameters[name].as_str().unwrap();
        (text("method").parse().unwrap(), text("path").to_owned())
    });
    let input = match file.as_str() {
        "order-approval.yaml" => r#"{"id": 7, "country": "DE", "total": 1200}"#,
        "price-of-an-order-line.yaml" => r#"{"count": 200, "price": 0.02}"#,
        "quakes-near-airports.yaml" => r#"{"min_magnitude": 4, "radius_km": 200}"#,
        _ => "{}",
    };
    Example { file, text, hook, input: kernel::json::parse(input.as_bytes()).unwrap().value }
}

/// A database, a folder, and the processes that live on them one after the other.
struct World {
    database: TestDatabase,
    folder: PathBuf,
    start: Start,
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

impl World {
    async fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("flowforge-crash-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        let _ = std::fs::remove_dir_all(&folder);
        let database = testing::database().await;
        let start = Start::new(PROGRAM, &folder).env("DATABASE_URL", &database.url("forge_login"));
        let data = folder.join("files/data");
        std::fs::create_dir_all(&data).unwrap();
        for entry in std::fs::read_dir(checkout::path("examples/data")).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), data.join(entry.file_name())).unwrap();
        }
        Self { database, folder, start }
    }

    async fn process(&self, fault: Option<&str>) -> Process {
        let start = self.start.clone().env("FLOWFORGE_FAULT", fault.unwrap_or(""));
        match start.start().await {
            Ok(process) => process,
            Err(ended) => panic!("it did not start: {ended:?}"),
        }
    }

    /// What the run has left.
    async fn end(&self, view: &Value, answer: Option<(u16, String)>) -> End {
        let mut nodes = BTreeMap::new();
        let folder = self.folder.to_str().unwrap();
        for (name, activations) in view["nodes"].as_object().unwrap() {
            let shown = activations.as_array().unwrap().iter().map(|one| {
                let status = one["status"].as_str().unwrap().to_owned();
                let is_trigger = one["outputs"][0][0]["json"]["webhookUrl"].is_string();
                let outputs = if is_trigger { String::new() } else { one["outputs"].to_string() };
                (status, outputs.replace(folder, "FOLDER"))
            });
            nodes.insert(name.clone(), shown.collect());
        }
        let mut files = BTreeMap::new();
        if let Ok(reports) = std::fs::read_dir(self.folder.join("files/reports")) {
            for entry in reports {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                files.insert(name, std::fs::read(entry.path()).unwrap());
            }
        }
        let count =
            "SELECT (SELECT count(*) FROM forge.history) + (SELECT count(*) FROM forge.runs)";
        let runs = self.database.superuser().await.query_one(count, &[]).await.unwrap().get(0);
        let status = view["status"].as_str().unwrap().to_owned();
        End { status, answer, nodes, files, runs }
    }
}

/// Stores and publishes the workflow and the one it may call; gives its id.
async fn publish(owner: &Actor, example: &Example) -> String {
    let called = checkout::text("examples/price-of-an-order-line.yaml");
    let is_called = example.file == "price-of-an-order-line.yaml";
    let mut id = String::new();
    for text in [&called, &example.text].into_iter().skip(usize::from(is_called)) {
        id = store(owner, text).await;
    }
    id
}

/// Stores and publishes a workflow; gives its id.
async fn store(owner: &Actor, text: &str) -> String {
    let stored = owner.post_text("/v1/workflows", "application/yaml", text).await;
    assert!(stored.status < 300, "{}", stored.text);
    let id = stored.json["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/workflows/{id}/publish");
    owner.post_text(&path, "application/json", "").await.expect(200);
    id
}

/// Begins the run, with a key that makes a repetition harmless. An error: nobody knows.
async fn begin(process: &Process, id: &str, example: &Example) -> Result<Reply, reqwest::Error> {
    let request = match &example.hook {
        Some((method, path)) => {
            let path = format!("/hooks/default/{path}");
            process.anon().request(method.clone(), &path).json(&example.input)
        }
        None => {
            let body: Object = [("input".to_owned(), example.input.clone())].into_iter().collect();
            let path = format!("/v1/workflows/{id}/runs");
            process.owner().request(Method::POST, &path).json(&body)
        }
    };
    Reply::try_of(request.header("idempotency-key", "once")).await
}

/// What the example answers, where it answers.
fn answer(example: &Example, reply: &Reply) -> Option<(u16, String)> {
    example.hook.as_ref().map(|_| (reply.status, reply.text.clone()))
}

/// Waits for the end of a run; `None` when the process died first.
async fn ended(process: &mut Process, run: &str) -> Option<Value> {
    let owner = process.owner();
    let path = format!("/v1/runs/{run}");
    eventually(&format!("the end of run {run}"), async || {
        let seen = Reply::try_of(owner.request(Method::GET, &path)).await;
        match seen {
            Ok(reply) => {
                assert_eq!(reply.status, 200, "{}", reply.text);
                let status = reply.json["status"].as_str().unwrap();
                FINAL.contains(&status).then_some(Some(reply.json))
            }
            // The connection broke: the process is dying.
            Err(_) => {
                process.ended().await;
                Some(None)
            }
        }
    })
    .await
}

async fn undisturbed(example: &Example) -> End {
    let world = World::new().await;
    let mut process = world.process(None).await;
    let id = publish(&process.owner(), example).await;
    let reply = begin(&process, &id, example).await.unwrap();
    let view = ended(&mut process, &reply.run_id()).await.unwrap();
    assert_eq!(view["status"], "succeeded", "{}: {view}", example.file);
    let end = world.end(&view, answer(example, &reply)).await;
    process.kill().await;
    end
}

/// One case; whether the process died.
async fn crash(example: &Example, fault: &str, calm: &End) -> bool {
    let world = World::new().await;
    let mut process = world.process(Some(fault)).await;
    let id = publish(&process.owner(), example).await;
    let first = begin(&process, &id, example).await;
    let view = match &first {
        Ok(reply) => ended(&mut process, &reply.run_id()).await,
        Err(_) => {
            process.ended().await;
            None
        }
    };
    // A run may end just before the process does.
    let died = view.is_none() || process.has_ended();
    // One that lives on may yet come to its point.
    process.kill().await;
    let mut process = world.process(None).await;
    let again = begin(&process, &id, example).await.unwrap();
    if let Ok(first) = &first {
        assert_eq!(again.run_id(), first.run_id(), "what was acknowledged is lost: {}", again.text);
        assert_eq!(answer(example, &again), answer(example, first));
    }
    let run = again.run_id();
    let view = match AssertUnwindSafe(ended(&mut process, &run)).catch_unwind().await {
        Ok(view) => view.unwrap(),
        Err(_) => {
            let view = process.owner().get(&format!("/v1/runs/{run}")).await;
            panic!("it does not end: {:.4000}\n{}", view.text, process.log())
        }
    };
    let end = world.end(&view, answer(example, &again)).await;
    if let Some(difference) = difference(&end, calm) {
        panic!("{difference}\n{}", process.log());
    }
    process.kill().await;
    died
}

/// What differs first, in a line that can be read.
fn difference(end: &End, calm: &End) -> Option<String> {
    let simple = |end: &End| format!("{} {:?} {} runs", end.status, end.answer, end.runs);
    if simple(end) != simple(calm) {
        return Some(format!("{} instead of {}", simple(end), simple(calm)));
    }
    let names: BTreeSet<_> = end.nodes.keys().chain(calm.nodes.keys()).collect();
    let node = names.into_iter().find(|name| end.nodes.get(*name) != calm.nodes.get(*name));
    if let Some(name) = node {
        let shown = |end: &End| format!("{:.2000}", format!("{:?}", end.nodes.get(name)));
        return Some(format!("node {name}: {} instead of {}", shown(end), shown(calm)));
    }
    let names: BTreeSet<_> = end.files.keys().chain(calm.files.keys()).collect();
    let file = names.into_iter().find(|name| end.files.get(*name) != calm.files.get(*name));
    file.map(|name| format!("the file {name} differs or is missing"))
}
