//! `DELETE /v1/secrets/{name}`

use function::{MutationContext, Problem, mutation};

use super::path::SecretPath;
use crate::service::{Vault, not_found};
use crate::store;

/// Deletes a secret. What still names it refuses its callers from then on.
#[mutation(DELETE "/v1/secrets/{name}", permission = crate::WRITE, audit = "secret.deleted")]
pub(super) async fn delete_secret(cx: &MutationContext, path: SecretPath) -> Result<(), Problem> {
    let workspace = cx.workspace();
    if !store::delete(&mut *cx.tx().await, workspace, &path.name).await? {
        return Err(not_found(&path.name));
    }
    cx.after_commit(move |services| services.get::<Vault>().changed(workspace));
    Ok(())
}
