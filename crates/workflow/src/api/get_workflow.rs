//! `GET /v1/workflows/{workflow_id}`

use function::{Problem, QueryContext, query};
use schemars::JsonSchema;
use serde::Deserialize;

use super::incoming::{SourceForm, WorkflowPath};
use crate::model::{SourceView, WorkflowDetail};
use crate::observer::Publishing;
use crate::service;

/// What is wanted besides the document.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct GetQuery {
    /// The draft as text too, in this form. YAML that was saved as YAML keeps its comments.
    source: Option<SourceForm>,
}

/// One workflow with its draft.
#[query(GET "/v1/workflows/{workflow_id}", permission = crate::READ)]
pub(super) async fn get_workflow(
    cx: &QueryContext,
    path: WorkflowPath,
    query: GetQuery,
) -> Result<WorkflowDetail, Problem> {
    let row = service::find(&mut *cx.tx().await, cx.workspace(), &path.workflow_id).await?;
    cx.set_version(row.view.revision);
    let document = service::stored(&row.document)?;
    let (warnings, problem) = service::look_over(&document, &cx.service::<Publishing>().registry);
    let source =
        query.source.map(|form| SourceView::of(form.media_type(), &document, row.source.as_ref()));
    let document = document.to_value();
    Ok(WorkflowDetail { workflow: row.view, document, source, warnings, problem })
}
