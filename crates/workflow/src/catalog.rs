//! The catalog: graphs of versions, made once and shared by all their runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use db::{Database, Identity};
use kernel::{Problem, VersionId, WorkflowId, WorkspaceId, codes};
use node::Registry;

use crate::graph::Graph;
use crate::service;
use crate::store;

/// Graphs of versions. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    registry: Arc<Registry>,
    graphs: Mutex<Graphs>,
}

impl Catalog {
    /// Graphs kept at most; the one unused for longest goes first. Runs hold their own.
    pub const GRAPHS_MAX: usize = 1_000;

    /// An empty catalog over this database.
    pub fn new(database: Database, registry: Arc<Registry>) -> Self {
        let graphs = Mutex::new(Graphs::default());
        Self { inner: Arc::new(Inner { database, registry, graphs }) }
    }

    /// The node types there are.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.inner.registry
    }

    /// The graph of a version.
    ///
    /// Errors: `workflow.not_found`; those of [`crate::validate`], when this program has lost a
    /// node type; `database.unavailable`.
    pub async fn graph(
        &self,
        workspace: WorkspaceId,
        version: VersionId,
    ) -> Result<Arc<Graph>, Problem> {
        if let Some(graph) = self.graphs().find((workspace, version)) {
            return Ok(graph);
        }
        let mut tx = self.inner.database.read(Identity::of_workspace(workspace)).await?;
        let row = store::versions::find(&mut tx, workspace, version).await?;
        tx.commit().await?;
        let row = row.ok_or_else(|| {
            Problem::new(codes::WORKFLOW_NOT_FOUND, format!("There is no version {version}."))
        })?;
        let document = service::stored(&row.document)?;
        let registry = &self.inner.registry;
        let graph = Graph::build(workspace, row.workflow, version, &document, registry)?;
        self.keep(&graph);
        Ok(graph)
    }

    /// The published graph of a workflow by its id or name; `None` when there is no such workflow
    /// or nothing of it is published.
    pub async fn published(
        &self,
        workspace: WorkspaceId,
        reference: &str,
    ) -> Result<Option<Arc<Graph>>, Problem> {
        let mut tx = self.inner.database.read(Identity::of_workspace(workspace)).await?;
        let found = service::find(&mut tx, workspace, reference).await;
        tx.commit().await?;
        let version = match found {
            Ok(row) => row.view.published_version,
            Err(problem) if problem.code == codes::WORKFLOW_NOT_FOUND => None,
            Err(problem) => return Err(problem),
        };
        match version {
            Some(version) => self.graph(workspace, version).await.map(Some),
            None => Ok(None),
        }
    }

    /// The id of the workflow with this id or name.
    ///
    /// Errors: `workflow.not_found`; `database.unavailable`.
    pub async fn find_workflow(
        &self,
        workspace: WorkspaceId,
        reference: &str,
    ) -> Result<WorkflowId, Problem> {
        let mut tx = self.inner.database.read(Identity::of_workspace(workspace)).await?;
        let found = service::find(&mut tx, workspace, reference).await;
        tx.commit().await?;
        Ok(found?.view.id)
    }

    /// Keeps a graph that was just made.
    pub fn keep(&self, graph: &Arc<Graph>) {
        self.graphs().keep(Arc::clone(graph));
    }

    fn graphs(&self) -> std::sync::MutexGuard<'_, Graphs> {
        self.inner.graphs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bounded map; each use stamps its entry with the next number.
#[derive(Default)]
struct Graphs {
    entries: HashMap<(WorkspaceId, VersionId), (u64, Arc<Graph>)>,
    uses: u64,
}

impl Graphs {
    fn find(&mut self, key: (WorkspaceId, VersionId)) -> Option<Arc<Graph>> {
        self.uses += 1;
        let (used, graph) = self.entries.get_mut(&key)?;
        *used = self.uses;
        Some(Arc::clone(graph))
    }

    fn keep(&mut self, graph: Arc<Graph>) {
        if self.entries.len() >= Catalog::GRAPHS_MAX {
            let oldest = self.entries.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(key) = oldest.map(|(key, _)| *key) {
                self.entries.remove(&key);
            }
        }
        self.uses += 1;
        self.entries.insert((graph.workspace, graph.version), (self.uses, graph));
    }
}
