//! Workflows: documents people write, the graph the engine runs, drafts and immutable versions.

pub mod graph;

pub use graph::{Backoff, Edge, Graph, GraphNode, OnError, Order, Retention, Retry, Settings};
