//! `POST /v1/workflows/{workflow_id}/unarchive`

use function::{MutationContext, Problem, mutation};

use super::incoming::{self, WorkflowPath};
use crate::model::WorkflowView;
use crate::observer::Publishing;
use crate::service::copies;

/// Takes a workflow out of the archive; it has to be published again.
#[mutation(
    POST "/v1/workflows/{workflow_id}/unarchive",
    permission = crate::WRITE,
    audit = "workflow.unarchived"
)]
pub(super) async fn unarchive_workflow(
    cx: &MutationContext,
    path: WorkflowPath,
) -> Result<WorkflowView, Problem> {
    let publishing = cx.service::<Publishing>();
    incoming::tell_when_committed(cx);
    let author = incoming::author(cx);
    incoming::require(cx, &path.workflow_id).await?;
    let mut tx = cx.tx().await;
    let done = copies::unarchive(&mut tx, author, publishing, &path.workflow_id).await?;
    incoming::note(cx, done.id, done.revision);
    Ok(done)
}
