//! `POST /v1/workflows/{workflow_id}/unpublish`

use function::{MutationContext, Problem, mutation};

use super::change::Change;
use super::incoming::WorkflowPath;
use crate::model::WorkflowView;
use crate::service::versions;

/// Takes back what is published: no hook and no caller starts the workflow any more.
///
/// What runs goes on. Unpublishing what is not published changes nothing.
#[mutation(
    POST "/v1/workflows/{workflow_id}/unpublish",
    permission = crate::PUBLISH,
    audit = "workflow.unpublished"
)]
pub(super) async fn unpublish_workflow(
    cx: &MutationContext,
    path: WorkflowPath,
) -> Result<WorkflowView, Problem> {
    let mut change = Change::begin(cx, &path.workflow_id).await?;
    let Change { tx, author, publishing, .. } = &mut change;
    let row = versions::unpublish(tx, *author, publishing, &path.workflow_id).await?;
    Ok(change.done(row.view))
}
