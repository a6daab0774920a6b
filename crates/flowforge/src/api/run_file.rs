//! `POST /v1/files/run`

use std::sync::Arc;
use std::time::Duration;

use db::Identity;
use engine::entry::{find_trigger, first_items};
use engine::{AnswerWhen, Engine, RunView, StartRun};
use function::{ActionContext, Permission, Problem, action};
use kernel::{Value, codes};
use node::Reply;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workflow::service::{Author, Incoming, store_file};
use workflow::{Catalog, Document, Graph, MediaType, Retention};

/// Longest time a call waits for the end of its run.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// One file of this member at a time is stored: files of one name would only undo each other's work,
/// over and over when many are run at once. Other members' are met by running the transaction again.
static STORING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const RUN_FILE: Permission = Permission("run.write");

/// What the text of a workflow is.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub(super) enum TextKind {
    /// YAML.
    #[serde(rename = "application/yaml", alias = "text/yaml")]
    Yaml,
    /// JSON.
    #[serde(rename = "application/json")]
    Json,
}

/// A workflow to be run once, without being saved under its name.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunFile {
    /// The workflow as text.
    #[schemars(length(min = 1))]
    document: String,
    /// What the text is.
    media_type: TextKind,
    /// Name of the trigger to start at; absent: the manual trigger, else the first one.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    trigger: Option<String>,
    /// What the trigger puts out: an object, an item, or a list of either. Absent: its pinned
    /// items when pins are used, else one empty item.
    #[serde(default)]
    input: Option<Value>,
    /// Whether pinned outputs stand in for their nodes.
    #[serde(default)]
    pins: bool,
}

/// A run of a file.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct FileRun {
    #[serde(flatten)]
    pub(super) view: RunView,
    /// What a respond node answered; absent where none did before this was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub(super) reply: Option<Reply>,
}

/// Runs a workflow that is not saved.
///
/// Answers when the run has ended, or after 20 s with the run as it is then; it goes on and is seen
/// under `GET /v1/runs/{run_id}`, and in this shape under `GET /v1/files/run/{run_id}`.
#[action(POST "/v1/files/run", permission = RUN_FILE, timeout = "30s")]
pub(super) async fn run_file(cx: &ActionContext, body: RunFile) -> Result<FileRun, Problem> {
    let graph = store(cx, &body).await?;
    let trigger = find_trigger(&graph, body.trigger.as_deref())?;
    let items = first_items(&graph.nodes[trigger], body.pins, body.input)?;
    let engine = cx.service::<Engine>();
    let started = engine.start(StartRun {
        pins: body.pins,
        answer: AnswerWhen::Ended,
        ..StartRun::new(graph, trigger, items)
    })?;
    let answered = tokio::time::timeout(WAIT_MAX, started.answer).await;
    let reply = match answered {
        // Not let in after all, or lost before it was durable.
        Ok(Ok(Err(problem))) => return Err(problem),
        Ok(Ok(Ok(answer))) => answer.reply,
        Ok(Err(_)) | Err(_) => None,
    };
    let view = engine.find_run(cx.workspace(), started.run).await?;
    let view = view.ok_or_else(|| {
        let detail = format!("Run {} is over and was not kept.", started.run);
        Problem::new(codes::RUN_NOT_FOUND, detail)
    })?;
    Ok(FileRun { view, reply })
}

/// Stores the document as a version nobody else sees, and makes its graph.
async fn store(cx: &ActionContext, body: &RunFile) -> Result<Arc<Graph>, Problem> {
    let media_type = match body.media_type {
        TextKind::Yaml => MediaType::Yaml,
        TextKind::Json => MediaType::Json,
    };
    let bytes = body.document.as_bytes();
    let (mut document, source, notes) = Document::read_bytes(bytes, media_type)?;
    // Whoever runs a file wants to see what it did, even where the workflow keeps no runs.
    let keep = &mut document.settings.keep_runs;
    for kept in [&mut keep.succeeded, &mut keep.failed] {
        if *kept == Retention::None {
            *kept = Retention::Days(1);
        }
    }
    let incoming = Incoming { document, source: Some(source), notes };
    let catalog = cx.service::<Catalog>();
    let author = Author {
        workspace: cx.workspace(),
        principal: Some(cx.caller().principal),
        clock: cx.clock(),
        dice: cx.dice(),
    };
    let identity = Identity::new(cx.workspace(), cx.caller().principal);
    let (registry, incoming) = (catalog.registry(), &incoming);
    let version = {
        let _turn = STORING.lock().await;
        let stored = cx.database().transact(identity, |mut tx| async move {
            let version = store_file(&mut tx, author, registry, incoming).await?;
            tx.commit().await?;
            Ok::<_, Problem>(version.id)
        });
        stored.await?
    };
    catalog.graph(cx.workspace(), version).await
}
