//! `POST /v1/workflows/{workflow_id}/versions/{version}/restore`

use function::{MutationContext, Problem, mutation};

use super::change::Change;
use super::incoming::{RevisionQuery, VersionPath};
use crate::model::Saved;
use crate::service::versions;

/// Takes a version back into the draft; what is published stays.
#[mutation(
    POST "/v1/workflows/{workflow_id}/versions/{version}/restore",
    permission = crate::WRITE,
    audit = "workflow.restored"
)]
pub(super) async fn restore_version(
    cx: &MutationContext,
    path: VersionPath,
    query: RevisionQuery,
) -> Result<Saved, Problem> {
    let mut change = Change::begin(cx, &path.workflow_id).await?;
    let Change { tx, author, publishing, .. } = &mut change;
    let (workflow, version) = (&path.workflow_id, &path.version);
    let done =
        versions::restore(tx, *author, publishing, workflow, version, query.revision).await?;
    Ok(change.done(done))
}
