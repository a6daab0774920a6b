//! `GET /v1/workflows/{workflow_id}/hooks/listen`

use std::time::Duration;

use db::Identity;
use function::{ActionContext, Problem, action};
use kernel::codes;
use schemars::JsonSchema;
use serde::Deserialize;
use workflow::service::find_id;

use super::listening::{Listening, WorkflowPath};
use crate::hooks::Hooks;

/// How long the answer may take.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WaitFor {
    /// Seconds to wait for the call, 0 to 30; 0 unless given.
    #[schemars(range(min = 0, max = 30))]
    wait: u64,
}

/// The call that was kept for the workflow, or how far the waiting is.
///
/// With `wait` the answer comes when the call does, or after so many seconds.
#[action(
    GET "/v1/workflows/{workflow_id}/hooks/listen",
    permission = crate::READ,
    timeout = "45s"
)]
pub(super) async fn get_heard_call(
    cx: &ActionContext,
    path: WorkflowPath,
    query: WaitFor,
) -> Result<Listening, Problem> {
    let workspace = cx.workspace();
    let mut tx = cx.database().read(Identity::of_workspace(workspace)).await?;
    let workflow = find_id(&mut tx, workspace, &path.workflow_id).await?;
    drop(tx);
    let within = Duration::from_secs(query.wait);
    let found = cx.wait(cx.service::<Hooks>().wait_for_call(workspace, workflow, within)).await?;
    let row = found.ok_or_else(|| {
        let detail = format!(
            "The workflow waits for no call: begin with POST /v1/workflows/{workflow}/hooks/listen."
        );
        Problem::new(codes::REQUEST_NOT_FOUND, detail)
    })?;
    Listening::of(workflow, row, cx.clock().now())
}
