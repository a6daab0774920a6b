//! `DELETE /v1/api-keys/{key_id}`

use function::{MutationContext, Problem, mutation};
use kernel::{ApiKeyId, codes};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::service::Authenticator;
use crate::store;

/// Which key.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ApiKeyPath {
    /// The key's id.
    key_id: ApiKeyId,
}

/// Revokes an API key: it stops working within ten seconds everywhere, here at once.
#[mutation(DELETE "/v1/api-keys/{key_id}", permission = crate::WRITE_KEYS, audit = "api_key.revoked")]
pub(super) async fn revoke_api_key(cx: &MutationContext, path: ApiKeyPath) -> Result<(), Problem> {
    if !store::revoke_key(&mut *cx.tx().await, cx.workspace(), path.key_id).await? {
        let detail = format!("There is no API key {}.", path.key_id);
        return Err(Problem::new(codes::REQUEST_NOT_FOUND, detail));
    }
    cx.after_commit(move |services| services.get::<Authenticator>().forget(path.key_id));
    Ok(())
}
