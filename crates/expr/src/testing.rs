//! Scopes for tests: a small run is told node by node.
//!
//! ```text
//! let mut run = Run::new();
//! run.ran("Ask", &[], vec![items(json!([{ "n": 1 }]))]);
//! let scope = run.at("Here", &[("Ask", 0)]);
//! ```

use std::sync::Arc;

use jiff::Timestamp;
use kernel::item::ItemSource;
use kernel::json::Object;
use kernel::{Item, Items, RunId, Value, WorkflowId, WorkspaceId};
use uuid::Uuid;

use crate::{Execution, Names, NodeData, NodeRun, RunData, Scope, Source, WorkflowInfo};

/// A run told node by node.
#[derive(Clone, Debug, Default)]
pub struct Run {
    names: Names,
    nodes: Vec<NodeData>,
}

impl Run {
    /// A run in which nothing has happened.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node, when there is none of that name, and gives its index.
    pub fn node(&mut self, name: &str) -> usize {
        if let Some(index) = self.names.index.get(name) {
            return *index;
        }
        let index = self.nodes.len();
        let name: Arc<str> = name.into();
        self.names.names.push(Arc::clone(&name));
        self.names.index.insert(name, index);
        self.names.parameters.push(Arc::new(Value::Object(Object::new())));
        self.names.targets.push(Vec::new());
        self.nodes.push(NodeData::default());
        index
    }

    /// Sets a node's raw parameters.
    pub fn parameters(&mut self, name: &str, parameters: Value) {
        let node = self.node(name);
        self.names.parameters[node] = Arc::new(parameters);
    }

    /// Adds the edge from an output of one node to another.
    pub fn edge(&mut self, from: &str, output: usize, to: &str) {
        let (from, to) = (self.node(from), self.node(to));
        let outputs = &mut self.names.targets[from];
        if outputs.len() <= output {
            outputs.resize_with(output + 1, Vec::new);
        }
        if !outputs[output].contains(&to) {
            outputs[output].push(to);
        }
    }

    /// The node ran once more: `inputs` names the node and output behind each of its input ports
    /// (their latest run), `outputs` the items of each of its outputs.
    pub fn ran(&mut self, name: &str, inputs: &[(&str, usize)], outputs: Vec<Vec<Item>>) {
        let sources = self.sources(name, inputs);
        let node = self.node(name);
        let outputs = outputs.into_iter().map(Arc::new).collect();
        self.nodes[node].runs.push(Arc::new(NodeRun { outputs, sources: sources.into() }));
    }

    /// What expressions of the node see now, with the latest items of those inputs.
    pub fn at(&mut self, name: &str, inputs: &[(&str, usize)]) -> Scope {
        let sources = self.sources(name, inputs);
        let items: Vec<Items> = sources.iter().map(|source| self.items_of(*source)).collect();
        let node = self.node(name);
        Scope {
            workspace: WorkspaceId(Uuid::from_u128(1)),
            workflow: Arc::new(WorkflowInfo {
                id: WorkflowId(Uuid::from_u128(2)),
                name: "Example".to_owned(),
                active: true,
                timezone: "Europe/Berlin".to_owned(),
            }),
            execution: Execution { id: RunId(Uuid::from_u128(3)), test: false },
            now: "2026-11-20T10:30:00.123Z".parse().unwrap_or(Timestamp::UNIX_EPOCH),
            node,
            run_index: self.nodes[node].runs.len() as u32,
            inputs: items.into(),
            sources: sources.into(),
            data: Arc::new(RunData {
                names: Arc::new(self.names.clone()),
                nodes: self.nodes.iter().cloned().map(Arc::new).collect(),
            }),
        }
    }

    fn sources(&mut self, name: &str, inputs: &[(&str, usize)]) -> Vec<Option<Source>> {
        let mut sources = Vec::with_capacity(inputs.len());
        for (from, output) in inputs {
            self.edge(from, *output, name);
            let node = self.node(from);
            let run = self.nodes[node].runs.len().checked_sub(1);
            sources.push(run.map(|run| Source {
                node: node as u32,
                run: run as u32,
                output: *output as u32,
            }));
        }
        sources
    }

    fn items_of(&self, source: Option<Source>) -> Items {
        let items = source.and_then(|source| {
            let run = self.nodes[source.node as usize].runs.get(source.run as usize)?;
            run.outputs.get(source.output as usize).cloned()
        });
        items.unwrap_or_default()
    }
}

/// A scope whose node `Here` gets these items from the node `Start`.
pub fn scope(list: Value) -> Scope {
    let mut run = Run::new();
    run.ran("Start", &[], vec![items(list)]);
    run.at("Here", &[("Start", 0)])
}

/// The objects of a JSON list as items, each paired with the input item of its own index. What is
/// no object is left out.
pub fn items(list: Value) -> Vec<Item> {
    let Value::Array(list) = list else { return Vec::new() };
    let objects = list.into_iter().filter_map(|value| match value {
        Value::Object(object) => Some(object),
        _ => None,
    });
    objects.enumerate().map(|(index, object)| Item::new(object).paired(index)).collect()
}

/// The item, paired with these items of input 0.
pub fn paired(mut item: Item, with: &[u32]) -> Item {
    let sources = with.iter().map(|index| ItemSource { item: *index, input: 0 });
    item.pairing = kernel::item::Pairing::of(sources);
    item
}
