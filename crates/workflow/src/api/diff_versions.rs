//! `GET /v1/workflows/{workflow_id}/diff`

use function::{Problem, QueryContext, query};
use schemars::JsonSchema;
use serde::Deserialize;

use super::incoming::WorkflowPath;
use crate::diff::DiffView;
use crate::observer::Publishing;
use crate::service::versions;

/// What is compared.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DiffQuery {
    /// The older side: a version's number or id, `published` or `draft`; absent: `published`.
    from: Option<String>,
    /// The newer side; absent: `draft`.
    to: Option<String>,
}

/// What is different between two versions of a workflow, or a version and the draft.
///
/// Nodes are the same when they have the same name; one that only got another name is told of as
/// renamed. Values are told of by their JSON pointers.
#[query(GET "/v1/workflows/{workflow_id}/diff", permission = crate::READ)]
pub(super) async fn diff_versions(
    cx: &QueryContext,
    path: WorkflowPath,
    query: DiffQuery,
) -> Result<DiffView, Problem> {
    let publishing = cx.service::<Publishing>();
    let sides =
        (query.from.as_deref().unwrap_or("published"), query.to.as_deref().unwrap_or("draft"));
    let mut tx = cx.tx().await;
    versions::compare(&mut tx, cx.workspace(), publishing, &path.workflow_id, sides).await
}
