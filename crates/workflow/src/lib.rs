//! Workflows: documents people write, the graph the engine runs, drafts and immutable versions.
//!
//! A workflow has one **draft**, which every save replaces (its `revision` goes up by one; a save
//! that names an older revision is refused), and any number of immutable **versions**, one per
//! publish. Runs keep the version they began with.
//!
//! Invariants: a stored draft parses; a stored version is valid, has a trigger, and names the
//! version of every node type. A [`Graph`] is only ever made of a valid document.
//!
//! Deliberately absent: running (crate `engine`), hook addresses (crate `trigger`, told through
//! [`PublishObserver`]), the node types themselves (a [`node::Registry`] is passed in).

mod api;
mod assemble;
mod catalog;
mod check;
mod diff;
pub mod document;
mod file_names;
pub mod graph;
mod labels;
mod model;
mod observer;
mod options;
mod order;
mod rename;
pub mod service;
mod store;
mod validate;
mod words;

use function::Permission;

pub use api::FUNCTIONS;
pub use catalog::Catalog;
pub use diff::{Change, DiffSide, DiffView, NodeDiff};
pub use document::{Connection, Document, DocumentNode, MediaType, Port, Source};
pub use graph::{Backoff, Edge, Graph, GraphNode, OnError, Order, Retention, Retry, Settings};
pub use labels::Labels;
pub use model::{
    DraftProblem, ExportedFile, FoundWorkflow, HookView, ImportedFile, Importing, OnConflict,
    ProjectView, PublishedView, Saved, SourceView, TagView, Version, VersionDetail, VersionView,
    WorkflowDetail, WorkflowFile, WorkflowView,
};
pub use observer::{PublishObserver, Publishing, Stored};
pub use options::{OptionLoader, OptionLoaders, OptionsRequest};
pub use store::STATEMENTS;
pub use validate::{Warning, validate};

/// See workflows, their versions and the node types.
pub const READ: Permission = Permission("workflow.read");
/// Make workflows and change their drafts.
pub const WRITE: Permission = Permission("workflow.write");
/// Publish workflows: let their hooks listen and their versions run.
pub const PUBLISH: Permission = Permission("workflow.publish");
