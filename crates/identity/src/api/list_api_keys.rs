//! `GET /v1/api-keys`

use function::{Page, PageQuery, Problem, QueryContext, query};

use crate::model::ApiKeyView;
use crate::store;

/// The workspace's API keys, newest first, without their secrets.
#[query(GET "/v1/api-keys", permission = crate::READ_KEYS)]
pub(super) async fn list_api_keys(
    cx: &QueryContext,
    query: PageQuery,
) -> Result<Page<ApiKeyView>, Problem> {
    let (before, rows) = (query.after()?, query.rows());
    let rows = store::list_keys(&mut *cx.tx().await, cx.workspace(), before, rows).await?;
    Ok(Page::of(rows, query.limit(), |key| key.id.to_string()))
}
