//! The functions of secrets.

mod delete_secret;
mod list_secrets;
mod path;
mod set_secret;

use function::Function;

/// Every function of this crate.
pub const FUNCTIONS: &[Function] =
    &[delete_secret::FUNCTION, list_secrets::FUNCTION, set_secret::FUNCTION];
