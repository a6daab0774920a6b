//! A database, a catalog and a running engine whose files stand in a copy of the examples' data.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use db::Identity;
use db::testing::{self, TestDatabase};
use engine::blobs::BlobStore;
use engine::breadcrumb::Breadcrumbs;
use engine::flusher::{self, Flusher};
use engine::member::{Joining, Member};
use engine::store::Store;
use engine::{Answer, AnswerWhen, Engine, Graphs, Parts, RunView, Settings, StartRun, Threads};
use futures::future::BoxFuture;
use kernel::clock::{SystemClock, SystemDice};
use kernel::{Clock, Dice, Item, Problem, Value, VersionId, WorkspaceId};
use node::testing::InProcess;
use node::{FileAccess, Services};
use uuid::Uuid;
use workflow::service::{self, Author, Incoming, Release, Strictness};
use workflow::{Catalog, Document, Graph, Publishing};

/// Everything a run needs.
pub(crate) struct World {
    pub(crate) test: TestDatabase,
    pub(crate) folder: PathBuf,
    workspace: WorkspaceId,
    catalog: Catalog,
    publishing: Publishing,
    engine: Engine,
    threads: Option<Threads>,
    _flusher: Flusher,
    _member: Member,
}

impl World {
    pub(crate) async fn new() -> Self {
        let test = testing::database().await;
        let workspace = WorkspaceId(Uuid::from_u128(7));
        let sql = format!(
            "INSERT INTO forge.workspaces (workspace_id, slug, name) VALUES ('{workspace}', 'w', 'W')"
        );
        test.superuser().await.batch_execute(&sql).await.unwrap();
        let registry = Arc::new(nodes::registry());
        let catalog = Catalog::new(test.database.clone(), Arc::clone(&registry));
        let publishing = Publishing { registry: Arc::clone(&registry), observers: Vec::new() };
        let (member, flusher, parts, folder) = parts(&test, &catalog).await;
        let (engine, threads) = Engine::launch(parts).unwrap();
        Self {
            test,
            folder,
            workspace,
            catalog,
            publishing,
            engine,
            threads: Some(threads),
            _flusher: flusher,
            _member: member,
        }
    }

    /// Saves and publishes an example.
    pub(crate) async fn publish(&self, file: &str) -> Arc<Graph> {
        let text = checkout::text(Path::new("examples").join(file));
        let document = Document::from_yaml(&text).unwrap();
        let incoming = Incoming { document, source: None, notes: Vec::new() };
        let (workspace, publishing) = (self.workspace, &self.publishing);
        let author = Author { workspace, principal: None, clock: &SystemClock, dice: &SystemDice };
        let identity = Identity::of_workspace(workspace);
        let mut tx = self.test.database.write(identity).await.unwrap();
        let saved = service::create(&mut tx, author, publishing, &incoming, Strictness::Valid)
            .await
            .unwrap();
        let id = saved.id.to_string();
        service::publish(&mut tx, author, publishing, &id, Release::default()).await.unwrap();
        tx.commit().await.unwrap();
        self.catalog.published(workspace, &id).await.unwrap().unwrap()
    }

    /// Runs a workflow at its first trigger to its end.
    pub(crate) async fn run(&self, graph: &Arc<Graph>, input: Value) -> (Answer, RunView) {
        let is_trigger = |node: &workflow::GraphNode| node.prepared.trigger().is_some();
        let trigger = graph.nodes.iter().position(is_trigger).unwrap();
        let Value::Object(input) = input else { panic!("the input is an object") };
        let items = Arc::new(vec![Item::new(input)]);
        let new = StartRun::new(Arc::clone(graph), trigger, items);
        let start = StartRun { answer: AnswerWhen::Ended, ..new };
        let started = self.engine.start(start).unwrap();
        let answer = started.answer.await.unwrap().unwrap();
        let view = self.engine.find_run(self.workspace, answer.run).await.unwrap().unwrap();
        (answer, view)
    }

    /// What a run wrote.
    pub(crate) fn written(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.join("reports").join(file)).unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.threads.take());
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn parts(test: &TestDatabase, catalog: &Catalog) -> (Member, Flusher, Parts, PathBuf) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let dice: Arc<dyn Dice> = Arc::new(SystemDice);
    let database = test.database.clone();
    let joining = Joining {
        name: "test".to_owned(),
        address: None,
        roles: Vec::new(),
        version: "0.0.0".to_owned(),
        exclusive: true,
    };
    let member = Member::join(database.clone(), joining, Arc::clone(&clock), Arc::clone(&dice));
    let member = member.await.unwrap();
    let settings = flusher::Settings::default();
    let (own_clock, own_dice) = (Arc::clone(&clock), Arc::clone(&dice));
    let flusher =
        Flusher::start(database.clone(), member.id(), settings, own_clock, own_dice).unwrap();
    let folder = std::env::temp_dir().join(format!("flowforge-examples-{}", member.id()));
    std::fs::create_dir_all(folder.join("data")).unwrap();
    for entry in std::fs::read_dir(checkout::path("examples/data")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.join("data").join(entry.file_name())).unwrap();
    }
    let keep = Duration::from_secs(86_400);
    let services = Services {
        blobs: Arc::new(BlobStore::new(database.clone(), Arc::clone(&clock), keep)),
        clock: Arc::clone(&clock),
        dice: Arc::clone(&dice),
        files: FileAccess {
            allow: vec![folder.clone()],
            base: Some(folder.clone()),
            ..FileAccess::default()
        },
        code: Arc::new(InProcess),
        ..node::testing::services()
    };
    let (breadcrumbs, _) = Breadcrumbs::open(&folder.join("crumbs")).unwrap();
    let parts = Parts {
        member: member.clone(),
        breadcrumbs,
        settings: Settings { workers: 1, slow_threads: 1, ..Settings::default() },
        flusher: flusher.clone(),
        store: Store::new(database, member.id(), Arc::clone(&clock), Arc::clone(&dice)),
        graphs: Arc::new(FromCatalog(catalog.clone())),
        services: Arc::new(services),
        clock,
        dice,
    };
    (member, flusher, parts, folder)
}

struct FromCatalog(Catalog);

impl Graphs for FromCatalog {
    fn version(
        &self,
        workspace: WorkspaceId,
        version: VersionId,
    ) -> BoxFuture<'_, Result<Option<Arc<Graph>>, Problem>> {
        Box::pin(async move { self.0.graph(workspace, version).await.map(Some) })
    }

    fn published(
        &self,
        workspace: WorkspaceId,
        workflow: String,
    ) -> BoxFuture<'_, Result<Option<Arc<Graph>>, Problem>> {
        Box::pin(async move { self.0.published(workspace, &workflow).await })
    }
}
