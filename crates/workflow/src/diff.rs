//! What is different between two documents: nodes by name, values by place, connections by their ends.
//!
//! Everything is found by hashing, so that the work grows with the documents' size and no faster. A
//! node that only got another name is one that changed, and its connections did not.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use kernel::json::push_key;
use kernel::{Object, Value, VersionId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{Connection, Document, DocumentNode};
use crate::model::VersionView;

/// One side of a comparison: a version, or the draft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiffSide {
    /// Id of the version; absent: the draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionId>,
    /// Number of the version; absent: the draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i32>,
    /// Revision of the draft; absent: a version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// When the version was made; absent: the draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}

impl DiffSide {
    /// The draft at this revision.
    pub(crate) fn draft(revision: i64) -> Self {
        Self { version: None, number: None, revision: Some(revision), created_at: None }
    }

    /// A stored version.
    pub(crate) fn version(view: &VersionView) -> Self {
        let (version, number) = (Some(view.id), Some(view.number));
        Self { version, number, revision: None, created_at: Some(view.created_at) }
    }
}

/// What is different between two documents.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DiffView {
    /// The older side.
    pub from: DiffSide,
    /// The newer side.
    pub to: DiffSide,
    /// Whether nothing is different.
    pub same: bool,
    /// Nodes that only `to` has, whole.
    pub nodes_added: Vec<Value>,
    /// Nodes that only `from` has, whole.
    pub nodes_removed: Vec<Value>,
    /// Nodes of both sides that are not the same.
    pub nodes_changed: Vec<NodeDiff>,
    /// Connections that only `to` has.
    pub connections_added: Vec<Connection>,
    /// Connections that only `from` has.
    pub connections_removed: Vec<Connection>,
    /// Settings that are different; pointers are relative to the settings.
    pub settings: Vec<Change>,
    /// Everything else that is different: name, description, pinned items, canvas. Pointers are
    /// relative to the document.
    pub document: Vec<Change>,
}

/// A node that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct NodeDiff {
    /// Its name in `to`.
    pub name: String,
    /// Its name in `from`, where it was another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
    /// What is different; pointers such as `/parameters/url` are relative to the node.
    pub changes: Vec<Change>,
}

/// One value that is different.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "DiffChange")]
pub struct Change {
    /// JSON pointer.
    pub pointer: String,
    /// The value in `from`; absent: it was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// The value in `to`; absent: it is not there any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// Compares two documents.
pub(crate) fn compare(from: DiffSide, old: &Document, to: DiffSide, new: &Document) -> DiffView {
    let renamed = renamed(old, new);
    let mut view = DiffView {
        from,
        to,
        same: false,
        nodes_added: Vec::new(),
        nodes_removed: Vec::new(),
        nodes_changed: Vec::new(),
        connections_added: Vec::new(),
        connections_removed: Vec::new(),
        settings: changes(&value(&old.settings), &value(&new.settings)),
        document: changes(&rest(old, &renamed), &rest(new, &HashMap::new())),
    };
    nodes(&mut view, old, new, &renamed);
    connections(&mut view, old, new, &renamed);
    view.same = view.nodes_added.is_empty()
        && view.nodes_removed.is_empty()
        && view.nodes_changed.is_empty()
        && view.connections_added.is_empty()
        && view.connections_removed.is_empty()
        && view.settings.is_empty()
        && view.document.is_empty();
    view
}

/// New names by old ones.
type Renamed<'a> = HashMap<&'a str, &'a str>;

/// Nodes that went and came with the same content: only those whose content no other one has.
fn renamed<'a>(old: &'a Document, new: &'a Document) -> Renamed<'a> {
    let gone = alone(old, &names(new));
    let mut come = alone(new, &names(old));
    gone.into_iter().filter_map(|(content, from)| Some((from?, come.remove(&content)??))).collect()
}

fn names(document: &Document) -> HashSet<&str> {
    document.nodes.iter().map(|node| node.name.as_str()).collect()
}

/// Names by content of the nodes that the other side has not; `None` where two have the same.
fn alone<'a>(document: &'a Document, other: &HashSet<&str>) -> HashMap<String, Option<&'a str>> {
    let mut by_content = HashMap::new();
    for node in document.nodes.iter().filter(|node| !other.contains(node.name.as_str())) {
        let nameless = DocumentNode { name: String::new(), position: None, ..node.clone() };
        by_content
            .entry(value(&nameless).to_string())
            .and_modify(|known| *known = None)
            .or_insert(Some(node.name.as_str()));
    }
    by_content
}

fn nodes(view: &mut DiffView, old: &Document, new: &Document, renamed: &Renamed<'_>) {
    let mut before: HashMap<&str, &DocumentNode> = HashMap::new();
    for node in &old.nodes {
        let name = renamed.get(node.name.as_str()).copied().unwrap_or(&node.name);
        before.insert(name, node);
    }
    for node in &new.nodes {
        let Some(known) = before.remove(node.name.as_str()) else {
            view.nodes_added.push(value(node));
            continue;
        };
        let renamed_from = (known.name != node.name).then(|| known.name.clone());
        if known == node {
            continue;
        }
        let mut changes = changes(&value(known), &value(node));
        changes.retain(|change| change.pointer != "/name");
        view.nodes_changed.push(NodeDiff { name: node.name.clone(), renamed_from, changes });
    }
    let gone = |node: &&DocumentNode| before.contains_key(node.name.as_str());
    view.nodes_removed.extend(old.nodes.iter().filter(gone).map(value));
}

fn connections(view: &mut DiffView, old: &Document, new: &Document, renamed: &Renamed<'_>) {
    let before: Vec<Connection> = old
        .connections
        .iter()
        .map(|one| {
            let name =
                |name: &String| renamed.get(name.as_str()).map_or(name.clone(), |to| (*to).into());
            Connection { from: name(&one.from), to: name(&one.to), ..one.clone() }
        })
        .collect();
    let missing = |list: &[Connection], other: &[Connection]| -> Vec<Connection> {
        let other: HashSet<_> = other.iter().map(|one| (one.ends(), one.back)).collect();
        list.iter().filter(|one| !other.contains(&(one.ends(), one.back))).cloned().collect()
    };
    view.connections_removed = missing(&before, &new.connections);
    view.connections_added = missing(&new.connections, &before);
}

/// The document without nodes, connections and settings; pins under their nodes' new names.
fn rest(document: &Document, renamed: &Renamed<'_>) -> Value {
    let mut rest = Document {
        nodes: Vec::new(),
        connections: Vec::new(),
        settings: Default::default(),
        ..document.clone()
    };
    rest.pinned = std::mem::take(&mut rest.pinned)
        .into_iter()
        .map(|(name, items)| {
            let name = renamed.get(name.as_str()).map_or(name.clone(), |to| (*to).to_owned());
            (name, items)
        })
        .collect();
    for group in &mut rest.canvas.groups {
        for name in &mut group.nodes {
            if let Some(to) = renamed.get(name.as_str()) {
                (*to).clone_into(name);
            }
        }
    }
    value(&rest)
}

fn value<T: Serialize>(part: &T) -> Value {
    serde_json::to_value(part).expect("a document has only text keys and finite numbers")
}

fn changes(old: &Value, new: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    walk(old, new, &mut String::new(), &mut changes);
    changes
}

fn walk(old: &Value, new: &Value, pointer: &mut String, changes: &mut Vec<Change>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => objects(old, new, pointer, changes),
        (Value::Array(old), Value::Array(new)) => {
            for index in 0..old.len().max(new.len()) {
                let (old, new) = (old.get(index), new.get(index));
                below(&index.to_string(), old, new, pointer, changes);
            }
        }
        (old, new) if old == new => {}
        (old, new) => changes.push(Change {
            pointer: pointer.clone(),
            old: Some(old.clone()),
            new: Some(new.clone()),
        }),
    }
}

fn objects(old: &Object, new: &Object, pointer: &mut String, changes: &mut Vec<Change>) {
    for (key, value) in old {
        below(key, Some(value), new.get(key), pointer, changes);
    }
    for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
        below(key, None, Some(value), pointer, changes);
    }
}

fn below(
    key: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    pointer: &mut String,
    changes: &mut Vec<Change>,
) {
    let length = pointer.len();
    push_key(pointer, key);
    match (old, new) {
        (Some(old), Some(new)) => walk(old, new, pointer, changes),
        (old, new) => {
            changes.push(Change { pointer: pointer.clone(), old: old.cloned(), new: new.cloned() });
        }
    }
    pointer.truncate(length);
}
