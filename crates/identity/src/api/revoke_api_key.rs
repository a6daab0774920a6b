//! `DELETE /v1/api-keys/{key_id}`

use function::{MutationContext, Problem, mutation};

use super::path::{ApiKeyPath, not_found};
use crate::service::Authenticator;
use crate::store;

/// Revokes an API key: it stops working within ten seconds everywhere, here at once.
#[mutation(DELETE "/v1/api-keys/{key_id}", permission = crate::WRITE_KEYS, audit = "api_key.revoked")]
pub(super) async fn revoke_api_key(cx: &MutationContext, path: ApiKeyPath) -> Result<(), Problem> {
    if !store::revoke_key(&mut *cx.tx().await, cx.workspace(), path.key_id).await? {
        return Err(not_found(path.key_id));
    }
    cx.after_commit(move |services| services.get::<Authenticator>().forget(path.key_id));
    Ok(())
}
