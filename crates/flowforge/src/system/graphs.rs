//! The catalog of graphs as the engine asks for it.

use std::sync::Arc;

use engine::Graphs;
use futures::future::BoxFuture;
use kernel::{Problem, VersionId, WorkspaceId, codes};
use workflow::{Catalog, Graph};

/// Graphs out of a catalog.
pub(super) struct CatalogGraphs(pub(super) Catalog);

impl Graphs for CatalogGraphs {
    fn version(
        &self,
        workspace: WorkspaceId,
        version: VersionId,
    ) -> BoxFuture<'_, Result<Option<Arc<Graph>>, Problem>> {
        Box::pin(async move {
            match self.0.graph(workspace, version).await {
                Ok(graph) => Ok(Some(graph)),
                Err(problem) if problem.code == codes::WORKFLOW_NOT_FOUND => Ok(None),
                Err(problem) => Err(problem),
            }
        })
    }

    fn published(
        &self,
        workspace: WorkspaceId,
        workflow: String,
    ) -> BoxFuture<'_, Result<Option<Arc<Graph>>, Problem>> {
        Box::pin(async move { self.0.published(workspace, &workflow).await })
    }
}
