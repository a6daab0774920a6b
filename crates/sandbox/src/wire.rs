//! What parent and child say to each other: one order, one reply.

use std::collections::HashMap;
use std::sync::Arc;

use expr::{Execution, Names, NodeData, NodeRun, RunData, Scope, Source, WorkflowInfo};
use jiff::Timestamp;
use kernel::{Item, Items, RunId, Value, WorkflowId, WorkspaceId};
use node::{CodeMode, CodeRequest};
use serde::{Deserialize, Serialize};

/// A script to run. Lists of items are named by their index in `lists`: the same list is sent once.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) code: String,
    pub(crate) each_item: bool,
    /// With `each_item`: whether to go on after an item whose call threw.
    pub(crate) apart: bool,
    pub(crate) timeout_ms: u64,
    /// How long the child waits for the next order.
    pub(crate) idle_ms: u64,
    memory_bytes: u64,
    pub(crate) globals: Vec<(String, Value)>,
    items: usize,
    lists: Vec<Items>,
    workspace: WorkspaceId,
    workflow: WorkflowId,
    workflow_name: String,
    active: bool,
    timezone: String,
    execution: RunId,
    test: bool,
    now: Timestamp,
    node: usize,
    run_index: u32,
    inputs: Vec<usize>,
    sources: Vec<Option<Edge>>,
    names: Vec<Arc<str>>,
    parameters: Vec<Arc<Value>>,
    targets: Vec<Vec<Vec<usize>>>,
    nodes: Vec<Vec<Run>>,
}

/// [`Source`] on the wire: node, run, output.
#[derive(Serialize, Deserialize)]
struct Edge(u32, u32, u32);

/// [`NodeRun`] on the wire.
#[derive(Serialize, Deserialize)]
struct Run {
    outputs: Vec<usize>,
    sources: Vec<Option<Edge>>,
}

/// What became of an order.
#[derive(Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) value: Option<Value>,
    pub(crate) problem: Option<kernel::Problem>,
    /// Items whose calls threw.
    pub(crate) failures: Vec<(usize, kernel::Problem)>,
    /// Level and text.
    pub(crate) console: Vec<(String, String)>,
}

impl Order {
    /// The order for a request. The outputs of other nodes are sent only if the script can ask for
    /// them.
    pub(crate) fn new(
        request: &CodeRequest,
        timeout_ms: u64,
        idle_ms: u64,
        memory_bytes: u64,
    ) -> Self {
        let scope = &request.scope;
        let mut lists = Lists::default();
        let nodes = if asks_for_other_nodes(&request.code) {
            scope.data.nodes.iter().map(|node| lists.runs(node)).collect()
        } else {
            vec![]
        };
        Self {
            code: request.code.clone(),
            each_item: request.mode != CodeMode::Once,
            apart: request.mode == CodeMode::EachItemApart,
            timeout_ms,
            idle_ms,
            memory_bytes,
            globals: request.globals.clone(),
            items: lists.index(&request.items),
            workspace: scope.workspace,
            workflow: scope.workflow.id,
            workflow_name: scope.workflow.name.clone(),
            active: scope.workflow.active,
            timezone: scope.workflow.timezone.clone(),
            execution: scope.execution.id,
            test: scope.execution.test,
            now: scope.now,
            node: scope.node,
            run_index: scope.run_index,
            inputs: scope.inputs.iter().map(|items| lists.index(items)).collect(),
            sources: edges(&scope.sources),
            names: scope.data.names.names.clone(),
            parameters: scope.data.names.parameters.clone(),
            targets: scope.data.names.targets.clone(),
            nodes,
            lists: lists.lists,
        }
    }

    /// Bytes the script may use.
    pub(crate) fn memory(&self) -> usize {
        usize::try_from(self.memory_bytes).unwrap_or(usize::MAX)
    }

    /// The items of the order.
    pub(crate) fn items(&self) -> Items {
        list(&self.lists, self.items)
    }

    /// The scope of the order.
    pub(crate) fn scope(&self) -> Scope {
        let names = Names {
            names: self.names.clone(),
            index: self.names.iter().cloned().enumerate().map(|(at, name)| (name, at)).collect(),
            parameters: self.parameters.clone(),
            targets: self.targets.clone(),
        };
        let run = |run: &Run| {
            Arc::new(NodeRun {
                outputs: run.outputs.iter().map(|at| list(&self.lists, *at)).collect(),
                sources: sources(&run.sources),
            })
        };
        let nodes = (0..self.names.len()).map(|at| {
            let runs = self.nodes.get(at).map(Vec::as_slice).unwrap_or_default();
            Arc::new(NodeData { runs: runs.iter().map(run).collect() })
        });
        Scope {
            workspace: self.workspace,
            workflow: Arc::new(WorkflowInfo {
                id: self.workflow,
                name: self.workflow_name.clone(),
                active: self.active,
                timezone: self.timezone.clone(),
            }),
            execution: Execution { id: self.execution, test: self.test },
            now: self.now,
            node: self.node,
            run_index: self.run_index,
            inputs: self.inputs.iter().map(|at| list(&self.lists, *at)).collect(),
            sources: sources(&self.sources),
            data: Arc::new(RunData { names: Arc::new(names), nodes: nodes.collect() }),
        }
    }
}

/// Names after `$` that have nothing to do with other nodes.
const OWN: &[&str] = &[
    "json",
    "binary",
    "input",
    "itemIndex",
    "runIndex",
    "prevNode",
    "parameter",
    "workflow",
    "execution",
    "vars",
    "env",
    "now",
    "today",
    "jmespath",
    "jmesPath",
    "if",
    "ifEmpty",
    "not",
    "min",
    "max",
    "average",
];

/// Whether a script may look at what other nodes have put out. Rather once too often: what is not
/// sent looks as if it had not run. So every `$` counts that does not begin a known variable (a
/// function may be kept under another name), but for `${` in a text with parts to fill in.
fn asks_for_other_nodes(code: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '\\');
    let other = |(at, _): (usize, &str)| {
        let rest = &code[at + 1..];
        let name = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
        let in_a_name = code[..at].ends_with(is_name);
        let fills_in = name.is_empty() && rest.starts_with('{');
        !fills_in && (in_a_name || !OWN.contains(&name))
    };
    // Names may be put together at run time.
    code.match_indices('$').any(other)
        || ["globalThis", "eval", "\\u"].iter().any(|word| code.contains(word))
}

#[cfg(test)]
mod tests {
    use super::asks_for_other_nodes;

    #[test]
    fn any_dollar_that_is_no_known_variable_may_ask_for_other_nodes() {
        for code in [
            "return $('A').first()",
            "const at = $; return at('A').first()",
            "const at = $\nreturn at('A').first()",
            "[$].map(f => f('A'))",
            "return $ /* of */ ('A')",
            "return $node.A",
            "return $items('A')",
            "return globalThis['\\x24']('A')",
            "return \\u0024('A')",
            "const { $: at } = this",
            "return $",
        ] {
            assert!(asks_for_other_nodes(code), "{code}");
        }
        for code in [
            "return items.length",
            "return $json.a + $input.first().json.b",
            "return `${$json.a} costs ${1 + 2}`",
            "return $now.plus($itemIndex, 'days')",
        ] {
            assert!(!asks_for_other_nodes(code), "{code}");
        }
    }
}

/// Every list once, by the identity of its memory.
#[derive(Default)]
struct Lists {
    lists: Vec<Items>,
    known: HashMap<*const Vec<Item>, usize>,
}

impl Lists {
    fn index(&mut self, items: &Items) -> usize {
        *self.known.entry(Arc::as_ptr(items)).or_insert_with(|| {
            self.lists.push(items.clone());
            self.lists.len() - 1
        })
    }

    fn runs(&mut self, node: &NodeData) -> Vec<Run> {
        let run = |run: &Arc<NodeRun>| Run {
            outputs: run.outputs.iter().map(|items| self.index(items)).collect(),
            sources: edges(&run.sources),
        };
        node.runs.iter().map(run).collect()
    }
}

fn list(lists: &[Items], at: usize) -> Items {
    lists.get(at).cloned().unwrap_or_default()
}

fn edges(sources: &[Option<Source>]) -> Vec<Option<Edge>> {
    let edge = |source: Source| Edge(source.node, source.run, source.output);
    sources.iter().map(|source| source.map(edge)).collect()
}

fn sources(edges: &[Option<Edge>]) -> Arc<[Option<Source>]> {
    let source = |edge: &Edge| Source { node: edge.0, run: edge.1, output: edge.2 };
    edges.iter().map(|edge| edge.as_ref().map(source)).collect()
}
