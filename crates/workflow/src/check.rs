//! Goes through a document once: prepares its nodes, resolves its connections, notes what is wrong.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use expr::Template;
use kernel::json::push_key;
use kernel::limits::{NAME_BYTES_MAX, NODES_MAX};
use kernel::suggest::nearest;
use kernel::{Code, Value, codes};
use node::{NodeType, Registry, Shape, SharedNode};

use crate::document::{Connection, Document, DocumentNode, Port, suggest};
use crate::graph::OnError;
use crate::order::{Successors, cycles, reached, reversed};
use crate::validate::{Fault, Warning};

/// The name of the output that failed items go to.
pub(crate) const ERROR_PORT: &str = "error";

/// A document gone through.
pub(crate) struct Checked {
    /// One per node of the document; `None` where its type or parameters are wrong.
    pub(crate) nodes: Vec<Option<CheckedNode>>,
    /// Connections whose ends exist.
    pub(crate) edges: Vec<CheckedEdge>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) warnings: Vec<Warning>,
    /// Whether an enabled trigger can start it.
    pub(crate) has_trigger: bool,
}

pub(crate) struct CheckedNode {
    /// `core.set@1`
    pub(crate) kind: Arc<str>,
    pub(crate) prepared: SharedNode,
    pub(crate) inputs: Vec<String>,
    /// The error port included.
    pub(crate) outputs: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CheckedEdge {
    pub(crate) from: usize,
    pub(crate) output: usize,
    pub(crate) to: usize,
    pub(crate) input: usize,
    pub(crate) back: bool,
    /// Index of the connection in the document.
    pub(crate) connection: usize,
}

/// Goes through a document.
pub(crate) fn check(document: &Document, registry: &Registry) -> Checked {
    let mut check = Check {
        document,
        registry,
        index: HashMap::new(),
        references: Vec::new(),
        checked: Checked {
            nodes: Vec::new(),
            edges: Vec::new(),
            faults: Vec::new(),
            warnings: Vec::new(),
            has_trigger: false,
        },
    };
    check.names();
    check.settings();
    check.nodes();
    check.connections();
    check.loops();
    check.reach();
    check.expressions();
    check.pinned();
    check.checked
}

struct Check<'a> {
    document: &'a Document,
    registry: &'a Registry,
    index: HashMap<&'a str, usize>,
    /// Expressions that name other nodes: (node, pointer, name it refers to).
    references: Vec<(usize, String, Arc<str>)>,
    checked: Checked,
}

impl<'a> Check<'a> {
    fn names(&mut self) {
        if let Some(what) = bad_name(&self.document.name) {
            let detail = format!("The workflow's name {what}");
            self.fault(codes::WORKFLOW_BAD_NAME, "/name".to_owned(), None, detail);
        }
        let count = self.document.nodes.len();
        if count > NODES_MAX {
            let detail = format!(
                "The workflow has {count} nodes; at most {NODES_MAX} may be in one. \
                 Move some into a workflow of their own and call it"
            );
            self.fault(codes::WORKFLOW_TOO_LARGE, "/nodes".to_owned(), None, detail);
        }
        for (index, node) in self.document.nodes.iter().enumerate() {
            if let Some(what) = bad_name(&node.name) {
                let detail = format!("The name of node {index} {what}");
                let pointer = format!("/nodes/{index}/name");
                self.fault(codes::WORKFLOW_BAD_NAME, pointer, Some(index), detail);
            }
            match self.index.get(node.name.as_str()) {
                Some(first) => {
                    let detail = format!(
                        "Two nodes are called \"{}\" (numbers {first} and {index}, from 0); \
                         give one of them another name",
                        node.name
                    );
                    let pointer = format!("/nodes/{index}/name");
                    self.fault(codes::WORKFLOW_DUPLICATE_NODE, pointer, Some(index), detail);
                }
                None => {
                    self.index.insert(&node.name, index);
                }
            }
        }
    }

    fn settings(&mut self) {
        let zone = self.document.settings.timezone.as_deref();
        if let Some(zone) = zone.filter(|zone| jiff::tz::TimeZone::get(zone).is_err()) {
            let detail = format!("\"{zone}\" is not an IANA time zone such as Europe/Berlin");
            self.fault(codes::WORKFLOW_INVALID, "/settings/timezone".to_owned(), None, detail);
        }
    }

    fn nodes(&mut self) {
        for (index, node) in self.document.nodes.iter().enumerate() {
            let checked = self.node(index, node);
            let trigger =
                checked.as_ref().is_some_and(|checked| checked.prepared.shape() == Shape::Trigger);
            self.checked.has_trigger |= trigger && !node.disabled;
            self.checked.nodes.push(checked);
            self.node_settings(index, node);
        }
    }

    fn node(&mut self, index: usize, node: &DocumentNode) -> Option<CheckedNode> {
        let templates_fine = self.templates(index, node);
        let Some(kind) = self.registry.find(&node.kind).copied() else {
            self.unknown_type(index, node);
            return None;
        };
        let prepared = match (kind.prepare)(&node.parameters) {
            Ok(prepared) => prepared,
            Err(problems) => {
                self.parameters(index, node, problems);
                return None;
            }
        };
        if !templates_fine {
            return None;
        }
        let mut outputs = prepared.outputs();
        if node.on_error == OnError::ErrorOutput {
            if outputs.iter().any(|output| output == ERROR_PORT) {
                let detail = format!(
                    "Node \"{}\" has an output \"{ERROR_PORT}\" of its own, which collides with \
                     the one that on_error: error_output makes; rename it",
                    node.name
                );
                let pointer = format!("/nodes/{index}/on_error");
                self.fault(codes::WORKFLOW_INVALID, pointer, Some(index), detail);
            }
            outputs.push(ERROR_PORT.to_owned());
        }
        let inputs = prepared.inputs();
        Some(CheckedNode { kind: full_name(&kind), prepared, inputs, outputs })
    }

    fn unknown_type(&mut self, index: usize, node: &DocumentNode) {
        let (name, version) = match node.kind.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (node.kind.as_str(), None),
        };
        let versions: Vec<String> = self
            .registry
            .iter()
            .filter(|kind| kind.about.name == name)
            .map(|kind| kind.about.version.to_string())
            .collect();
        let hint = match version {
            Some(version) if !versions.is_empty() => {
                format!("version {version} does not exist, there is {}", versions.join(", "))
            }
            _ => suggest(name, self.registry.iter().map(|kind| kind.about.name)),
        };
        let detail =
            format!("Node \"{}\": there is no node type \"{}\"; {hint}", node.name, node.kind);
        let pointer = format!("/nodes/{index}/type");
        self.fault(codes::WORKFLOW_UNKNOWN_TYPE, pointer, Some(index), detail);
    }

    fn parameters(
        &mut self,
        index: usize,
        node: &DocumentNode,
        problems: Vec<kernel::FieldProblem>,
    ) {
        for problem in problems {
            let pointer = format!("/nodes/{index}/parameters{}", problem.pointer);
            // An expression that does not parse was told of already, with its place in the text.
            if self.checked.faults.iter().any(|fault| fault.pointer == pointer) {
                continue;
            }
            let code = Code::find(&problem.code).unwrap_or(codes::NODE_PARAMETER);
            let detail = format!("Node \"{}\": {}", node.name, problem.detail);
            self.fault(code, pointer, Some(index), detail);
        }
    }

    /// Parses every expression of a node's parameters; whether all of them do.
    fn templates(&mut self, index: usize, node: &DocumentNode) -> bool {
        let before = self.checked.faults.len();
        let mut pointer = format!("/nodes/{index}/parameters");
        for (key, value) in &node.parameters {
            let length = pointer.len();
            push_key(&mut pointer, key);
            self.template(index, node, value, &mut pointer);
            pointer.truncate(length);
        }
        self.checked.faults.len() == before
    }

    fn template(&mut self, index: usize, node: &DocumentNode, value: &Value, pointer: &mut String) {
        let length = pointer.len();
        match value {
            Value::String(text) if text.starts_with('=') => match Template::parse(text) {
                Ok(template) => {
                    let names = template.references().iter();
                    self.references
                        .extend(names.map(|name| (index, pointer.clone(), Arc::clone(name))));
                }
                Err(problem) => {
                    let detail = format!("Node \"{}\": {}", node.name, problem.detail);
                    self.fault(problem.code, pointer.clone(), Some(index), detail);
                }
            },
            Value::Array(list) => {
                for (at, value) in list.iter().enumerate() {
                    push_key(pointer, &at.to_string());
                    self.template(index, node, value, pointer);
                    pointer.truncate(length);
                }
            }
            Value::Object(object) => {
                for (key, value) in object {
                    push_key(pointer, key);
                    self.template(index, node, value, pointer);
                    pointer.truncate(length);
                }
            }
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn node_settings(&mut self, index: usize, node: &DocumentNode) {
        if let Some(retry) = &node.retry {
            if retry.initial > retry.max {
                let detail = format!(
                    "Node \"{}\": the first wait ({}) is longer than the longest ({})",
                    node.name, retry.initial, retry.max
                );
                let pointer = format!("/nodes/{index}/retry/initial");
                self.fault(codes::WORKFLOW_INVALID, pointer, Some(index), detail);
            }
            if !(1..=100).contains(&retry.max_attempts) {
                let detail = format!("Node \"{}\": max_attempts must be from 1 to 100", node.name);
                let pointer = format!("/nodes/{index}/retry/max_attempts");
                self.fault(codes::WORKFLOW_INVALID, pointer, Some(index), detail);
            }
        }
        if node.timeout.is_some_and(|timeout| timeout.0.is_zero()) {
            let detail = format!("Node \"{}\": a timeout of 0 leaves no time to run", node.name);
            let pointer = format!("/nodes/{index}/timeout");
            self.fault(codes::WORKFLOW_INVALID, pointer, Some(index), detail);
        }
        if let Some(undo) = node.undo.as_deref().filter(|undo| !self.index.contains_key(undo)) {
            let hint = suggest(undo, self.index.keys().copied());
            let detail =
                format!("Node \"{}\": its undo \"{undo}\" does not exist; {hint}", node.name);
            let pointer = format!("/nodes/{index}/undo");
            self.fault(codes::WORKFLOW_UNKNOWN_NODE, pointer, Some(index), detail);
        }
    }

    fn connections(&mut self) {
        let mut known = HashSet::new();
        for (at, connection) in self.document.connections.iter().enumerate() {
            let from = self.end(at, connection, &connection.from, "from");
            let to = self.end(at, connection, &connection.to, "to");
            let (Some(from), Some(to)) = (from, to) else { continue };
            let output = self.port(at, connection, from, Side::Output);
            let input = self.port(at, connection, to, Side::Input);
            let (Some(output), Some(input)) = (output, input) else { continue };
            // Where a node's ports are not known every port is 0; what is written tells them apart.
            let unknown = |node: usize| self.checked.nodes[node].is_none();
            let written = (
                connection.output.as_ref().filter(|_| unknown(from)),
                connection.input.as_ref().filter(|_| unknown(to)),
            );
            if !known.insert((from, output, to, input, written)) {
                let detail = format!("The connection {connection} stands here twice; remove one");
                let pointer = format!("/connections/{at}");
                self.fault(codes::WORKFLOW_DUPLICATE_CONNECTION, pointer, Some(from), detail);
                continue;
            }
            let back = connection.back;
            self.checked.edges.push(CheckedEdge { from, output, to, input, back, connection: at });
        }
    }

    fn end(
        &mut self,
        at: usize,
        connection: &Connection,
        name: &str,
        field: &str,
    ) -> Option<usize> {
        if let Some(index) = self.index.get(name) {
            return Some(*index);
        }
        let hint = suggest(name, self.index.keys().copied());
        let detail = format!("{connection}: there is no node \"{name}\"; {hint}");
        let pointer = match connection.short() {
            Some(_) => format!("/connections/{at}"),
            None => format!("/connections/{at}/{field}"),
        };
        self.fault(codes::WORKFLOW_DANGLING_CONNECTION, pointer, None, detail);
        None
    }

    /// The index of a connection's port; 0 where the node's ports are not known.
    fn port(
        &mut self,
        at: usize,
        connection: &Connection,
        node: usize,
        side: Side,
    ) -> Option<usize> {
        let Some(checked) = &self.checked.nodes[node] else { return Some(0) };
        let (ports, wanted, word) = match side {
            Side::Output => (&checked.outputs, &connection.output, "output"),
            Side::Input => (&checked.inputs, &connection.input, "input"),
        };
        let found = match wanted {
            None if ports.is_empty() => None,
            None => Some(0),
            Some(Port::Index(index)) if *index < ports.len() => Some(*index),
            Some(Port::Index(index)) => ports.iter().position(|port| *port == index.to_string()),
            Some(Port::Name(name)) => ports.iter().position(|port| port == name),
        };
        if found.is_some() {
            return found;
        }
        let name = &self.document.nodes[node].name;
        let what = match wanted {
            _ if ports.is_empty() && side == Side::Input => {
                format!("\"{name}\" is a trigger and takes no input; remove the connection")
            }
            Some(Port::Name(port)) if port == ERROR_PORT && side == Side::Output => {
                format!("\"{name}\" has no output \"error\"; give it on_error: error_output")
            }
            Some(port) => format!(
                "\"{name}\" has no {word} \"{port}\"; {}",
                suggest(&port.to_string(), ports.iter().map(String::as_str))
            ),
            None => format!("\"{name}\" has no {word}"),
        };
        let detail = format!("{connection}: {what}");
        let pointer = format!("/connections/{at}");
        self.fault(codes::WORKFLOW_UNKNOWN_PORT, pointer, Some(node), detail);
        None
    }

    fn loops(&mut self) {
        let forward = self.successors(|edge| !edge.back);
        for cycle in cycles(&forward) {
            let names: Vec<&str> =
                cycle.iter().map(|node| self.document.nodes[*node].name.as_str()).collect();
            let (first, last) = (cycle[0], cycle[cycle.len() - 1]);
            let closing = self
                .checked
                .edges
                .iter()
                .find(|edge| edge.from == last && edge.to == first && !edge.back)
                .map_or(0, |edge| edge.connection);
            let detail = format!(
                "{} → {} is a cycle. If it is meant as a loop, mark the connection that leads \
                 back: \"{} ~> {}\"; otherwise remove one of its connections",
                names.join(" → "),
                names[0],
                names[names.len() - 1],
                names[0]
            );
            let pointer = format!("/connections/{closing}");
            self.fault(codes::WORKFLOW_CYCLE, pointer, Some(first), detail);
        }
        let all = self.successors(|_| true);
        for edge in self.checked.edges.clone().into_iter().filter(|edge| edge.back) {
            if !reached(&all, [edge.to])[edge.from] {
                let connection = &self.document.connections[edge.connection];
                let detail = format!(
                    "{connection} is marked as a back edge but closes no loop; write it with ->"
                );
                let pointer = format!("/connections/{}", edge.connection);
                self.warn(codes::WORKFLOW_BACK_EDGE, pointer, Some(edge.from), detail);
            }
        }
    }

    fn reach(&mut self) {
        let nodes = &self.checked.nodes;
        let triggers: Vec<usize> = (0..nodes.len())
            .filter(|index| match &nodes[*index] {
                Some(node) => node.prepared.shape() == Shape::Trigger,
                // It may well be a trigger: its fault is told of, the nodes after it are not.
                None => true,
            })
            .collect();
        if !self.checked.has_trigger && nodes.iter().all(Option::is_some) {
            let detail = "No enabled trigger starts this workflow; add one, such as core.manual";
            let pointer = "/nodes".to_owned();
            self.warn(codes::WORKFLOW_NO_TRIGGER, pointer, None, detail.to_owned());
        }
        let undos: Vec<&str> =
            self.document.nodes.iter().filter_map(|node| node.undo.as_deref()).collect();
        let seen = reached(&self.successors(|_| true), triggers);
        for (index, node) in self.document.nodes.iter().enumerate() {
            if seen[index] || undos.contains(&node.name.as_str()) {
                continue;
            }
            let detail = format!(
                "Node \"{}\" is not reached from any trigger and never runs; connect or remove it",
                node.name
            );
            let pointer = format!("/nodes/{index}");
            self.warn(codes::WORKFLOW_UNREACHABLE_NODE, pointer, Some(index), detail);
        }
    }

    fn expressions(&mut self) {
        let backward = reversed(&self.successors(|_| true));
        let mut upstream: HashMap<usize, Vec<bool>> = HashMap::new();
        for (node, pointer, name) in std::mem::take(&mut self.references) {
            let own = &self.document.nodes[node].name;
            let Some(target) = self.index.get(&*name).copied() else {
                let hint = suggest(&name, self.index.keys().copied());
                let detail = format!(
                    "Node \"{own}\": its expression refers to a node \"{name}\" that does not \
                     exist; {hint}"
                );
                self.fault(codes::WORKFLOW_UNKNOWN_NODE, pointer, Some(node), detail);
                continue;
            };
            let before = upstream
                .entry(node)
                .or_insert_with(|| reached(&backward, backward[node].iter().copied()));
            if !before[target] {
                let detail = format!(
                    "Node \"{own}\": its expression refers to \"{name}\", which does not run \
                     before it"
                );
                self.warn(codes::WORKFLOW_NOT_UPSTREAM, pointer, Some(node), detail);
            }
        }
    }

    fn pinned(&mut self) {
        for name in self.document.pinned.keys() {
            if self.index.contains_key(name.as_str()) {
                continue;
            }
            let mut pointer = "/pinned".to_owned();
            push_key(&mut pointer, name);
            let hint = match nearest(name, self.index.keys().copied()) {
                Some(candidate) => format!("did you mean \"{candidate}\"?"),
                None => "remove them or add the node".to_owned(),
            };
            let detail = format!("There are pinned items for \"{name}\", which is no node; {hint}");
            self.fault(codes::WORKFLOW_UNKNOWN_NODE, pointer, None, detail);
        }
    }

    fn successors(&self, keep: impl Fn(&CheckedEdge) -> bool) -> Successors {
        let mut successors = vec![Vec::new(); self.document.nodes.len()];
        for edge in self.checked.edges.iter().filter(|edge| keep(edge)) {
            successors[edge.from].push(edge.to);
        }
        successors
    }

    fn fault(&mut self, code: Code, pointer: String, node: Option<usize>, detail: String) {
        let node = node.map(|index| self.document.nodes[index].name.clone());
        self.checked.faults.push(Fault { code, pointer, node, detail });
    }

    fn warn(&mut self, code: Code, pointer: String, node: Option<usize>, detail: String) {
        let node = node.map(|index| self.document.nodes[index].name.clone());
        let code = code.to_string();
        self.checked.warnings.push(Warning { code, pointer, node, detail });
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Output,
    Input,
}

/// `core.set@1`
pub(crate) fn full_name(kind: &NodeType) -> Arc<str> {
    format!("{}@{}", kind.about.name, kind.about.version).into()
}

/// Why a name will not do.
pub(crate) fn bad_name(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("is empty; give it one".to_owned());
    }
    if name.len() > NAME_BYTES_MAX {
        let length = name.len();
        return Some(format!("has {length} bytes; at most {NAME_BYTES_MAX} are allowed"));
    }
    if name.trim() != name {
        return Some(format!("\"{name}\" begins or ends with a space; remove it"));
    }
    if name.chars().any(char::is_control) {
        return Some("has a control character in it; remove it".to_owned());
    }
    None
}
