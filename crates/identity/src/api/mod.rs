//! The functions of identity.

mod create_api_key;
mod get_workspace;
mod list_api_keys;
mod revoke_api_key;

use function::Function;

/// Every function of this crate.
pub const FUNCTIONS: &[Function] = &[
    create_api_key::FUNCTION,
    get_workspace::FUNCTION,
    list_api_keys::FUNCTION,
    revoke_api_key::FUNCTION,
];
