//! `POST /v1/workflows/{workflow_id}/hooks/listen`

use std::time::Duration;

use function::{MutationContext, Problem, mutation};
use jiff::Timestamp;
use kernel::id::uuid_v7;
use schemars::JsonSchema;
use serde::Deserialize;
use workflow::service::find_id;

use super::listening::{Listening, WorkflowPath};
use crate::store::listenings::{self, ListeningRow};

/// How long to wait, and for what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ListenFor {
    /// Seconds, 1 to 600.
    #[schemars(range(min = 1, max = 600))]
    seconds: u64,
    /// Name of the webhook node; absent: any of the workflow's.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[^\u0000]*$"))]
    node: Option<String>,
}

impl Default for ListenFor {
    fn default() -> Self {
        Self { seconds: 120, node: None }
    }
}

/// Keeps the next call of the workflow's draft, at `/hooks-test/…`, for who builds the workflow.
///
/// The call is answered like any other. Ask for it with `get_heard_call`.
#[mutation(
    POST "/v1/workflows/{workflow_id}/hooks/listen",
    permission = crate::WRITE,
    audit = "hook.listened"
)]
pub(super) async fn listen_to_hooks(
    cx: &MutationContext,
    path: WorkflowPath,
    body: ListenFor,
) -> Result<Listening, Problem> {
    let tx = &mut *cx.tx().await;
    let workflow = find_id(tx, cx.workspace(), &path.workflow_id).await?;
    cx.subject("workflow", workflow);
    let now = cx.clock().now();
    let until = now.checked_add(Duration::from_secs(body.seconds)).unwrap_or(Timestamp::MAX);
    let id = uuid_v7(cx.clock(), cx.dice());
    let row = ListeningRow { id, node: body.node, expires_at: until, captured: None };
    listenings::listen(tx, cx.workspace(), workflow, &row).await?;
    Listening::of(workflow, row, now)
}
