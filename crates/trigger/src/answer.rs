//! What the caller of a hook is answered.

use engine::{Answer, RunStatus};
use kernel::item::BinaryRef;
use kernel::{Problem, RunId, WorkspaceId, codes};
use node::{Blobs, FileStream, HookReply, Reply, ReplyBody};

use crate::address::Stage;

/// An answer, ready to be sent.
pub struct HookAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers; names in lower case. What frames the message is not among them.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: AnswerBody,
    /// The run, when one was started.
    pub run: Option<RunId>,
    /// Lone surrogates replaced in the request's body.
    pub replaced_surrogates: usize,
}

/// The body of an answer.
pub enum AnswerBody {
    /// As a whole.
    Whole(Vec<u8>),
    /// A file, piece by piece.
    File(FileStream),
}

/// Why a hook was not answered as the workflow would have it.
#[derive(Debug)]
pub struct HookError {
    /// What to tell the caller.
    pub problem: Box<Problem>,
    /// HTTP status: the problem's, but 500 or above when a run failed, whatever it failed with.
    pub status: u16,
    /// The run, when one was started.
    pub run: Option<RunId>,
    /// With `request.method`: the methods that are listened to.
    pub allow: Vec<String>,
    /// With `hook.unauthorized`: what the caller is asked for, as `www-authenticate` says it.
    pub challenge: Option<&'static str>,
    /// What was wrong with the call, for people of the workspace only.
    pub reason: Option<String>,
}

impl From<Problem> for HookError {
    fn from(problem: Problem) -> Self {
        let (status, problem) = (problem.code.0.status, Box::new(problem));
        Self { problem, status, run: None, allow: Vec::new(), challenge: None, reason: None }
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
    in_full: bool,
    workspace: WorkspaceId,
    blobs: &dyn Blobs,
) -> Result<HookAnswer, HookError> {
    let run = answer.run;
    if let Some(reply) = answer.reply {
        return write(reply, run, workspace, blobs).await;
    }
    match answer.status {
        RunStatus::Failed | RunStatus::Cancelled => Err(failed(answer, in_full)),
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
fn failed(answer: Answer, in_full: bool) -> HookError {
    let run = answer.run;
    let cause = answer.error.unwrap_or_else(|| {
        Problem::new(codes::RUN_CANCELLED, "The run was cancelled before it could answer.")
    });
    let told = in_full || cause.code == codes::RUN_STOPPED || cause.code == codes::RUN_CANCELLED;
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
    let whole = AnswerBody::Whole;
    let (kind, body) = match reply.body {
        ReplyBody::Empty => (None, whole(Vec::new())),
        ReplyBody::Json(value) => {
            let body = serde_json::to_vec(&value).map_err(|error| {
                tracing::error!(error = %error, run.id = %run, "a reply cannot be written as JSON");
                HookError::of_run(run, Problem::internal())
            })?;
            (Some("application/json".to_owned()), whole(body))
        }
        ReplyBody::Text(text) => {
            (Some("text/plain; charset=utf-8".to_owned()), whole(text.into_bytes()))
        }
        ReplyBody::Blob(BinaryRef { blob, mime_type, .. }) => {
            let file = blobs.get_stream(workspace, &blob).await;
            let file = file.map_err(|problem| HookError::of_run(run, problem))?;
            (Some(mime_type), AnswerBody::File(file))
        }
    };
    let mut headers: Vec<_> =
        reply.headers.into_iter().filter(|(name, _)| !frames_the_message(name)).collect();
    if let Some(kind) = kind
        && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
    {
        headers.push(("content-type".to_owned(), kind));
    }
    let run = Some(run);
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
    let body = AnswerBody::Whole(body);
    HookAnswer { status, headers, body, run: Some(run), replaced_surrogates: 0 }
}

/// The methods that are answered, given those that are listened to.
pub(crate) fn answered_methods(mut listened: Vec<String>) -> Vec<String> {
    for (implied, by) in [("HEAD", Some("GET")), ("OPTIONS", None)] {
        let there = |wanted: &str| listened.iter().any(|method| method == wanted);
        if !there(implied) && by.is_none_or(there) {
            listened.push(implied.to_owned());
        }
    }
    listened
}

pub(crate) fn nothing_listens(stage: Stage, slug: &str, path: &str) -> Problem {
    let (root, mend) = match stage {
        Stage::Published => ("hooks", "publish a workflow with a webhook trigger for this path"),
        Stage::Draft => ("hooks-test", "save a valid draft with a webhook trigger for this path"),
    };
    let detail = format!("Nothing listens at /{root}/{slug}/{}: {mend}.", path.trim_matches('/'));
    Problem::new(codes::HOOK_NOT_FOUND, detail)
}

pub(crate) fn wrong_method(method: &str, allow: Vec<String>) -> HookError {
    let detail = format!("{method} is not listened to here; {} is.", allow.join(", "));
    HookError { allow, ..HookError::from(Problem::new(codes::REQUEST_METHOD, detail)) }
}
