//! From a document to the graph the engine runs.

use std::collections::HashMap;
use std::sync::Arc;

use expr::{Names, WorkflowInfo};
use kernel::{Problem, Value, VersionId, WorkflowId, WorkspaceId};
use node::Registry;

use crate::check::{Checked, CheckedEdge, CheckedNode, check};
use crate::document::{Document, DocumentNode, DocumentSettings, Durability, RetryPolicy};
use crate::graph::{Edge, Graph, GraphNode, Retry, Settings};
use crate::validate;

impl Graph {
    /// Checks a document and prepares it for running.
    ///
    /// Errors: those of [`crate::validate`]. A document without a trigger makes a graph that
    /// nothing can start.
    pub fn build(
        workspace: WorkspaceId,
        workflow: WorkflowId,
        version: VersionId,
        document: &Document,
        registry: &Registry,
    ) -> Result<Arc<Self>, Problem> {
        let checked = check(document, registry);
        if !checked.faults.is_empty() {
            return Err(validate::problem(checked.faults));
        }
        let Checked { nodes, edges, .. } = checked;
        let nodes: Vec<CheckedNode> = nodes.into_iter().flatten().collect();
        let edges = in_order(edges, document);
        let timezone = document.settings.timezone.clone().unwrap_or_else(|| "UTC".to_owned());
        let name = document.name.clone();
        let info = WorkflowInfo { id: workflow, name, active: true, timezone };
        let names = names(document, &nodes, &edges);
        let nodes = document
            .nodes
            .iter()
            .zip(nodes)
            .enumerate()
            .map(|(index, (node, checked))| graph_node(index, node, checked, &edges, document))
            .collect();
        let settings = settings(&document.settings);
        let (workflow, names) = (Arc::new(info), Arc::new(names));
        Ok(Arc::new(Self { workspace, workflow, version, settings, nodes, names }))
    }
}

/// Top-left first where every node has a position, else as the document lists the connections.
fn in_order(mut edges: Vec<CheckedEdge>, document: &Document) -> Vec<CheckedEdge> {
    let positions: Option<Vec<[f64; 2]>> =
        document.nodes.iter().map(|node| node.position).collect();
    if let Some(positions) = positions {
        edges.sort_by(|left, right| {
            let ([left_x, left_y], [right_x, right_y]) = (positions[left.to], positions[right.to]);
            left_y.total_cmp(&right_y).then(left_x.total_cmp(&right_x))
        });
    }
    edges
}

fn graph_node(
    index: usize,
    node: &DocumentNode,
    checked: CheckedNode,
    edges: &[CheckedEdge],
    document: &Document,
) -> GraphNode {
    let mut targets = vec![Vec::new(); checked.outputs.len()];
    let mut feeds = vec![Vec::new(); checked.inputs.len()];
    for edge in edges {
        if edge.from == index {
            targets[edge.output].push(Edge { to: edge.to, input: edge.input, back: edge.back });
        }
        if edge.to == index && !edge.back {
            feeds[edge.input].push((edge.from, edge.output));
        }
    }
    let default = checked.prepared.about().may_have_run;
    GraphNode {
        name: node.name.as_str().into(),
        kind: checked.kind,
        prepared: checked.prepared,
        inputs: checked.inputs,
        outputs: checked.outputs,
        targets,
        feeds,
        retry: node.retry.as_ref().map(retry),
        timeout: node.timeout.map(|timeout| timeout.0),
        on_error: node.on_error,
        execute_once: node.execute_once,
        always_output: node.always_output,
        disabled: node.disabled,
        may_have_run: node.may_have_run.unwrap_or(default),
        // Without a position the document's order counts, top to bottom.
        position: node.position.unwrap_or([0.0, index as f64]),
        pinned: document.pinned.get(&node.name).map(|items| Arc::new(items.clone())),
    }
}

fn names(document: &Document, nodes: &[CheckedNode], edges: &[CheckedEdge]) -> Names {
    let names: Vec<Arc<str>> =
        document.nodes.iter().map(|node| Arc::from(node.name.as_str())).collect();
    let index: HashMap<Arc<str>, usize> =
        names.iter().enumerate().map(|(index, name)| (Arc::clone(name), index)).collect();
    let parameters =
        document.nodes.iter().map(|node| Arc::new(Value::Object(node.parameters.clone())));
    let mut targets: Vec<Vec<Vec<usize>>> =
        nodes.iter().map(|node| vec![Vec::new(); node.outputs.len()]).collect();
    for edge in edges {
        targets[edge.from][edge.output].push(edge.to);
    }
    Names { names, index, parameters: parameters.collect(), targets }
}

fn retry(policy: &RetryPolicy) -> Retry {
    Retry {
        max_attempts: policy.max_attempts,
        backoff: policy.backoff,
        initial: policy.initial.0,
        max: policy.max.0,
        jitter: policy.jitter,
    }
}

fn settings(document: &DocumentSettings) -> Settings {
    let default = Settings::default();
    Settings {
        order: document.order,
        timeout: document.timeout.map(|timeout| timeout.0),
        max_parallel_nodes: document
            .max_parallel_nodes
            .map_or(default.max_parallel_nodes, usize::from),
        error_workflow: document.error_workflow.clone(),
        keep_succeeded: document.keep_runs.succeeded,
        keep_failed: document.keep_runs.failed,
        relaxed: document.durability == Durability::Relaxed,
        labels: document.labels.clone(),
        redact: document.redact.clone(),
    }
}
