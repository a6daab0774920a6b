//! `PUT /v1/secrets/{name}`

use function::{MutationContext, Problem, mutation};
use kernel::{Secret, codes};
use schemars::JsonSchema;
use serde::Deserialize;

use super::path::SecretPath;
use crate::model::SecretView;
use crate::service::Vault;
use crate::store::{self, SealedRow};

/// Bytes of a value.
const VALUE_BYTES_MAX: usize = 64 * 1024;

/// What the secret shall be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSecret {
    /// The value, 1 to 65536 bytes. It is sealed before it is stored and never shown again.
    #[schemars(length(min = 1, max = 65536))]
    value: Secret,
}

/// Sets a secret, new or not. Whatever uses it has the new value within a second.
///
/// Documents name it: `{ "secret": "NAME" }`.
#[mutation(PUT "/v1/secrets/{name}", permission = crate::WRITE, audit = "secret.set")]
pub(super) async fn set_secret(
    cx: &MutationContext,
    path: SecretPath,
    body: NewSecret,
) -> Result<SecretView, Problem> {
    check(&body.value)?;
    let (vault, workspace) = (cx.service::<Vault>(), cx.workspace());
    let sealed = vault.key().seal(workspace, &path.name, &body.value)?;
    let row = SealedRow { key_id: vault.key().id().to_owned(), sealed };
    let by = cx.caller().principal;
    let set = store::set(&mut *cx.tx().await, workspace, &path.name, &row, by).await?;
    cx.after_commit(move |services| services.get::<Vault>().changed(workspace));
    Ok(set)
}

/// The schema counts characters.
fn check(value: &Secret) -> Result<(), Problem> {
    if value.expose().len() <= VALUE_BYTES_MAX {
        return Ok(());
    }
    let what = "must have 1 to 65536 bytes";
    let problem = Problem::new(codes::REQUEST_INVALID, format!("`/value` {what}."));
    Err(problem.at("/value", codes::REQUEST_INVALID, what))
}
