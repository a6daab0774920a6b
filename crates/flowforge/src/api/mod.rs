//! API functions that need several domains at once, which only the executable may know together.

mod get_file_run;
mod run_file;

use function::Function;

/// Every function of the executable, sorted.
pub(crate) const FUNCTIONS: &[Function] = &[get_file_run::FUNCTION, run_file::FUNCTION];
