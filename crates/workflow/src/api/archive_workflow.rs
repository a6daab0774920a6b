//! `POST /v1/workflows/{workflow_id}/archive`

use function::{MutationContext, Problem, mutation};

use super::change::Change;
use super::incoming::WorkflowPath;
use crate::model::WorkflowView;
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
    let mut change = Change::begin(cx, &path.workflow_id).await?;
    let Change { tx, author, publishing, .. } = &mut change;
    let done = copies::archive(tx, *author, publishing, &path.workflow_id).await?;
    Ok(change.done(done))
}
