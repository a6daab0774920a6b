//! The path of functions about one key.

use function::Problem;
use kernel::{ApiKeyId, codes};
use schemars::JsonSchema;
use serde::Deserialize;

/// Which key.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ApiKeyPath {
    /// The key's id.
    pub(super) key_id: ApiKeyId,
}

pub(super) fn not_found(key: ApiKeyId) -> Problem {
    Problem::new(codes::REQUEST_NOT_FOUND, format!("There is no API key {key}."))
}
