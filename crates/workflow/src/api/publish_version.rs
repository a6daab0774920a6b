//! `POST /v1/workflows/{workflow_id}/versions/{version}/publish`

use function::{MutationContext, Problem, mutation};

use super::change::Change;
use super::incoming::VersionPath;
use crate::model::PublishedView;
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
    let mut change = Change::begin(cx, &path.workflow_id).await?;
    let Change { tx, author, publishing, .. } = &mut change;
    let (workflow, version) = (&path.workflow_id, &path.version);
    let done = versions::publish_version(tx, *author, publishing, workflow, version).await?;
    Ok(change.done(done))
}
