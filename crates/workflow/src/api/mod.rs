//! The functions of workflows.

mod create_workflow;
mod get_workflow;
mod incoming;
mod list_node_types;
mod list_versions;
mod list_workflows;
mod publish_workflow;
mod update_workflow;

use function::Function;

/// Every function of this crate.
pub const FUNCTIONS: &[Function] = &[
    create_workflow::FUNCTION,
    get_workflow::FUNCTION,
    list_node_types::FUNCTION,
    list_versions::FUNCTION,
    list_workflows::FUNCTION,
    publish_workflow::FUNCTION,
    update_workflow::FUNCTION,
];
