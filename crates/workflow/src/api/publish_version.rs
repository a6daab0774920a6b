//! `POST /v1/workflows/{workflow_id}/versions/{version}/publish`

use function::{MutationContext, Problem, mutation};

use super::incoming::{self, VersionPath};
use crate::model::PublishedView;
use crate::observer::Publishing;
use crate::service::versions;

/// Makes an older version the published one again; its hooks listen from now on.
///
/// The draft stays as it is, and so do runs that began with another version.
#[mutation(
    POST "/v1/workflows/{workflow_id}/versions/{version}/publish",
    permission = crate::PUBLISH,
    audit = "workflow.rolled_back"
)]
pub(super) async fn publish_version(
    cx: &MutationContext,
    path: VersionPath,
) -> Result<PublishedView, Problem> {
    let publishing = cx.service::<Publishing>();
    incoming::tell_when_committed(cx);
    let author = incoming::author(cx);
    incoming::require(cx, &path.workflow_id).await?;
    let mut tx = cx.tx().await;
    let (workflow, version) = (&path.workflow_id, &path.version);
    let done = versions::publish_version(&mut tx, author, publishing, workflow, version).await?;
    incoming::note(cx, done.id, done.revision);
    Ok(done)
}
