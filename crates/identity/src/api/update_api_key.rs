//! `PATCH /v1/api-keys/{key_id}`

use function::{MutationContext, Problem, mutation};
use schemars::JsonSchema;
use serde::Deserialize;

use super::name::NAME;
use super::path::{ApiKeyPath, not_found};
use crate::model::ApiKeyView;
use crate::store;

/// What of a key shall change: a JSON merge patch (RFC 7396).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiKeyPatch {
    /// What its owner calls it, 1 to 200 characters.
    #[serde(default)]
    #[schemars(with = "String", length(min = 1, max = 200), regex(pattern = NAME))]
    name: Option<String>,
}

/// Changes the name of an API key; what is absent stays as it is.
///
/// With `if-match` it is refused unless the key is as it was read.
#[mutation(PATCH "/v1/api-keys/{key_id}", permission = crate::WRITE_KEYS, audit = "api_key.updated")]
pub(super) async fn update_api_key(
    cx: &MutationContext,
    path: ApiKeyPath,
    body: ApiKeyPatch,
) -> Result<ApiKeyView, Problem> {
    let mut tx = cx.tx().await;
    let key = store::find_api_key(&mut tx, cx.workspace(), path.key_id).await?;
    let mut key = key.ok_or_else(|| not_found(path.key_id))?;
    cx.require_version(key.version())?;
    if let Some(name) = body.name {
        store::rename_key(&mut tx, cx.workspace(), path.key_id, &name).await?;
        key.name = name;
    }
    cx.set_version(key.version());
    Ok(key)
}
