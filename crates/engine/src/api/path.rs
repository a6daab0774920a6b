//! The path of functions about one run.

use function::Problem;
use kernel::{RunId, codes};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::record::ActivationId;

/// Which run.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct RunPath {
    /// The run's id.
    run_id: String,
}

/// Which activation of a run.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ActivationPath {
    /// The run's id.
    run_id: String,
    /// Number of the activation in the run.
    activation: String,
}

impl ActivationPath {
    /// The run and the number. What is no id names no run.
    pub(super) fn activation(&self) -> Result<(RunId, ActivationId), Problem> {
        let run = self.run_id.parse().map_err(|_| not_found(&self.run_id))?;
        let activation = self.activation.parse().map_err(|_| {
            let detail =
                format!("There is no activation \"{}\"; they are numbers.", self.activation);
            Problem::new(codes::REQUEST_NOT_FOUND, detail)
        })?;
        Ok((run, activation))
    }
}

/// Which item of an activation.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ItemPath {
    /// The run's id.
    run_id: String,
    /// Number of the activation in the run.
    activation: String,
    /// Number of the item on its port.
    item: String,
}

impl ItemPath {
    /// The run and the numbers.
    pub(super) fn item(self) -> Result<(RunId, ActivationId, usize), Problem> {
        let Self { run_id, activation, item } = self;
        let (run, activation) = ActivationPath { run_id, activation }.activation()?;
        let item = item.parse().map_err(|_| {
            let detail = format!("There is no item \"{item}\"; they are numbers.");
            Problem::new(codes::REQUEST_NOT_FOUND, detail)
        })?;
        Ok((run, activation, item))
    }
}

/// Which file of an item.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct FilePath {
    /// The run's id.
    run_id: String,
    /// Number of the activation in the run.
    activation: String,
    /// Number of the item on its port.
    item: String,
    /// Name of the file at the item.
    file: String,
}

impl FilePath {
    /// The run, the numbers and the name.
    pub(super) fn file(self) -> Result<(RunId, ActivationId, usize, String), Problem> {
        let Self { run_id, activation, item, file } = self;
        let (run, activation, item) = ItemPath { run_id, activation, item }.item()?;
        Ok((run, activation, item, file))
    }
}

/// Which workflow.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct WorkflowPath {
    /// The workflow's id, or its name.
    #[schemars(length(min = 1, max = 200))]
    pub(super) workflow_id: String,
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
