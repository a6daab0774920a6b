//! What an expression can see.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use kernel::{Items, RunId, Value, WorkflowId, WorkspaceId};
use serde::{Deserialize, Serialize};

/// Everything an expression of one activation can see. Cheap to clone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scope {
    /// Whose runtime evaluates it: contexts are never shared between workspaces.
    pub workspace: WorkspaceId,
    /// `$workflow`
    pub workflow: Arc<WorkflowInfo>,
    /// `$execution`
    pub execution: Execution,
    /// `$now`: the moment the activation began, the same for all its items and for a repetition.
    pub now: Timestamp,
    /// Index of the node in [`RunData::nodes`].
    pub node: usize,
    /// `$runIndex`: how often the node ran before in this run.
    pub run_index: u32,
    /// Items of each input port of the activation.
    pub inputs: Arc<[Items]>,
    /// Who delivered each input port's items; `None` for a port that got none.
    pub sources: Arc<[Option<Source>]>,
    /// What every node of the run has put out so far.
    pub data: Arc<RunData>,
}

/// `$workflow`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowInfo {
    /// `$workflow.id`
    pub id: WorkflowId,
    /// `$workflow.name`
    pub name: String,
    /// `$workflow.active`: whether a version is published.
    pub active: bool,
    /// IANA name of the workflow's time zone, for `$now` and `$today`.
    pub timezone: String,
}

/// `$execution`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// `$execution.id`
    pub id: RunId,
    /// `$execution.mode` is `test` for runs from the editor and test hooks, else `production`.
    pub test: bool,
}

/// Which activation's output delivered some items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Source {
    /// Index of the node.
    pub node: u32,
    /// Which of its activations (index into [`NodeData::runs`]).
    pub run: u32,
    /// Output port.
    pub output: u32,
}

/// The outputs of a run so far, by node.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunData {
    /// Names and edges of the workflow; the same for all runs of a version.
    pub names: Arc<Names>,
    /// One entry per node, in the document's order.
    pub nodes: Vec<Arc<NodeData>>,
}

/// What one node has put out so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NodeData {
    /// Its activations that ended with outputs, in order of their end.
    pub runs: Vec<Arc<NodeRun>>,
}

/// The outcome of one activation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NodeRun {
    /// Items of each output port.
    pub outputs: Vec<Items>,
    /// Who delivered each of its input ports.
    pub sources: Arc<[Option<Source>]>,
}

/// Names and edges of a workflow, as far as expressions need them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Names {
    /// Name of each node.
    pub names: Vec<Arc<str>>,
    /// Index of each name.
    pub index: HashMap<Arc<str>, usize>,
    /// Raw parameters of each node, for `$('X').params`.
    pub parameters: Vec<Arc<Value>>,
    /// For each node and each of its output ports: the nodes it leads to.
    pub targets: Vec<Vec<Vec<usize>>>,
}
