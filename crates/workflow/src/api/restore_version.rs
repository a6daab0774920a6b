//! `POST /v1/workflows/{workflow_id}/versions/{version}/restore`

use function::{MutationContext, Problem, mutation};

use super::incoming::{self, RevisionQuery, VersionPath};
use crate::model::Saved;
use crate::observer::Publishing;
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
    let publishing = cx.service::<Publishing>();
    incoming::tell_when_committed(cx);
    let author = incoming::author(cx);
    incoming::require(cx, &path.workflow_id).await?;
    let mut tx = cx.tx().await;
    let (workflow, version) = (&path.workflow_id, &path.version);
    let done =
        versions::restore(&mut tx, author, publishing, workflow, version, query.revision).await?;
    incoming::note(cx, done.id, done.revision);
    Ok(done)
}
