//! An engine on the test's database, whose nodes reach nothing outside and run no code.

use std::sync::Arc;
use std::time::Duration;

use db::Database;
use engine::blobs::BlobStore;
use engine::breadcrumb::Breadcrumbs;
use engine::flusher::{self, Flusher};
use engine::member::{Joining, Member};
use engine::store::Store;
use engine::{Engine, Graphs, Parts, Settings, Threads};
use futures::future::BoxFuture;
use kernel::clock::{SystemClock, SystemDice};
use kernel::{Clock, Dice, Problem, VersionId, WorkspaceId};
use node::{Blobs, Services};
use workflow::{Catalog, Graph};

/// Keeps the engine's threads alive.
pub(crate) struct Running {
    blobs: Arc<dyn Blobs>,
    threads: Option<Threads>,
    _flusher: Flusher,
    _member: Member,
}

impl Drop for Running {
    /// The threads are waited for, which must not happen on a thread of the test's runtime.
    fn drop(&mut self) {
        let threads = self.threads.take();
        std::thread::spawn(move || drop(threads)).join().unwrap();
    }
}

impl Running {
    pub(crate) fn blobs(&self) -> Arc<dyn Blobs> {
        Arc::clone(&self.blobs)
    }
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

/// Starts an engine.
pub(crate) async fn start(database: &Database, catalog: &Catalog) -> (Engine, Running) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let dice: Arc<dyn Dice> = Arc::new(SystemDice);
    let joining = Joining {
        name: "test".to_owned(),
        address: None,
        roles: Vec::new(),
        version: "0.0.0".to_owned(),
        exclusive: true,
    };
    let member =
        Member::join(database.clone(), joining, Arc::clone(&clock), Arc::clone(&dice)).await;
    let member = member.unwrap();
    let flusher = Flusher::start(
        database.clone(),
        member.id(),
        flusher::Settings::default(),
        Arc::clone(&clock),
        Arc::clone(&dice),
    );
    let flusher = flusher.unwrap();
    let store = Store::new(database.clone(), member.id(), Arc::clone(&clock), Arc::clone(&dice));
    let keep = Duration::from_secs(86_400);
    let blobs: Arc<dyn Blobs> = Arc::new(BlobStore::new(database.clone(), clock.clone(), keep));
    let services = Services {
        blobs: Arc::clone(&blobs),
        clock: Arc::clone(&clock),
        dice: Arc::clone(&dice),
        ..node::testing::services()
    };
    let path = std::env::temp_dir().join(format!("flowforge-gateway-crumbs-{}", member.id()));
    let (breadcrumbs, _) = Breadcrumbs::open(&path).unwrap();
    // It stays mapped without its name.
    std::fs::remove_file(&path).unwrap();
    let parts = Parts {
        member: member.clone(),
        breadcrumbs,
        settings: Settings { workers: 1, slow_threads: 1, ..Settings::default() },
        flusher: flusher.clone(),
        store,
        graphs: Arc::new(FromCatalog(catalog.clone())),
        services: Arc::new(services),
        clock,
        dice,
    };
    let (engine, threads) = Engine::launch(parts).unwrap();
    (engine, Running { blobs, threads: Some(threads), _flusher: flusher, _member: member })
}
