//! `GET /v1/workflows/{workflow_id}/versions/{version}`

use function::{Problem, QueryContext, query};
use schemars::JsonSchema;
use serde::Deserialize;

use super::incoming::{SourceForm, VersionPath};
use crate::model::{SourceView, VersionDetail};
use crate::service::{self, versions};

/// What is wanted besides the document.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct VersionQuery {
    /// The document as text too, in this form. YAML that was saved as YAML keeps its comments.
    source: Option<SourceForm>,
}

/// One version with its document.
#[query(GET "/v1/workflows/{workflow_id}/versions/{version}", permission = crate::READ)]
pub(super) async fn get_version(
    cx: &QueryContext,
    path: VersionPath,
    query: VersionQuery,
) -> Result<VersionDetail, Problem> {
    let mut tx = cx.tx().await;
    let (workflow, version) = (&path.workflow_id, &path.version);
    let found = versions::find_version(&mut tx, cx.workspace(), workflow, version).await?;
    let document = service::stored(&found.document)?;
    let source = query
        .source
        .map(|form| SourceView::of(form.media_type(), &document, found.source.as_ref()));
    Ok(VersionDetail { version: found.view, document: document.to_value(), source })
}
