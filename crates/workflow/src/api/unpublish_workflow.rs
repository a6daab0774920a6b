//! `POST /v1/workflows/{workflow_id}/unpublish`

use function::{MutationContext, Problem, mutation};

use super::incoming::{self, WorkflowPath};
use crate::model::WorkflowView;
use crate::observer::Publishing;
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
    let publishing = cx.service::<Publishing>();
    incoming::tell_when_committed(cx);
    let author = incoming::author(cx);
    incoming::require(cx, &path.workflow_id).await?;
    let mut tx = cx.tx().await;
    let row = versions::unpublish(&mut tx, author, publishing, &path.workflow_id).await?;
    incoming::note(cx, row.view.id, row.view.revision);
    Ok(row.view)
}
