//! Comparing two runs, node by node and item by item.

use std::sync::Arc;

use kernel::{Items, RunId, Value, VersionId, json};
use schemars::JsonSchema;
use serde::Serialize;

use crate::door::RunStatus;
use crate::redact::Redaction;
use crate::state::{Activation, RunState};
use crate::view::{outputs, phase_text};

/// Changes of one node that are told.
const CHANGES_OF_NODE_MAX: usize = 50;
/// Changes that are told altogether.
const CHANGES_MAX: usize = 1_000;
/// Values longer than this as JSON are not told.
const VALUE_BYTES_MAX: usize = 200;

/// Two runs beside each other.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RunComparison {
    /// The run of the path.
    left: RunSide,
    /// The other one.
    right: RunSide,
    /// Whether every node put out the same in both.
    same: bool,
    /// Every node that ran in either, in the order of the left workflow, then of the right one.
    nodes: Vec<NodeComparison>,
}

/// One of the runs.
#[derive(Debug, Serialize, JsonSchema)]
struct RunSide {
    #[schemars(with = "String")]
    run_id: RunId,
    #[schemars(with = "String")]
    version_id: VersionId,
    status: RunStatus,
    duration_ms: f64,
}

/// A node in both runs.
#[derive(Debug, Serialize, JsonSchema)]
struct NodeComparison {
    #[schemars(with = "String")]
    node: Arc<str>,
    /// In the left run; absent: it did not run there.
    left: Option<NodeSide>,
    /// In the right run.
    right: Option<NodeSide>,
    /// Whether its states, its numbers of items and its items are the same.
    same: bool,
    /// Where its items differ, the first places.
    changes: Vec<ItemChange>,
    /// Whether there are more.
    more_changes: bool,
}

/// A node in one run.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
struct NodeSide {
    /// State of its last activation.
    status: &'static str,
    /// How often it was activated.
    activations: usize,
    /// Milliseconds its activations took, added up.
    duration_ms: f64,
    /// Items of each output port, added up.
    item_counts: Vec<usize>,
}

/// A place that differs.
#[derive(Debug, Serialize, JsonSchema)]
struct ItemChange {
    /// Which of the node's activations, from 0.
    activation: usize,
    /// Output port, from 0.
    port: usize,
    /// Item on the port, from 0.
    item: usize,
    /// JSON pointer into the item's data; empty: the whole item.
    pointer: String,
    /// What happened to it from left to right.
    kind: ChangeKind,
    /// Value on the left, unless it is long.
    left: Option<Value>,
    /// Value on the right, unless it is long.
    right: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ChangeKind {
    /// It is on the right only.
    Added,
    /// It is on the left only.
    Removed,
    /// It is on both sides, and not the same.
    Changed,
}

/// What differs between two runs. What either workflow says is not to be shown is masked in both.
pub(crate) fn compare(left: &RunState, right: &RunState) -> RunComparison {
    let redact = [left, right].map(|run| run.plan.graph.settings.redact.clone()).concat();
    let mut told = 0;
    let mut nodes = Vec::new();
    for name in names(left, right) {
        let (one, other) = (activations(left, &name), activations(right, &name));
        if one.is_empty() && other.is_empty() {
            continue;
        }
        let room = CHANGES_OF_NODE_MAX.min(CHANGES_MAX - told);
        let mut changes =
            Changes { redaction: Redaction(&redact), list: Vec::new(), room, more: false };
        for activation in 0..one.len().max(other.len()) {
            let ports = |run, of: &[&Activation]| {
                of.get(activation).map(|one| outputs(run, one)).unwrap_or_default()
            };
            changes.ports(activation, &ports(left, &one), &ports(right, &other));
        }
        told += changes.list.len();
        let (left, right) = (side(left, &one), side(right, &other));
        let alike = |side: &Option<NodeSide>| {
            side.as_ref().map(|side| (side.status, side.activations, side.item_counts.clone()))
        };
        let same = changes.list.is_empty() && !changes.more && alike(&left) == alike(&right);
        let Changes { list: changes, more: more_changes, .. } = changes;
        nodes.push(NodeComparison { node: name, left, right, same, changes, more_changes });
    }
    let same = left.status == right.status && nodes.iter().all(|node| node.same);
    RunComparison { left: run_side(left), right: run_side(right), same, nodes }
}

/// Names of the nodes of both, those of the left one first.
fn names(left: &RunState, right: &RunState) -> Vec<Arc<str>> {
    let known = &left.plan.graph.names.index;
    let nodes = |run: &RunState| run.plan.graph.names.names.clone();
    let others = nodes(right).into_iter().filter(|name| !known.contains_key(name));
    nodes(left).into_iter().chain(others).collect()
}

fn activations<'a>(run: &'a RunState, name: &str) -> Vec<&'a Activation> {
    let Some(node) = run.plan.graph.names.index.get(name) else { return Vec::new() };
    run.activations.iter().filter(|one| one.node as usize == *node).collect()
}

fn side(run: &RunState, activations: &[&Activation]) -> Option<NodeSide> {
    let last = activations.last()?;
    let mut item_counts = Vec::new();
    for one in activations {
        let counts = outputs(run, one);
        item_counts.resize(counts.len().max(item_counts.len()), 0);
        for (sum, items) in item_counts.iter_mut().zip(counts) {
            *sum += items.len();
        }
    }
    let took_us: u64 = activations.iter().map(|one| one.times.took_us).sum();
    Some(NodeSide {
        status: phase_text(&last.phase),
        activations: activations.len(),
        duration_ms: took_us as f64 / 1_000.0,
        item_counts,
    })
}

fn run_side(run: &RunState) -> RunSide {
    RunSide {
        run_id: run.run,
        version_id: run.plan.graph.version,
        status: run.status,
        duration_ms: run.ended_us as f64 / 1_000.0,
    }
}

/// Changes of one node, as long as there is room.
struct Changes<'a> {
    redaction: Redaction<'a>,
    list: Vec<ItemChange>,
    room: usize,
    more: bool,
}

impl Changes<'_> {
    fn ports(&mut self, activation: usize, left: &[Items], right: &[Items]) {
        let none = Items::default();
        for port in 0..left.len().max(right.len()) {
            let one = left.get(port).unwrap_or(&none);
            let other = right.get(port).unwrap_or(&none);
            for item in 0..one.len().max(other.len()) {
                if self.more {
                    return;
                }
                let data = |items: &Items| items.get(item).map(|item| Arc::clone(&item.json));
                let (left, right) = (data(one), data(other));
                if left == right {
                    continue;
                }
                let shown = |data: Option<_>| {
                    data.map(|data: Arc<_>| {
                        let mut data = Value::Object(kernel::Object::clone(&data));
                        self.redaction.mask(&mut data);
                        data
                    })
                };
                let (left, right) = (shown(left), shown(right));
                let mut place = (activation, port, item, String::new());
                self.values(&mut place, left.as_ref(), right.as_ref());
            }
        }
    }

    fn values(
        &mut self,
        place: &mut (usize, usize, usize, String),
        left: Option<&Value>,
        right: Option<&Value>,
    ) {
        if left == right || self.more {
            return;
        }
        match (left, right) {
            (Some(Value::Object(one)), Some(Value::Object(other))) => {
                let added = other.keys().filter(|key| !one.contains_key(*key));
                for key in one.keys().chain(added) {
                    self.below(place, key, one.get(key), other.get(key));
                }
            }
            (Some(Value::Array(one)), Some(Value::Array(other))) => {
                for index in 0..one.len().max(other.len()) {
                    self.below(place, &index.to_string(), one.get(index), other.get(index));
                }
            }
            _ => self.tell(place, left, right),
        }
    }

    fn below(
        &mut self,
        place: &mut (usize, usize, usize, String),
        key: &str,
        left: Option<&Value>,
        right: Option<&Value>,
    ) {
        let length = place.3.len();
        json::push_key(&mut place.3, key);
        self.values(place, left, right);
        place.3.truncate(length);
    }

    fn tell(
        &mut self,
        place: &(usize, usize, usize, String),
        left: Option<&Value>,
        right: Option<&Value>,
    ) {
        if self.list.len() >= self.room {
            self.more = true;
            return;
        }
        let kind = match (left, right) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            _ => ChangeKind::Changed,
        };
        let short = |value: Option<&Value>| {
            value.filter(|value| value.to_string().len() <= VALUE_BYTES_MAX).cloned()
        };
        let (activation, port, item, pointer) = place.clone();
        let (left, right) = (short(left), short(right));
        self.list.push(ItemChange { activation, port, item, pointer, kind, left, right });
    }
}
