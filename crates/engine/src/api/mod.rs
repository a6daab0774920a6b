//! The functions of runs.

mod answer_run;
mod cancel_run;
mod get_run;
mod list_runs;
mod path;
mod start_run;

use function::Function;

/// Every function of this crate.
pub const FUNCTIONS: &[Function] = &[
    answer_run::FUNCTION,
    cancel_run::FUNCTION,
    get_run::FUNCTION,
    list_runs::FUNCTION,
    start_run::FUNCTION,
];
