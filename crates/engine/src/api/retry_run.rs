//! `POST /v1/runs/{run_id}/retry`

use std::sync::Arc;

use function::{ActionContext, Problem, action};
use schemars::JsonSchema;
use serde::Deserialize;
use workflow::{Catalog, Graph};

use super::path::RunPath;
use super::start_run::{RunStarted, begin, not_published};
use crate::Engine;
use crate::repeat::{Turn, repeat};
use crate::state::RunState;

/// How to repeat the run.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RunRetry {
    /// Which version of the workflow runs.
    version: Version,
}

/// A version of a run's workflow.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RetryVersion")]
pub(super) enum Version {
    /// The one the run had.
    #[default]
    Same,
    /// The published one.
    Newest,
}

impl Version {
    /// Starts a finished run once more with it: from where it failed, or from a turn on.
    pub(super) async fn repeat(
        self,
        cx: &ActionContext,
        path: &RunPath,
        turn: Option<&Turn>,
    ) -> Result<RunStarted, Problem> {
        let old = cx.service::<Engine>().find_finished(cx.workspace(), path.run()?).await?;
        let graph = self.graph(cx, &old).await?;
        begin(cx, repeat(&old, graph, turn)?).await
    }

    async fn graph(self, cx: &ActionContext, old: &RunState) -> Result<Arc<Graph>, Problem> {
        let graph = &old.plan.graph;
        match self {
            Self::Same => Ok(Arc::clone(graph)),
            Self::Newest => {
                let workflow = graph.workflow.id.to_string();
                let found = cx.service::<Catalog>().published(cx.workspace(), &workflow).await?;
                found.ok_or_else(|| not_published(&graph.workflow.name))
            }
        }
    }
}

/// Goes on from where a run failed, in a new run.
///
/// What ended with outputs in the old run is taken over and does not run again; of a node that changed
/// the outside item by item, only the items that did not succeed are tried again. With the newest
/// version a node that was changed since runs again, and so does everything behind it. The new run
/// names the old one as its `origin`, and is found by the label `origin:` with the id of the old one.
#[action(
    POST "/v1/runs/{run_id}/retry",
    permission = crate::WRITE,
    audit = "run.retried",
    timeout = "60s",
    status = 202
)]
pub(super) async fn retry_run(
    cx: &ActionContext,
    path: RunPath,
    body: RunRetry,
) -> Result<RunStarted, Problem> {
    body.version.repeat(cx, &path, None).await
}
