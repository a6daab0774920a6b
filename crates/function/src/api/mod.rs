//! The functions about functions.

mod list_audit;

use crate::declaration::Function;

/// Every function of this crate.
pub const FUNCTIONS: &[Function] = &[list_audit::FUNCTION];
