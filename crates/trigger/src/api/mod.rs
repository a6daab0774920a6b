//! The functions of hooks.

mod get_heard_call;
mod list_hook_calls;
mod list_hooks;
mod listen_to_hooks;
mod listening;

use function::Function;

/// Every function of this crate.
pub const FUNCTIONS: &[Function] = &[
    get_heard_call::FUNCTION,
    list_hook_calls::FUNCTION,
    list_hooks::FUNCTION,
    listen_to_hooks::FUNCTION,
];
