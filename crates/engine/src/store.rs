//! The engine's SQL, by noun, and the handle that reads and changes runs outside of the flush.

pub(crate) mod flush;

use db::Statement;

/// Every statement of the engine, for the test that prepares them all.
pub const STATEMENTS: &[&Statement] =
    &[&flush::FLUSH, &flush::SETTLE, &flush::WHOLE, &flush::WHOLE_KEYED];
