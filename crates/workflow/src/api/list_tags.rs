//! `GET /v1/workflow-tags`

use function::{Problem, QueryContext, query};
use schemars::JsonSchema;
use serde::Serialize;

use crate::model::TagView;
use crate::store::lists;

/// Tags.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Tags {
    /// By name.
    items: Vec<TagView>,
}

/// Every tag in use, with the number of its workflows.
#[query(GET "/v1/workflow-tags", permission = crate::READ)]
pub(super) async fn list_tags(cx: &QueryContext) -> Result<Tags, Problem> {
    let items = lists::list_tags(&mut *cx.tx().await, cx.workspace()).await?;
    Ok(Tags { items })
}
