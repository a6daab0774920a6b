//! The functions of runs.

mod answer_run;
mod cancel_run;
mod compare_runs;
mod delete_run;
mod download_file;
mod evaluate_expression;
mod get_item;
mod get_run;
mod get_statistics;
mod get_workflow_statistics;
mod list_activations;
mod list_items;
mod list_runs;
mod moment;
mod path;
mod retry_run;
mod run_from_node;
mod start_run;
mod statistics;
mod wait;

use function::Function;

/// Every function of this crate.
pub const FUNCTIONS: &[Function] = &[
    answer_run::FUNCTION,
    cancel_run::FUNCTION,
    compare_runs::FUNCTION,
    delete_run::FUNCTION,
    download_file::FUNCTION,
    evaluate_expression::FUNCTION,
    get_item::FUNCTION,
    get_run::FUNCTION,
    get_statistics::FUNCTION,
    get_workflow_statistics::FUNCTION,
    list_activations::FUNCTION,
    list_items::FUNCTION,
    list_runs::FUNCTION,
    retry_run::FUNCTION,
    run_from_node::FUNCTION,
    start_run::FUNCTION,
];
