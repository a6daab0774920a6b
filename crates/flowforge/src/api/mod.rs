//! API functions that need several domains at once, which only the executable may know together.

mod run_file;

use function::Function;

/// Every function of the executable, sorted.
pub(crate) const FUNCTIONS: &[Function] = &[run_file::FUNCTION];
