//! `GET /v1/api-keys`

use function::{Page, Problem, QueryContext, query};
use kernel::ApiKeyId;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::ApiKeyView;
use crate::store;

function::list_query! {
    /// Which keys, in which order.
    pub(super) struct ApiKeysQuery {
        /// Only keys that still work, or only those that were revoked.
        revoked: Option<bool>,
        /// In which order.
        sort: ApiKeyOrder,
    }
}

/// An order of keys.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
enum ApiKeyOrder {
    /// Newest first.
    #[default]
    #[serde(rename = "-created_at")]
    Newest,
    /// By name.
    #[serde(rename = "name")]
    Name,
}

/// The workspace's API keys, newest first unless another order is asked for, without their secrets.
#[query(GET "/v1/api-keys", permission = crate::READ_KEYS)]
pub(super) async fn list_api_keys(
    cx: &QueryContext,
    query: ApiKeysQuery,
) -> Result<Page<ApiKeyView>, Problem> {
    let (workspace, revoked) = (cx.workspace(), query.revoked);
    let mut tx = cx.tx().await;
    match query.sort {
        ApiKeyOrder::Newest => {
            let page = cx.page::<ApiKeyId>(&query)?;
            let (after, rows) = (page.after, page.rows());
            let rows = store::list_keys(&mut tx, workspace, revoked, after, rows).await?;
            Ok(page.of(rows, |key| key.id))
        }
        ApiKeyOrder::Name => {
            let page = cx.page::<(String, ApiKeyId)>(&query)?;
            let (after, rows) = (page.after.clone(), page.rows());
            let rows = store::list_keys_by_name(&mut tx, workspace, revoked, after, rows).await?;
            Ok(page.of(rows, |key| (key.name.clone(), key.id)))
        }
    }
}
