//! `POST /v1/workflows/{workflow_id}/unarchive`

use function::{MutationContext, Problem, mutation};

use super::change::Change;
use super::incoming::WorkflowPath;
use crate::model::WorkflowView;
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
    let mut change = Change::begin(cx, &path.workflow_id).await?;
    let Change { tx, author, publishing, .. } = &mut change;
    let done = copies::unarchive(tx, *author, publishing, &path.workflow_id).await?;
    Ok(change.done(done))
}
