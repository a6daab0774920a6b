//! The path of one secret.

use schemars::JsonSchema;
use serde::Deserialize;

/// Which secret.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct SecretPath {
    /// The secret's name: 1 to 100 ASCII letters, digits, `-`, `_` or `.`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_.-]{1,100}$"))]
    pub(super) name: String,
}
