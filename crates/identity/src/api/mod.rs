//! The functions of identity.

mod create_api_key;
mod get_api_key;
mod get_workspace;
mod list_api_keys;
mod name;
mod path;
mod revoke_api_key;
mod update_api_key;
mod update_workspace;

use function::Function;

/// Every function of this crate.
pub const FUNCTIONS: &[Function] = &[
    create_api_key::FUNCTION,
    get_api_key::FUNCTION,
    get_workspace::FUNCTION,
    list_api_keys::FUNCTION,
    revoke_api_key::FUNCTION,
    update_api_key::FUNCTION,
    update_workspace::FUNCTION,
];
