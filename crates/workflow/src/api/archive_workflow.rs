//! `POST /v1/workflows/{workflow_id}/archive`

use function::{MutationContext, Problem, mutation};

use super::incoming::{self, WorkflowPath};
use crate::model::WorkflowView;
use crate::observer::Publishing;
use crate::service::copies;

/// Puts a workflow away: it is unpublished, out of lists, and cannot be changed or started.
///
/// What runs goes on. Archiving what is archived changes nothing.
#[mutation(
    POST "/v1/workflows/{workflow_id}/archive",
    permission = crate::PUBLISH,
    audit = "workflow.archived"
)]
pub(super) async fn archive_workflow(
    cx: &MutationContext,
    path: WorkflowPath,
) -> Result<WorkflowView, Problem> {
    let publishing = cx.service::<Publishing>();
    incoming::tell_when_committed(cx);
    let author = incoming::author(cx);
    incoming::require(cx, &path.workflow_id).await?;
    let mut tx = cx.tx().await;
    let done = copies::archive(&mut tx, author, publishing, &path.workflow_id).await?;
    incoming::note(cx, done.id, done.revision);
    Ok(done)
}
