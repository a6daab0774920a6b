//! The app under test: one or two members on one database.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use db::testing::{self, Proxy, TestDatabase};
use flowforge::{App, Config, System, Use};
use futures::FutureExt as _;
use kernel::{Clock as _, Value};
use tokio_postgres::Client;

use crate::actor::{Actor, Reply};
use crate::log;
use crate::wait::{eventually, eventually_within};
use crate::writes::{self, Write};

/// How long a transaction may still stand open when a test is over.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);
/// States a run does not leave.
const FINAL: [&str; 3] = ["succeeded", "failed", "cancelled"];

/// A whole member on a database of its own; see the crate.
pub struct TestApp {
    /// The database.
    pub database: TestDatabase,
    /// Between the members and the database.
    pub proxy: Proxy,
    /// Where workflows read and write files.
    pub files: PathBuf,
    folder: PathBuf,
    members: Vec<Member>,
    client: reqwest::Client,
    settings: Vec<(&'static str, String)>,
    application: App,
    code_host: Option<PathBuf>,
    errors_before: usize,
}

struct Member {
    directory: PathBuf,
    system: Option<System>,
}

/// What a test does with its app.
pub type Body<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Starts an app, runs a test's body on it, and finishes it. `program` hosts code processes.
///
/// # Panics
/// When the body does, or [`TestApp::finish`].
pub fn run(
    settings: &[(&'static str, String)],
    program: Option<&str>,
    body: impl for<'a> FnOnce(&'a mut TestApp) -> Body<'a>,
) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(async {
        let mut app = TestApp::start_with(settings, program).await;
        let done = AssertUnwindSafe(body(&mut app)).catch_unwind().await;
        match done {
            Ok(()) => app.finish().await,
            Err(panic) => {
                app.abandon().await;
                resume_unwind(panic);
            }
        }
    });
}

impl TestApp {
    /// Starts a member with these settings; `program` hosts code processes.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_with(settings: &[(&'static str, String)], program: Option<&str>) -> Self {
        Self::start_app(App::new(), settings, program).await
    }

    /// As [`TestApp::start_with`], of an application of one's own.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_app(
        application: App,
        settings: &[(&'static str, String)],
        program: Option<&str>,
    ) -> Self {
        log::start();
        let errors_before = log::mark();
        let database = testing::database().await;
        writes::watch(&database).await;
        let proxy = Proxy::start(&database).await;
        let folder = own_folder();
        let files = folder.join("files");
        std::fs::create_dir_all(&files).expect("the temporary directory can be written");
        let shown = |path: &Path| path.display().to_string();
        let mut all = vec![
            ("server.listen", "127.0.0.1:0".to_owned()),
            ("database.url", proxy.url()),
            ("database.connections_max", "8".to_owned()),
            ("files.allow", shown(&files)),
            ("files.base", shown(&files)),
            ("egress.allow", "127.0.0.1".to_owned()),
            ("engine.workers", "2".to_owned()),
            ("engine.slow_threads", "1".to_owned()),
        ];
        all.retain(|(path, _)| settings.iter().all(|(other, _)| other != path));
        all.extend_from_slice(settings);
        let mut app = Self {
            database,
            proxy,
            files,
            folder,
            members: Vec::new(),
            client: reqwest::Client::builder().no_proxy().build().expect("a client can be made"),
            settings: all,
            application,
            code_host: program.map(PathBuf::from),
            errors_before,
        };
        app.add_member().await;
        app
    }

    async fn add_member(&mut self) {
        let directory = self.folder.join(format!("member-{}", self.members.len()));
        let system = self.start_system(&directory).await;
        self.members.push(Member { directory, system: Some(system) });
    }

    async fn start_system(&self, directory: &Path) -> System {
        let mut settings = self.settings.clone();
        settings.push(("data_dir", directory.display().to_string()));
        let config = Config::of_settings(&settings).unwrap_or_else(|problem| panic!("{problem}"));
        let host = |program: &PathBuf| (program.clone(), vec!["code-host".to_owned()]);
        let code_host = self.code_host.as_ref().map(host);
        let uses = Use { private_database: false, code_host, ..Use::of(self.application.clone()) };
        let started = System::start(&config, uses).await;
        started.unwrap_or_else(|problem| panic!("the member does not start: {problem}"))
    }

    /// Changes a setting for the members started from now on.
    pub fn set(&mut self, path: &'static str, value: &str) {
        self.settings.retain(|(other, _)| *other != path);
        self.settings.push((path, value.to_owned()));
    }

    fn system(&self) -> &System {
        self.members[0].system.as_ref().expect("the first member runs between restarts")
    }

    /// Where the first member listens.
    pub fn address(&self) -> SocketAddr {
        self.system().address()
    }

    /// Ends the first member as a crash would and starts a new one on the same directory, which
    /// takes up what the first one left.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self) {
        self.crash().await;
        self.revive().await;
    }

    /// Ends the first member as a crash would.
    pub async fn crash(&mut self) {
        if let Some(system) = self.members[0].system.take() {
            system.abandon().await;
        }
    }

    /// Ends the first member as it ends when asked to: what is under way is finished first.
    pub async fn stop(&mut self) {
        if let Some(system) = self.members[0].system.take() {
            system.stop().await;
        }
    }

    /// Starts the first member again.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn revive(&mut self) {
        let system = self.start_system(&self.members[0].directory.clone()).await;
        self.members[0].system = Some(system);
    }

    /// Starts another member on the same database; its owner calls it.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn second_member(&mut self) -> Actor {
        self.add_member().await;
        self.owner_at(self.members.len() - 1)
    }

    /// Starts another member on the same database that keeps its data at the first one's path, as one
    /// on another machine may; its owner calls it. (The first one's folder is moved away under it.)
    ///
    /// # Panics
    /// When it does not start.
    pub async fn member_at_the_same_path(&mut self) -> Actor {
        let directory = self.members[0].directory.clone();
        let aside = self.folder.join("moved-away");
        std::fs::rename(&directory, &aside).expect("both lie in our own folder");
        self.members[0].directory = aside;
        let system = self.start_system(&directory).await;
        self.members.push(Member { directory, system: Some(system) });
        self.owner_at(self.members.len() - 1)
    }

    /// Moves the time of database and members forward, and lets the engines look at the clock.
    pub async fn advance(&self, by: Duration) {
        self.database.advance(by).await;
        let superuser = self.database.superuser().await;
        for system in self.members.iter().filter_map(|member| member.system.as_ref()) {
            let clock = system.clock();
            let sent = clock.monotonic();
            let row = superuser.query_one("SELECT forge.now()", &[]).await.expect("it answers");
            clock.learn(sent, row.get(0));
        }
        self.tick();
    }

    /// Lets the engines look at the clock.
    pub fn tick(&self) {
        for system in self.members.iter().filter_map(|member| member.system.as_ref()) {
            system.engine().tick();
        }
    }

    /// Runs in the first member's memory.
    pub fn live_runs(&self) -> usize {
        self.system().engine().live_runs()
    }

    /// Somebody without a key.
    pub fn anon(&self) -> Actor {
        Actor::new(self.client.clone(), self.address(), None)
    }

    /// The owner of the first workspace.
    ///
    /// # Panics
    /// When the member has left no key.
    pub fn owner(&self) -> Actor {
        self.owner_at(0)
    }

    fn owner_at(&self, index: usize) -> Actor {
        let member = &self.members[index];
        let path = member.directory.join("local-api-key");
        let key = std::fs::read_to_string(path).expect("a member leaves a key for this machine");
        let address = member.system.as_ref().expect("the member runs").address();
        Actor::new(self.client.clone(), address, Some(key.trim().to_owned()))
    }

    /// Somebody with a key that allows this.
    ///
    /// # Panics
    /// When no such key can be made.
    pub async fn api_key(&self, scopes: &[&str]) -> Actor {
        let body =
            kernel::json::parse(format!("{{\"name\":\"test\",\"scopes\":{scopes:?}}}").as_bytes())
                .expect("scopes are plain words")
                .value;
        let made = self.owner().post("/v1/api-keys", &body).await.expect(201);
        let key = made.json["key"].as_str().expect("a new key is shown").to_owned();
        Actor::new(self.client.clone(), self.address(), Some(key))
    }

    /// Stores a workflow and publishes it; gives its id.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn publish(&self, yaml: &str) -> String {
        let owner = self.owner();
        let stored = owner.post_text("/v1/workflows", "application/yaml", yaml).await;
        assert!(stored.status < 300, "{}", stored.text);
        let id = stored.json["id"].as_str().expect("a workflow has an id").to_owned();
        let path = format!("/v1/workflows/{id}/publish");
        owner.post_text(&path, "application/json", "").await.expect(200);
        id
    }

    /// Calls a hook of the first workspace.
    pub async fn hook(&self, path: &str, body: &Value) -> Reply {
        self.anon().post(&format!("/hooks/default/{path}"), body).await
    }

    /// Starts a run of a workflow with an input; gives its id.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn start(&self, workflow: &str, input: Value) -> String {
        let mut body = kernel::Object::new();
        body.insert("input".to_owned(), input);
        let path = format!("/v1/workflows/{workflow}/runs");
        self.owner().post(&path, &Value::Object(body)).await.expect(202).run_id()
    }

    /// A run as the API shows it.
    ///
    /// # Panics
    /// When there is none.
    pub async fn find_run(&self, run: &str) -> Value {
        self.owner().get(&format!("/v1/runs/{run}")).await.expect(200).json
    }

    /// Waits for the end of a run and shows it.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn wait_run(&self, run: &str) -> Value {
        self.wait_status(run, &FINAL).await
    }

    /// Waits until a run is in one of these states and shows it.
    ///
    /// # Panics
    /// When it does not come to that, or ends otherwise.
    pub async fn wait_status(&self, run: &str, states: &[&str]) -> Value {
        let owner = self.owner();
        let path = format!("/v1/runs/{run}");
        eventually(&format!("run {run} to be {states:?}"), async || {
            let reply = owner.get(&path).await;
            if reply.status != 200 {
                return None;
            }
            let status = reply.json["status"].as_str().unwrap_or_default().to_owned();
            let wanted = states.contains(&status.as_str());
            assert!(wanted || !FINAL.contains(&status.as_str()), "{}", reply.text);
            wanted.then_some(reply.json)
        })
        .await
    }

    /// Runs a workflow with an input to its end and shows it.
    ///
    /// # Panics
    /// When it is refused or does not end.
    pub async fn run(&self, workflow: &str, input: Value) -> Value {
        let run = self.start(workflow, input).await;
        self.wait_run(&run).await
    }

    /// What stands in a file that a workflow wrote.
    ///
    /// # Panics
    /// When it is not there.
    pub fn read_file(&self, path: &str) -> String {
        let path = self.files.join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Writes a file for workflows to read.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write_file(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.files.join(path);
        let folder = path.parent().expect("it lies in the folder");
        std::fs::create_dir_all(folder).expect("the folder can be made");
        std::fs::write(&path, content).expect("the file can be written");
    }

    /// A connection that sees everything.
    pub async fn sql(&self) -> Client {
        self.database.superuser().await
    }

    /// Every change to the engine's tables so far, in order.
    pub async fn writes(&self) -> Vec<Write> {
        writes::read(&self.database).await
    }

    /// An ERROR line that holds this text is part of the test.
    pub fn expect_error(&self, text: &str) {
        log::expect(text);
    }

    /// Stops the members as SIGTERM does and looks at what they left behind.
    ///
    /// # Panics
    /// On runs that have not ended, transactions left open, and unexpected ERROR lines.
    pub async fn finish(mut self) {
        self.proxy.restore();
        let superuser = self.database.superuser().await;
        let rows = superuser
            .query("SELECT id::text FROM forge.runs", &[])
            .await
            .expect("the database can be asked");
        let runs: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let idle = "SELECT query FROM pg_stat_activity \
                    WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
        eventually_within(SETTLED_WITHIN, "open transactions to end", async || {
            superuser.query(idle, &[]).await.expect("it answers").is_empty().then_some(())
        })
        .await;
        for member in &mut self.members {
            if let Some(system) = member.system.take() {
                system.stop().await;
            }
        }
        let errors = log::unexpected(self.errors_before);
        let _ = std::fs::remove_dir_all(&self.folder);
        assert!(runs.is_empty(), "runs that have not ended: {runs:?}");
        assert!(errors.is_empty(), "ERROR lines while this test ran:\n{}", errors.join("\n"));
    }

    async fn abandon(&mut self) {
        for member in &mut self.members {
            if let Some(system) = member.system.take() {
                system.abandon().await;
            }
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A folder nobody else has.
fn own_folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = format!("flowforge-app-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(folder);
    let _ = std::fs::remove_dir_all(&folder);
    folder
}
