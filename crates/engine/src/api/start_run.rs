//! `POST /v1/workflows/{workflow_id}/runs`

use std::sync::Arc;
use std::time::Duration;

use db::Identity;
use function::{ActionContext, Problem, WithStatus, action};
use kernel::{Item, RunId, Value, codes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workflow::service::{Author, store_draft};
use workflow::{Catalog, Graph, Labels};

use super::path::WorkflowPath;
use super::wait::WaitQuery;
use crate::entry::{find_trigger, first_items};
use crate::past::Stored;
use crate::redact::Redaction;
use crate::view::size_of_item;
use crate::{AnswerWhen, Engine, ErrorView, RunStatus, StartRun, Started};

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
    /// What the run shall be found by, besides the labels of its workflow.
    labels: Labels,
}

/// A run that is durable.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RunStarted {
    /// Its id.
    #[schemars(with = "String")]
    run_id: RunId,
    /// Its state when this was answered.
    status: RunStatus,
    /// What the node put out that ended last: the first items, 4 MiB at most. Only when its end was
    /// waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<serde_json::Value>>")]
    items: Option<Vec<Item>>,
    /// How many items it put out.
    #[serde(skip_serializing_if = "Option::is_none")]
    item_count: Option<usize>,
    /// Why it failed. Only when its end was waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorView>,
}

/// Starts a run and answers once it is durable (202), or with its result (200).
///
/// With `wait` the answer comes when the run has ended, with what its last node put out; when the time is
/// over before, it is the same as without. The run goes on in any case.
///
/// With the header `idempotency-key` a repeated call starts nothing and gets the first answer.
#[action(
    POST "/v1/workflows/{workflow_id}/runs",
    permission = crate::WRITE,
    timeout = "60s",
    status = 202,
    also = 200
)]
pub(super) async fn start_run(
    cx: &ActionContext,
    path: WorkflowPath,
    query: WaitQuery,
    body: NewRun,
) -> Result<WithStatus<RunStarted>, Problem> {
    let graph = graph(cx, &path.workflow_id, body.draft).await?;
    let trigger = find_trigger(&graph, body.trigger.as_deref())?;
    let items = first_items(&graph.nodes[trigger], body.pins, body.input)?;
    let labels = labels(body.labels, &graph)?;
    let start = StartRun {
        test: body.draft,
        pins: body.pins,
        labels,
        ..StartRun::new(graph, trigger, items)
    };
    match query.time(cx) {
        Some(time) => begin_and_wait(cx, start, time).await,
        None => Ok(WithStatus { status: 202, output: begin(cx, start).await? }),
    }
}

/// Bytes of items answered, about.
const RESULT_BYTES: usize = 4 * 1024 * 1024;

/// Starts a run and waits for its end, but no longer than this.
async fn begin_and_wait(
    cx: &ActionContext,
    start: StartRun,
    time: Duration,
) -> Result<WithStatus<RunStarted>, Problem> {
    let (workspace, graph) = (cx.workspace(), Arc::clone(&start.graph));
    let start = StartRun { key: cx.unique_key(), answer: AnswerWhen::Ended, ..start };
    let engine = cx.service::<Engine>();
    let Started { run, mut answer } = engine.start(start)?;
    let ended = match cx.wait(tokio::time::timeout(time, &mut answer)).await {
        Ok(ended) => ended.map_err(|_| going_down())??,
        // Nothing is acknowledged that is not durable.
        Err(_) => match engine.wait_stored(workspace, run, answer).await? {
            Stored::Live(status) => {
                return Ok(WithStatus { status: 202, output: RunStarted::of(run, status) });
            }
            Stored::Ended(ended) => *ended,
        },
    };
    let redaction = Redaction(&graph.settings.redact);
    let mut bytes = 0;
    let few = ended.last_items.iter().take_while(|item| {
        bytes += size_of_item(item);
        bytes <= RESULT_BYTES
    });
    let output = RunStarted {
        items: Some(few.map(|item| redaction.item(item)).collect()),
        item_count: Some(ended.last_items.len()),
        error: ended.error.as_ref().map(|problem| ErrorView::new(problem, None)),
        ..RunStarted::of(ended.run, ended.status)
    };
    Ok(WithStatus { status: 200, output })
}

impl RunStarted {
    fn of(run_id: RunId, status: RunStatus) -> Self {
        Self { run_id, status, items: None, item_count: None, error: None }
    }
}

fn going_down() -> Problem {
    let detail = "The member went down before the run was durable; ask again.";
    Problem::new(codes::SERVER_OVERLOADED, detail)
}

/// Starts a run under the request's idempotency key, and answers once it is durable.
pub(super) async fn begin(cx: &ActionContext, start: StartRun) -> Result<RunStarted, Problem> {
    let key = cx.unique_key();
    let started = cx.service::<Engine>().start(StartRun { key, ..start })?;
    let answer = started.answer.await.map_err(|_| going_down())??;
    Ok(RunStarted::of(answer.run, answer.status))
}

/// Labels of a run of this graph.
///
/// Errors: `request.invalid`.
pub(super) fn labels(labels: Labels, graph: &Graph) -> Result<Labels, Problem> {
    let code = codes::REQUEST_INVALID;
    let mut all = labels.clone();
    all.extend(&graph.settings.labels);
    if all.len() > Labels::MAX {
        let own = graph.settings.labels.len();
        let what = format!("a run has at most {} labels; its workflow has {own}", Labels::MAX);
        return Err(
            Problem::new(code, format!("The labels do not fit: {what}.")).at("/labels", code, what)
        );
    }
    let faults = labels.iter().filter_map(|label| Some((label, Labels::fault(label)?)));
    let mut problem = Problem::new(code, "");
    for (label, what) in faults {
        if problem.errors.is_empty() {
            problem.detail = format!("The label {label:?} does not fit: {what}.");
        }
        problem = problem.at("/labels", code, what);
    }
    if problem.errors.is_empty() { Ok(labels) } else { Err(problem) }
}

pub(super) fn not_published(workflow: &str) -> Problem {
    let detail = format!(
        "The workflow \"{workflow}\" is not there or not published. Publish it, or run its draft with \
         {{\"draft\": true}}."
    );
    Problem::new(codes::WORKFLOW_NOT_PUBLISHED, detail)
}

async fn graph(cx: &ActionContext, workflow: &str, draft: bool) -> Result<Arc<Graph>, Problem> {
    let catalog = cx.service::<Catalog>();
    if !draft {
        let graph = catalog.published(cx.workspace(), workflow).await?;
        return graph.ok_or_else(|| not_published(workflow));
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
