//! The functions of workflows.

mod add_connection;
mod add_node;
mod archive_workflow;
mod change;
mod create_project;
mod create_workflow;
mod delete_project;
mod delete_workflow;
mod diff_versions;
mod duplicate_workflow;
mod export_workflows;
mod get_node;
mod get_node_type;
mod get_project;
mod get_version;
mod get_workflow;
mod import_workflows;
mod incoming;
mod list_connections;
mod list_node_types;
mod list_nodes;
mod list_options;
mod list_projects;
mod list_tags;
mod list_versions;
mod list_workflows;
mod patch_node;
mod patch_workflow;
mod publish_version;
mod publish_workflow;
mod remove_connection;
mod remove_node;
mod replace_node;
mod restore_version;
mod unarchive_workflow;
mod unpublish_workflow;
mod update_project;
mod update_workflow;

use function::Function;

/// Every function of this crate.
pub const FUNCTIONS: &[Function] = &[
    add_connection::FUNCTION,
    add_node::FUNCTION,
    archive_workflow::FUNCTION,
    create_project::FUNCTION,
    create_workflow::FUNCTION,
    delete_project::FUNCTION,
    delete_workflow::FUNCTION,
    diff_versions::FUNCTION,
    duplicate_workflow::FUNCTION,
    export_workflows::FUNCTION,
    get_node::FUNCTION,
    get_node_type::FUNCTION,
    get_project::FUNCTION,
    get_version::FUNCTION,
    get_workflow::FUNCTION,
    import_workflows::FUNCTION,
    list_connections::FUNCTION,
    list_node_types::FUNCTION,
    list_nodes::FUNCTION,
    list_options::FUNCTION,
    list_projects::FUNCTION,
    list_tags::FUNCTION,
    list_versions::FUNCTION,
    list_workflows::FUNCTION,
    patch_node::FUNCTION,
    patch_workflow::FUNCTION,
    publish_version::FUNCTION,
    publish_workflow::FUNCTION,
    remove_connection::FUNCTION,
    remove_node::FUNCTION,
    replace_node::FUNCTION,
    restore_version::FUNCTION,
    unarchive_workflow::FUNCTION,
    unpublish_workflow::FUNCTION,
    update_project::FUNCTION,
    update_workflow::FUNCTION,
];
