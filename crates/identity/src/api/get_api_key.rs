//! `GET /v1/api-keys/{key_id}`

use function::{Problem, QueryContext, query};

use super::path::{ApiKeyPath, not_found};
use crate::model::ApiKeyView;
use crate::store;

/// One API key, without its secret.
#[query(GET "/v1/api-keys/{key_id}", permission = crate::READ_KEYS)]
pub(super) async fn get_api_key(
    cx: &QueryContext,
    path: ApiKeyPath,
) -> Result<ApiKeyView, Problem> {
    let found = store::find_api_key(&mut *cx.tx().await, cx.workspace(), path.key_id).await?;
    let key = found.ok_or_else(|| not_found(path.key_id))?;
    cx.set_version(key.version());
    Ok(key)
}
