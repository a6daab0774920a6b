//! Lives of one member on a database of its own, with workflows that a test gives it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use db::Database;
use db::testing::{self, TestDatabase};
use engine::breadcrumb::Breadcrumbs;
use engine::flusher::{self, Flusher};
use engine::maintenance::Maintenance;
use engine::member::{Joining, Member};
use engine::store::Store;
use engine::{Answer, AnswerWhen, Engine, Graphs, Parts, RunView, Settings, StartRun, Threads};
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use kernel::clock::{SystemClock, SystemDice};
use kernel::{Clock, Dice, Items, Problem, RunId, VersionId, WorkspaceId};
use node::{Blobs, Services};
use tokio::sync::oneshot;
use workflow::Graph;

use crate::nodes::WORKSPACE;

/// Everything has happened by then, or never will.
const PATIENCE: Duration = Duration::from_secs(20);

/// A database and its member.
pub(crate) struct World {
    pub(crate) db: TestDatabase,
    graphs: Arc<Known>,
    blobs: Arc<dyn Blobs>,
    clock: Arc<Hands>,
    settings: Settings,
    life: Option<Life>,
}

struct Life {
    engine: Engine,
    threads: Threads,
    flusher: Flusher,
    member: Member,
}

/// The machine's time, and what the test has put on top.
#[derive(Default)]
struct Hands(Mutex<SignedDuration>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        SystemClock.now() + *self.0.lock().unwrap()
    }
    fn monotonic(&self) -> Duration {
        SystemClock.monotonic()
    }
}

/// The workflows there are, all of them published.
#[derive(Default)]
struct Known(Mutex<HashMap<String, Arc<Graph>>>);

impl Graphs for Known {
    fn version(
        &self,
        _: WorkspaceId,
        version: VersionId,
    ) -> BoxFuture<'_, Result<Option<Arc<Graph>>, Problem>> {
        let known = self.0.lock().unwrap();
        let graph = known.values().find(|graph| graph.version == version).cloned();
        Box::pin(async move { Ok(graph) })
    }

    fn published(
        &self,
        _: WorkspaceId,
        workflow: String,
    ) -> BoxFuture<'_, Result<Option<Arc<Graph>>, Problem>> {
        let graph = self.0.lock().unwrap().get(&workflow).cloned();
        Box::pin(async move { Ok(graph) })
    }
}

impl World {
    pub(crate) async fn new(graphs: impl IntoIterator<Item = Arc<Graph>>) -> Self {
        Self::with_blobs(graphs, |_| node::testing::services().blobs).await
    }

    pub(crate) async fn with_blobs(
        graphs: impl IntoIterator<Item = Arc<Graph>>,
        blobs: impl FnOnce(&Database) -> Arc<dyn Blobs>,
    ) -> Self {
        let db = testing::database().await;
        let blobs = blobs(&db.database);
        let graphs = graphs.into_iter().map(|graph| (graph.workflow.name.clone(), graph)).collect();
        let graphs = Arc::new(Known(Mutex::new(graphs)));
        let settings = Settings { workers: 1, slow_threads: 1, ..Settings::default() };
        let mut world = Self { db, graphs, blobs, clock: Arc::default(), settings, life: None };
        world.live().await;
        world
    }

    /// The member begins anew with other settings.
    pub(crate) async fn with_settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self.die_and_recover().await;
        self
    }

    async fn live(&mut self) {
        let database: Database = self.db.database.clone();
        let clock: Arc<dyn Clock> = self.clock.clone();
        let dice: Arc<dyn Dice> = Arc::new(SystemDice);
        let joining = Joining {
            name: "here".to_owned(),
            address: None,
            roles: Vec::new(),
            version: "0.1.0".to_owned(),
            exclusive: true,
        };
        let member =
            Member::join(database.clone(), joining, Arc::clone(&clock), Arc::clone(&dice)).await;
        let member = member.unwrap();
        let settings = flusher::Settings::default();
        let (times, chances) = (Arc::clone(&clock), Arc::clone(&dice));
        let flusher =
            Flusher::start(database.clone(), member.id(), settings, times, chances).unwrap();
        let store = Store::new(database, member.id(), Arc::clone(&clock), Arc::clone(&dice));
        let services = Services {
            blobs: Arc::clone(&self.blobs),
            clock: Arc::clone(&clock),
            dice: Arc::clone(&dice),
            ..node::testing::services()
        };
        let path = std::env::temp_dir().join(format!("flowforge-engine-crumbs-{}", member.id()));
        let (breadcrumbs, _) = Breadcrumbs::open(&path).unwrap();
        // It stays mapped without its name.
        std::fs::remove_file(&path).unwrap();
        let parts = Parts {
            settings: self.settings.clone(),
            flusher: flusher.clone(),
            store,
            graphs: self.graphs.clone(),
            services: Arc::new(services),
            member: member.clone(),
            breadcrumbs,
            clock,
            dice,
        };
        let (engine, threads) = Engine::launch(parts).unwrap();
        self.life = Some(Life { engine, threads, flusher, member });
    }

    /// Maintenance as it is done when so much time has passed.
    pub(crate) async fn maintain_after(&self, span: SignedDuration) {
        let member = self.life.as_ref().expect("the member lives").member.id();
        let database = self.db.database.clone();
        let queue = queue::Queue::new(database.clone(), member, self.clock.clone());
        Maintenance::new(database, queue).tick(self.clock.now() + span).await.unwrap();
    }

    /// The process dies and another one takes its place.
    pub(crate) async fn die_and_recover(&mut self) {
        self.die().await;
        self.live_again().await;
    }

    pub(crate) async fn live_again(&mut self) {
        self.live().await;
        self.engine().recover(&[]).await.unwrap();
    }

    /// The process dies.
    pub(crate) async fn die(&mut self) {
        let Some(life) = self.life.take() else { return };
        life.member.halt().await;
        let end = move || {
            life.threads.stop();
            life.flusher.close(Duration::ZERO);
        };
        tokio::task::spawn_blocking(end).await.unwrap();
    }

    /// The threads are dropped where the test runs; what else there is of the member stays.
    pub(crate) fn drop_threads(mut self) {
        let Life { threads, flusher, .. } = self.life.take().expect("the member lives");
        drop(threads);
        flusher.close(Duration::ZERO);
    }

    /// To be called at the end: the threads are waited for.
    pub(crate) async fn end(mut self) {
        self.die().await;
    }

    /// The workflow is not to be called any more; runs of its version go on.
    pub(crate) fn unpublish(&self, workflow: &str) {
        let mut known = self.graphs.0.lock().unwrap();
        let graph = known.remove(workflow).expect("it is there");
        known.insert(format!("{workflow}, unpublished"), graph);
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.life.as_ref().expect("the member lives").engine
    }

    /// Time goes on by so much.
    pub(crate) fn advance(&self, by: SignedDuration) {
        *self.clock.0.lock().unwrap() += by;
        self.engine().tick();
    }

    /// Time goes on by so much for the database, too: what is parked comes to be due.
    pub(crate) async fn sleep(&self, by: SignedDuration) {
        self.db.advance(by.unsigned_abs()).await;
        self.advance(by);
    }

    pub(crate) fn start(
        &self,
        workflow: &str,
        items: Items,
        answer: AnswerWhen,
    ) -> (RunId, oneshot::Receiver<Result<Answer, Problem>>) {
        self.start_keyed(workflow, items, answer, None)
    }

    pub(crate) fn start_keyed(
        &self,
        workflow: &str,
        items: Items,
        answer: AnswerWhen,
        key: Option<&str>,
    ) -> (RunId, oneshot::Receiver<Result<Answer, Problem>>) {
        let started = self.engine().start(self.start_of(workflow, items, answer, key)).unwrap();
        (started.run, started.answer)
    }

    /// Why a run is not let in.
    pub(crate) fn refused(&self, workflow: &str, items: Items) -> Problem {
        let start = self.start_of(workflow, items, AnswerWhen::Ended, None);
        self.engine().start(start).err().expect("it is not let in")
    }

    fn start_of(
        &self,
        workflow: &str,
        items: Items,
        answer: AnswerWhen,
        key: Option<&str>,
    ) -> StartRun {
        let graph = Arc::clone(&self.graphs.0.lock().unwrap()[workflow]);
        let key = key.map(str::to_owned);
        StartRun { key, answer, ..StartRun::new(graph, 0, items) }
    }

    /// The run once it looks like this.
    pub(crate) async fn until(&self, run: RunId, so: impl Fn(&RunView) -> bool) -> RunView {
        let wait = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            loop {
                ticks.tick().await;
                let view = self.engine().find_run(WORKSPACE, run).await.unwrap();
                if let Some(view) = view.filter(|view| so(view)) {
                    return view;
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the run comes that far")
    }

    /// Waits until nothing is left in the engine's memory.
    pub(crate) async fn until_empty(&self) {
        let wait = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            while self.engine().live_runs() + self.engine().timers() > 0 {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("nothing is left");
    }

    pub(crate) async fn number(&self, query: &str) -> i64 {
        self.db.superuser().await.query_one(query, &[]).await.unwrap().get(0)
    }

    /// Waits until a query for one number gives this one.
    pub(crate) async fn until_number(&self, query: &str, number: i64) {
        let client = self.db.superuser().await;
        let wait = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            while client.query_one(query, &[]).await.unwrap().get::<_, i64>(0) != number {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {query}"));
    }
}

/// The answer, in time.
pub(crate) async fn told(answer: oneshot::Receiver<Result<Answer, Problem>>) -> Answer {
    let answer = tokio::time::timeout(PATIENCE, answer).await.expect("an answer comes");
    answer.expect("the engine lives").expect("it is an answer")
}
