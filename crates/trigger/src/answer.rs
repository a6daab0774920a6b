//! What the caller of a hook is answered.

use engine::{Answer, RunStatus};
use kernel::item::BinaryRef;
use kernel::{Problem, RunId, WorkspaceId, codes};
use node::{Blobs, HookReply, Reply, ReplyBody};

/// An answer, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers; names in lower case. What frames the message is not among them.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// The run.
    pub run: RunId,
    /// Lone surrogates replaced in the request's body.
    pub replaced_surrogates: usize,
}

/// Why a hook was not answered as the workflow would have it.
#[derive(Debug)]
pub struct HookError {
    /// What to tell the caller.
    pub problem: Problem,
    /// HTTP status: the problem's, but 500 or above when a run failed, whatever it failed with.
    pub status: u16,
    /// The run, when one was started.
    pub run: Option<RunId>,
    /// With `request.method`: the methods that are listened to.
    pub allow: Vec<String>,
}

impl From<Problem> for HookError {
    fn from(problem: Problem) -> Self {
        let status = problem.code.0.status;
        Self { problem, status, run: None, allow: Vec::new() }
    }
}

impl HookError {
    pub(crate) fn of_run(run: RunId, problem: Problem) -> Self {
        Self { run: Some(run), ..Self::from(problem) }
    }
}

/// 202 with the run's id.
pub(crate) fn accepted(run: RunId) -> HookAnswer {
    json(202, run, format!("{{\"run_id\":\"{run}\"}}").into_bytes())
}

/// The answer of a run that was waited for.
pub(crate) async fn render(
    answer: Answer,
    respond: HookReply,
    test: bool,
    workspace: WorkspaceId,
    blobs: &dyn Blobs,
) -> Result<HookAnswer, HookError> {
    let run = answer.run;
    if let Some(reply) = answer.reply {
        return write(reply, run, workspace, blobs).await;
    }
    match answer.status {
        RunStatus::Failed | RunStatus::Cancelled => Err(failed(answer, test)),
        RunStatus::Queued | RunStatus::Running | RunStatus::Waiting => Ok(accepted(run)),
        RunStatus::Succeeded => match respond {
            HookReply::LastNode => {
                write(Reply::all_items(&answer.last_items), run, workspace, blobs).await
            }
            // No respond node was reached: all there is to say is that it went well.
            HookReply::Node | HookReply::Immediately => {
                let text = format!("{{\"run_id\":\"{run}\",\"status\":\"succeeded\"}}");
                Ok(json(200, run, text.into_bytes()))
            }
        },
    }
}

/// A failed run as the caller sees it: code and node, but what data it failed with only where the
/// workflow said so itself or somebody tries it out.
fn failed(answer: Answer, test: bool) -> HookError {
    let run = answer.run;
    let cause = answer.error.unwrap_or_else(|| {
        Problem::new(codes::RUN_CANCELLED, "The run was cancelled before it could answer.")
    });
    let told = test || cause.code == codes::RUN_STOPPED || cause.code == codes::RUN_CANCELLED;
    let problem = if told {
        cause
    } else {
        let place = match &cause.node {
            Some(node) => format!(" in the node \"{node}\""),
            None => String::new(),
        };
        let detail = format!("The run failed{place}; its history (GET /v1/runs/{run}) tells why.");
        let mut problem = Problem::new(cause.code, detail);
        problem.node = cause.node;
        problem
    };
    let status = problem.code.0.status.max(500);
    HookError { status, ..HookError::of_run(run, problem) }
}

async fn write(
    reply: Reply,
    run: RunId,
    workspace: WorkspaceId,
    blobs: &dyn Blobs,
) -> Result<HookAnswer, HookError> {
    let (kind, body) = match reply.body {
        ReplyBody::Empty => (None, Vec::new()),
        ReplyBody::Json(value) => {
            let body = serde_json::to_vec(&value).map_err(|error| {
                tracing::error!(error = %error, run.id = %run, "a reply cannot be written as JSON");
                HookError::of_run(run, Problem::internal())
            })?;
            (Some("application/json".to_owned()), body)
        }
        ReplyBody::Text(text) => (Some("text/plain; charset=utf-8".to_owned()), text.into_bytes()),
        ReplyBody::Blob(BinaryRef { blob, mime_type, .. }) => {
            let bytes = blobs.get(workspace, &blob).await;
            let bytes = bytes.map_err(|problem| HookError::of_run(run, problem))?;
            (Some(mime_type), bytes)
        }
    };
    let mut headers: Vec<_> =
        reply.headers.into_iter().filter(|(name, _)| !frames_the_message(name)).collect();
    if let Some(kind) = kind
        && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
    {
        headers.push(("content-type".to_owned(), kind));
    }
    Ok(HookAnswer { status: reply.status, headers, body, run, replaced_surrogates: 0 })
}

/// Headers that belong to the connection, not to the workflow.
fn frames_the_message(name: &str) -> bool {
    ["connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

fn json(status: u16, run: RunId, body: Vec<u8>) -> HookAnswer {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    HookAnswer { status, headers, body, run, replaced_surrogates: 0 }
}
