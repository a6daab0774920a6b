//! Drafts, revisions, versions: on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::sync::{Arc, Mutex};

use db::testing::{self, TestDatabase};
use db::{Identity, Tx};
use futures::future::BoxFuture;
use kernel::clock::{SeededDice, SystemClock};
use kernel::{PrincipalId, Problem, VersionId, WorkspaceId, codes};
use uuid::Uuid;
use workflow::service::{self, Author, Incoming, Release, Strictness};
use workflow::{Catalog, Document, MediaType, PublishObserver, Publishing, Saved, Source, Stored};

const YAML: &str = "format: 1  # my first\nname: First\nnodes:\n  - { name: A, type: core.webhook, \
                    parameters: { path: in, method: POST } }\n";

struct World {
    test: TestDatabase,
    workspace: WorkspaceId,
    dice: SeededDice,
    publishing: Publishing,
}

impl World {
    async fn new() -> Self {
        let test = testing::database().await;
        let workspace = WorkspaceId(Uuid::from_u128(7));
        for (id, slug) in [(7, "seven"), (8, "eight")] {
            let sql = format!(
                "INSERT INTO forge.workspaces (workspace_id, slug, name) VALUES ('{}', '{slug}', 'W')",
                Uuid::from_u128(id)
            );
            test.superuser().await.batch_execute(&sql).await.unwrap();
        }
        let publishing = Publishing { registry: Arc::new(nodes::registry()), observers: vec![] };
        Self { test, workspace, dice: SeededDice::new(1), publishing }
    }

    fn author(&self) -> Author<'_> {
        let principal = Some(PrincipalId(Uuid::from_u128(1)));
        Author { workspace: self.workspace, principal, clock: &SystemClock, dice: &self.dice }
    }

    async fn tx(&self) -> Tx {
        self.test.database.write(Identity::of_workspace(self.workspace)).await.unwrap()
    }

    async fn create(&self, yaml: &str) -> Result<Saved, Problem> {
        let mut tx = self.tx().await;
        let saved = service::create(
            &mut tx,
            self.author(),
            &self.publishing,
            &incoming(yaml),
            Strictness::Valid,
        )
        .await?;
        tx.commit().await?;
        Ok(saved)
    }

    async fn update(&self, revision: Option<i64>, yaml: &str) -> Result<Saved, Problem> {
        let mut tx = self.tx().await;
        let (author, strictness) = (self.author(), Strictness::Valid);
        let (publishing, incoming) = (&self.publishing, incoming(yaml));
        let saved =
            service::update(&mut tx, author, publishing, "First", revision, &incoming, strictness)
                .await?;
        tx.commit().await?;
        Ok(saved)
    }

    async fn publish(&self, revision: Option<i64>) -> Result<workflow::PublishedView, Problem> {
        let release = Release { revision, ..Release::default() };
        let mut tx = self.tx().await;
        let published =
            service::publish(&mut tx, self.author(), &self.publishing, "First", release).await?;
        tx.commit().await?;
        Ok(published)
    }

    fn catalog(&self) -> Catalog {
        Catalog::new(self.test.database.clone(), Arc::clone(&self.publishing.registry))
    }
}

fn incoming(yaml: &str) -> Incoming {
    let source = Source { media_type: MediaType::Yaml, text: yaml.to_owned() };
    let (document, notes) = Document::read(&source).unwrap();
    Incoming { document, source: Some(source), notes }
}

#[tokio::test]
async fn every_statement_fits_the_schema() {
    let test = testing::database().await;
    db::prepare_all(&test.database, workflow::STATEMENTS).await.unwrap();
}

#[tokio::test]
async fn a_stale_save_is_refused_and_names_the_current_revision() {
    let world = World::new().await;
    assert_eq!(world.create(YAML).await.unwrap().revision, 1);
    assert_eq!(world.update(Some(1), YAML).await.unwrap().revision, 2);
    let problem = world.update(Some(1), YAML).await.unwrap_err();
    assert_eq!(problem.code, codes::REQUEST_CONFLICT);
    assert!(problem.detail.contains("revision 2"), "{}", problem.detail);
    assert_eq!(world.update(None, YAML).await.unwrap().revision, 3);
    assert_eq!(world.publish(Some(2)).await.unwrap_err().code, codes::REQUEST_CONFLICT);
}

#[tokio::test]
async fn a_name_belongs_to_one_workflow_of_a_workspace() {
    let mut world = World::new().await;
    world.create(YAML).await.unwrap();
    let problem = world.create(YAML).await.unwrap_err();
    assert_eq!(problem.code, codes::WORKFLOW_NAME_TAKEN);
    assert_eq!(problem.errors[0].pointer, "/name");
    world.workspace = WorkspaceId(Uuid::from_u128(8));
    world.create(YAML).await.unwrap();
}

#[tokio::test]
async fn a_neighbour_sees_neither_workflow_nor_version() {
    let mut world = World::new().await;
    world.create(YAML).await.unwrap();
    let version = world.publish(None).await.unwrap().version;
    world.workspace = WorkspaceId(Uuid::from_u128(8));
    assert_eq!(world.publish(None).await.unwrap_err().code, codes::WORKFLOW_NOT_FOUND);
    let graph = world.catalog().graph(world.workspace, version).await;
    assert_eq!(graph.err().unwrap().code, codes::WORKFLOW_NOT_FOUND);
    assert!(world.catalog().published(world.workspace, "First").await.unwrap().is_none());
}

#[tokio::test]
async fn publishing_makes_a_version_that_later_saves_do_not_change() {
    let world = World::new().await;
    let saved = world.create(YAML).await.unwrap();
    let catalog = world.catalog();
    assert!(catalog.published(world.workspace, "First").await.unwrap().is_none());
    let first = world.publish(Some(1)).await.unwrap();
    assert_eq!((first.number, first.hooks[0].path.as_str()), (1, "in"));
    let graph = catalog.published(world.workspace, "First").await.unwrap().unwrap();
    assert_eq!((graph.version, graph.workflow.id), (first.version, saved.id));

    world.update(None, &YAML.replace("name: A", "name: Renamed")).await.unwrap();
    let same = catalog.published(world.workspace, &saved.id.to_string()).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&graph, &same), "the same graph is shared");
    let second = world.publish(None).await.unwrap();
    assert_eq!(second.number, 2);
    let fresh = world.catalog();
    let old = fresh.graph(world.workspace, first.version).await.unwrap();
    assert_eq!(&*old.nodes[0].name, "A");
    assert_eq!(
        &*fresh.graph(world.workspace, second.version).await.unwrap().nodes[0].name,
        "Renamed"
    );
}

#[tokio::test]
async fn publishing_the_same_content_again_gives_the_same_version() {
    let world = World::new().await;
    world.create(YAML).await.unwrap();
    let first = world.publish(None).await.unwrap();
    world.update(None, YAML).await.unwrap();
    assert_eq!(world.publish(None).await.unwrap().version, first.version);
}

#[tokio::test]
async fn a_version_cannot_be_changed_by_the_application() {
    let world = World::new().await;
    world.create(YAML).await.unwrap();
    world.publish(None).await.unwrap();
    const CHANGE: db::Statement = db::sql!(
        "test.change",
        writes(workflow_versions),
        (),
        "UPDATE forge.workflow_versions SET number = 9"
    );
    let refused = world.tx().await.execute(&CHANGE, &[]).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn a_workflow_without_a_trigger_can_be_saved_but_not_published() {
    let world = World::new().await;
    let saved = world.create("format: 1\nname: First\nnodes: []\n").await.unwrap();
    assert_eq!(saved.warnings[0].code, "workflow.no_trigger");
    assert_eq!(world.publish(None).await.unwrap_err().code, codes::WORKFLOW_NO_TRIGGER);
}

#[tokio::test]
async fn an_incomplete_draft_is_saved_only_when_asked_for() {
    let world = World::new().await;
    let yaml = "format: 1\nname: First\nnodes:\n  - { name: A, type: core.nothing }\n";
    let problem = world.create(yaml).await.unwrap_err();
    assert_eq!(problem.code, codes::WORKFLOW_UNKNOWN_TYPE);
    assert!(problem.errors[0].detail.contains("line 4, column"), "{problem:?}");
    let mut tx = world.tx().await;
    let saved = service::create(
        &mut tx,
        world.author(),
        &world.publishing,
        &incoming(yaml),
        Strictness::Draft,
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(saved.problem.unwrap().code, "workflow.unknown_type");
    assert_eq!(world.publish(None).await.unwrap_err().code, codes::WORKFLOW_UNKNOWN_TYPE);
}

#[tokio::test]
async fn a_file_that_runs_again_is_the_same_version_and_is_never_called_by_name() {
    let world = World::new().await;
    let mut versions = Vec::new();
    for _ in 0..2 {
        let mut tx = world.tx().await;
        let registry = &world.publishing.registry;
        let version =
            service::store_file(&mut tx, world.author(), registry, &incoming(YAML)).await.unwrap();
        tx.commit().await.unwrap();
        versions.push(version.id);
    }
    assert_eq!(versions[0], versions[1]);
    assert!(world.catalog().published(world.workspace, "First").await.unwrap().is_none());
    world.create(YAML).await.expect("the name is free for people");
    world.catalog().graph(world.workspace, versions[0]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_file_started_many_times_at_once_is_one_version() {
    let world = World::new().await;
    let identity = Identity::of_workspace(world.workspace);
    let start = || {
        world.test.database.transact(identity, |mut tx| async {
            let registry = &world.publishing.registry;
            let version =
                service::store_file(&mut tx, world.author(), registry, &incoming(YAML)).await?;
            tx.commit().await?;
            Ok::<_, Problem>(version.id)
        })
    };
    let versions = futures::future::join_all((0..4).map(|_| start())).await;
    let versions: Vec<_> = versions.into_iter().map(Result::unwrap).collect();
    assert!(versions.iter().all(|version| *version == versions[0]), "{versions:?}");
}

#[tokio::test]
async fn nul_and_the_order_of_keys_survive_the_database() {
    let world = World::new().await;
    let yaml = "format: 1\nname: First\ndescription: \"a\\0b\"\nnodes:\n  - { name: A, type: core.manual }\n\
                pinned: { A: [ { json: { z: 9007199254740993, a: 0.10000000000000000001 } } ] }\n";
    world.create(yaml).await.unwrap();
    let version = world.publish(None).await.unwrap().version;
    let graph = world.catalog().graph(world.workspace, version).await.unwrap();
    let json = serde_json::to_string(&*graph.nodes[0].pinned.as_ref().unwrap()[0].json).unwrap();
    assert_eq!(json, r#"{"z":9007199254740993,"a":0.10000000000000000001}"#);
}

#[derive(Default)]
struct Listener {
    told: Mutex<Vec<(Option<VersionId>, bool)>>,
    refuse: bool,
}

impl PublishObserver for Listener {
    fn stored<'a>(
        &'a self,
        _: &'a mut Tx,
        stored: Stored<'a>,
    ) -> BoxFuture<'a, Result<(), Problem>> {
        self.told.lock().unwrap().push((stored.version, stored.graph.is_some()));
        let refuse = self.refuse && stored.version.is_some();
        Box::pin(async move {
            if refuse { Err(Problem::new(codes::HOOK_TAKEN, "Taken.")) } else { Ok(()) }
        })
    }

    fn committed(&self, _: WorkspaceId) {}
}

#[tokio::test]
async fn observers_are_told_inside_the_transaction_and_can_refuse() {
    let mut world = World::new().await;
    let listener = Arc::new(Listener { refuse: true, ..Listener::default() });
    world.publishing.observers = vec![listener.clone()];
    world.create(YAML).await.unwrap();
    assert_eq!(world.publish(None).await.unwrap_err().code, codes::HOOK_TAKEN);
    let told = listener.told.lock().unwrap().clone();
    assert_eq!(told[0], (None, true));
    assert!(told[1].0.is_some());
    assert!(world.catalog().published(world.workspace, "First").await.unwrap().is_none());
}
