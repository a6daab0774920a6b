//! `POST /v1/workflows/{workflow_id}/publish`

use function::{MutationContext, Problem, mutation};
use schemars::JsonSchema;
use serde::Deserialize;

use super::incoming::{self, WorkflowPath};
use crate::model::PublishedView;
use crate::observer::Publishing;
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
    let publishing = cx.service::<Publishing>();
    incoming::tell_when_committed(cx);
    let (author, workflow) = (incoming::author(cx), &path.workflow_id);
    incoming::require(cx, workflow).await?;
    let mut tx = cx.tx().await;
    let release = Release { revision: query.revision, note: &query.note };
    let published = service::publish(&mut tx, author, publishing, workflow, release).await?;
    incoming::note(cx, published.id, published.revision);
    Ok(published)
}
