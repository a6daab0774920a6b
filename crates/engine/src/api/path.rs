//! The path of functions about one run.

use function::Problem;
use kernel::{RunId, codes};
use schemars::JsonSchema;
use serde::Deserialize;

/// Which run.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct RunPath {
    /// The run's id.
    run_id: String,
}

impl RunPath {
    /// The id. What is no id names no run.
    pub(super) fn run(&self) -> Result<RunId, Problem> {
        self.run_id.parse().map_err(|_| not_found(&self.run_id))
    }
}

pub(super) fn not_found(run: &str) -> Problem {
    Problem::new(codes::RUN_NOT_FOUND, format!("There is no run {run} in this workspace."))
}
