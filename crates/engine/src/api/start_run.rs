//! `POST /v1/workflows/{workflow_id}/runs`

use std::sync::Arc;

use db::Identity;
use function::{ActionContext, Problem, action};
use kernel::{RunId, Value, codes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workflow::service::{Author, store_draft};
use workflow::{Catalog, Graph};

use crate::entry::{find_trigger, first_items};
use crate::{AnswerWhen, Engine, RunStatus, StartRun};

/// Which workflow.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct WorkflowPath {
    /// The workflow's id, or its name.
    #[schemars(length(min = 1, max = 200))]
    workflow_id: String,
}

/// How to run it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NewRun {
    /// Name of the trigger to start at; absent: the manual trigger, else the first one.
    #[schemars(length(min = 1, max = 200))]
    trigger: Option<String>,
    /// What the trigger puts out: an object, an item, or a list of either; absent: its pinned items
    /// when pins are used, else one empty item.
    input: Option<Value>,
    /// Run the draft instead of the published version.
    draft: bool,
    /// Whether pinned outputs stand in for their nodes.
    pins: bool,
}

/// A run that is durable.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RunStarted {
    /// Its id.
    #[schemars(with = "String")]
    run_id: RunId,
    /// Its state when this was answered.
    status: RunStatus,
}

/// Starts a run and answers once it is durable.
///
/// With the header `idempotency-key` a repeated call starts nothing and gets the first answer.
#[action(
    POST "/v1/workflows/{workflow_id}/runs",
    permission = crate::WRITE,
    timeout = "60s",
    status = 202
)]
pub(super) async fn start_run(
    cx: &ActionContext,
    path: WorkflowPath,
    body: NewRun,
) -> Result<RunStarted, Problem> {
    let graph = graph(cx, &path.workflow_id, body.draft).await?;
    let trigger = find_trigger(&graph, body.trigger.as_deref())?;
    let started = cx.service::<Engine>().start(StartRun {
        trigger,
        items: first_items(&graph.nodes[trigger], body.pins, body.input)?,
        key: cx.unique_key(),
        test: body.draft,
        pins: body.pins,
        answer: AnswerWhen::Started,
        trace: None,
        graph,
    })?;
    let answer = started.answer.await.map_err(|_| {
        let detail = "The member went down before the run was durable; ask again.";
        Problem::new(codes::SERVER_OVERLOADED, detail)
    })??;
    Ok(RunStarted { run_id: answer.run, status: answer.status })
}

async fn graph(cx: &ActionContext, workflow: &str, draft: bool) -> Result<Arc<Graph>, Problem> {
    let catalog = cx.service::<Catalog>();
    if !draft {
        let graph = catalog.published(cx.workspace(), workflow).await?;
        return graph.ok_or_else(|| {
            let detail = format!(
                "The workflow \"{workflow}\" is not there or not published. Publish it, or run its \
                 draft with {{\"draft\": true}}."
            );
            Problem::new(codes::WORKFLOW_NOT_PUBLISHED, detail)
        });
    }
    let author = Author {
        workspace: cx.workspace(),
        principal: Some(cx.caller().principal),
        clock: cx.clock(),
        dice: cx.dice(),
    };
    let identity = Identity::new(cx.workspace(), cx.caller().principal);
    let registry = catalog.registry();
    let stored = cx.database().transact(identity, |mut tx| async move {
        let version = store_draft(&mut tx, author, registry, workflow).await?;
        tx.commit().await?;
        Ok::<_, Problem>(version.id)
    });
    catalog.graph(cx.workspace(), stored.await?).await
}
