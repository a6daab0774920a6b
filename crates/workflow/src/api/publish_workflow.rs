//! `POST /v1/workflows/{workflow_id}/publish`

use function::{MutationContext, Problem, mutation};
use schemars::JsonSchema;
use serde::Deserialize;

use super::change::Change;
use super::incoming::WorkflowPath;
use crate::model::PublishedView;
use crate::service::{self, Release};

/// What exactly is published.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PublishQuery {
    /// Revision that shall be published; another one is refused with `request.conflict`.
    #[schemars(range(min = 1))]
    revision: Option<i64>,
    /// What is to be said of the version; at most 10 000 bytes.
    #[schemars(length(max = 10_000))]
    note: String,
}

/// Makes an immutable version of the draft; its hooks listen from now on.
///
/// Runs that began with an earlier version keep it. Publishing the same content again gives the
/// same version.
#[mutation(
    POST "/v1/workflows/{workflow_id}/publish",
    permission = crate::PUBLISH,
    audit = "workflow.published"
)]
pub(super) async fn publish_workflow(
    cx: &MutationContext,
    path: WorkflowPath,
    query: PublishQuery,
) -> Result<PublishedView, Problem> {
    let mut change = Change::begin(cx, &path.workflow_id).await?;
    let Change { tx, author, publishing, .. } = &mut change;
    let release = Release { revision: query.revision, note: &query.note };
    let published = service::publish(tx, *author, publishing, &path.workflow_id, release).await?;
    Ok(change.done(published))
}
