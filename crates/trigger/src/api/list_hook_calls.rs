//! `GET /v1/hooks/calls`

use db::Identity;
use function::{ActionContext, Page, Problem, action};
use jiff::Timestamp;
use kernel::{RunId, WorkflowId};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::address::Stage;
use crate::hooks::Hooks;
use crate::store::calls::{self, CallRow, Outcome};

function::list_query! {
    /// Which calls.
    pub(super) struct HookCallsQuery {
        /// Only calls of the workflow with this id.
        workflow: Option<WorkflowId>,
        /// Only calls that were let in, or that were not.
        outcome: Option<Outcome>,
    }
}

/// One call of a webhook.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct HookCall {
    /// Id of the row; newer ones are larger.
    id: Uuid,
    /// When it was answered.
    at: Timestamp,
    /// Whether a run was started.
    outcome: Outcome,
    /// Id of the workflow.
    workflow_id: WorkflowId,
    /// Name of the webhook node.
    node: String,
    /// Whether the published version was called or the draft.
    stage: Stage,
    /// Method of the request.
    method: String,
    /// Path as it was sent, without the query.
    path: String,
    /// Address of the caller.
    client: String,
    /// Its `user-agent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    /// Its `content-type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    /// Status of the answer.
    status: i32,
    /// Code of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// What was wrong, in words that the caller is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The run.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<RunId>,
    /// How long the answer took, in milliseconds.
    took_ms: f64,
    /// Calls of the same node and outcome since the row before that were not written down.
    skipped: i64,
}

/// Calls of webhooks lately, newest first: a sample, without bodies and credentials.
///
/// Of each node at least the first 20 calls after a pause are written down and then about one a
/// second, those that were let in and those that were not apart; the newest 200 of each are kept.
#[action(GET "/v1/hooks/calls", permission = crate::READ, timeout = "30s")]
pub(super) async fn list_hook_calls(
    cx: &ActionContext,
    query: HookCallsQuery,
) -> Result<Page<HookCall>, Problem> {
    let page = cx.page::<Uuid>(&query)?;
    let workspace = cx.workspace();
    cx.service::<Hooks>().flush_calls(workspace).await?;
    let mut tx = cx.database().read(Identity::of_workspace(workspace)).await?;
    let (before, rows) = (page.after, page.rows());
    let rows = calls::list(&mut tx, workspace, query.workflow, query.outcome, before, rows).await?;
    let page = page.of(rows, |row| row.id);
    Ok(Page { items: page.items.into_iter().map(shown).collect(), next: page.next })
}

fn shown(row: CallRow) -> HookCall {
    HookCall {
        id: row.id,
        at: row.at,
        outcome: row.outcome,
        workflow_id: row.workflow,
        node: row.node,
        stage: row.stage,
        method: row.method,
        path: row.path,
        client: row.client,
        user_agent: row.user_agent,
        content_type: row.content_type,
        status: row.status,
        code: row.code,
        reason: row.reason,
        run_id: row.run,
        took_ms: row.took_us as f64 / 1_000.0,
        skipped: row.skipped,
    }
}
