//! `DELETE /v1/workflows/{workflow_id}`

use function::{MutationContext, Problem, mutation};

use super::change::Change;
use super::incoming::{RevisionQuery, WorkflowPath};
use crate::service::copies;

/// Deletes a workflow: its draft, its hooks and its place in lists are gone.
///
/// What runs goes on, and past runs stay to be seen: the versions they began with stay for them.
#[mutation(
    DELETE "/v1/workflows/{workflow_id}",
    permission = crate::WRITE,
    audit = "workflow.deleted"
)]
pub(super) async fn delete_workflow(
    cx: &MutationContext,
    path: WorkflowPath,
    query: RevisionQuery,
) -> Result<(), Problem> {
    let mut change = Change::begin(cx, &path.workflow_id).await?;
    let Change { tx, author, publishing, .. } = &mut change;
    let id = copies::delete(tx, *author, publishing, &path.workflow_id, query.revision).await?;
    cx.subject("workflow", id);
    Ok(())
}
