//! Looking into a run: its activations one by one, the items that went in and came out.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel::item::BinaryRef;
use kernel::{Item, Items, Object, Pairing, Problem, RunId, WorkspaceId, codes};
use node::Reply;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::Engine;
use crate::command::Command;
use crate::record::ActivationId;
use crate::redact::Redaction;
use crate::state::{Activation, RunState};
use crate::view::{self, ErrorView, RunView, Shown, phase_text, size_of_item};

/// Bytes of items, about, that one page holds; at least one item is on it.
const PAGE_BYTES: usize = 2 * 1024 * 1024;
/// An item with more bytes of data, about, is told of by its size; it is fetched by itself.
const ITEM_BYTES: usize = kernel::limits::BLOB_FROM_BYTES;

/// One activation without its items.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct ActivationLine {
    /// Its number in the run, from 0 in order of creation.
    id: ActivationId,
    /// The node.
    #[schemars(with = "String")]
    node: Arc<str>,
    /// `waiting ready running succeeded failed cancelled`
    status: &'static str,
    /// How many back edges lie between the trigger and it: the iteration of the loop it is in.
    path: u32,
    /// How often the node was reached before.
    ordinal: u32,
    /// How many items came in by each input port.
    input_counts: Vec<usize>,
    /// How many items each output port has.
    item_counts: Vec<usize>,
    /// Milliseconds from the run's start to the beginning of its last attempt.
    began_ms: f64,
    /// Milliseconds its last attempt took.
    duration_ms: f64,
    /// Attempts so far.
    attempts: u32,
    /// Why it failed.
    error: Option<ErrorView>,
    /// Whether its outputs were taken over from the run that this one repeats.
    taken_over: bool,
    /// Whether it ran with other inputs than came to it.
    edited: bool,
}

/// One item.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct ItemView {
    /// Its place on its port, from 0.
    index: usize,
    /// Its data; absent where that is large: then it is fetched by itself.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    json: Option<Arc<Object>>,
    /// About how many bytes the data has, where it is large.
    json_bytes: Option<usize>,
    /// Files that travel with it, by property name.
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    binary: BTreeMap<String, BinaryRef>,
    /// Which input items it was made of.
    #[schemars(with = "serde_json::Value")]
    #[serde(rename = "paired_item", skip_serializing_if = "Pairing::is_unknown")]
    pairing: Pairing,
}

/// Which activations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activations {
    /// Of this node.
    pub(crate) node: Option<String>,
    /// In this state.
    pub(crate) status: Option<String>,
    /// The first number to look at.
    pub(crate) from: ActivationId,
    /// At most so many.
    pub(crate) limit: usize,
}

/// What goes in or what comes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ItemSide")]
pub(crate) enum Side {
    /// Came in.
    Input,
    /// Was put out.
    #[default]
    Output,
}

/// Items of one port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortOf {
    /// Which activation.
    pub(crate) activation: ActivationId,
    /// Which side of it.
    pub(crate) side: Side,
    /// Number of the port.
    pub(crate) port: usize,
}

impl Engine {
    /// All of a run as it is now, and what a respond node of it answered; `None` if the workspace has
    /// no such run (any more).
    pub async fn find_run_and_reply(
        &self,
        workspace: WorkspaceId,
        run: RunId,
    ) -> Result<Option<(RunView, Option<Reply>)>, Problem> {
        let clock = Arc::clone(&self.shared.clock);
        let look = move |state: &RunState| {
            (RunView::of(state, clock.now(), Shown::EVERYTHING), state.reply.clone())
        };
        self.look(workspace, run, look).await
    }

    /// What is seen of a run's state: of the living one where this member has it, else of the stored one.
    /// `None`: the workspace has no such run.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        workspace: WorkspaceId,
        run: RunId,
        look: impl Fn(&RunState) -> T + Send + Sync + 'static,
    ) -> Result<Option<T>, Problem> {
        let look = Arc::new(look);
        let (reply, seen) = oneshot::channel();
        let here = Arc::clone(&look);
        let here = Box::new(move |state: &RunState| {
            let _ = reply.send(here(state));
        });
        self.shared.send(run, Command::Look { workspace, run, look: here });
        if let Ok(seen) = seen.await {
            return Ok(Some(seen));
        }
        let loaded = self.shared.load(workspace, run).await?;
        Ok(loaded.map(|loaded| look(&loaded.state)))
    }
}

/// Activations in order of their numbers, and where the next page begins.
pub(crate) fn activations(
    state: &RunState,
    wanted: &Activations,
) -> (Vec<ActivationLine>, Option<ActivationId>) {
    let nodes = &state.plan.graph.nodes;
    let fits = |one: &Activation| {
        wanted.node.as_ref().is_none_or(|node| **node == *nodes[one.node as usize].name)
            && wanted.status.as_ref().is_none_or(|status| status == phase_text(&one.phase))
    };
    let all = (0..).zip(&state.activations).skip(wanted.from as usize);
    let mut rest = all.filter(|(_, one)| fits(one));
    let lines = rest.by_ref().take(wanted.limit).map(|(id, one)| line(state, id, one)).collect();
    (lines, rest.next().map(|(id, _)| id))
}

fn line(state: &RunState, id: ActivationId, one: &Activation) -> ActivationLine {
    let name = &state.plan.graph.nodes[one.node as usize].name;
    let counts = |ports: Vec<Items>| ports.iter().map(|items| items.len()).collect();
    ActivationLine {
        id,
        node: Arc::clone(name),
        status: phase_text(&one.phase),
        path: one.path,
        ordinal: one.ordinal,
        input_counts: counts(view::inputs(state, one)),
        item_counts: counts(view::outputs(state, one)),
        began_ms: one.times.began_us as f64 / 1_000.0,
        duration_ms: one.times.took_us as f64 / 1_000.0,
        attempts: one.attempt,
        error: one.problem.as_ref().map(|problem| ErrorView::new(problem, Some(name))),
        taken_over: one.taken_over,
        edited: one.edited.is_some(),
    }
}

/// Items of a port from `from` on, as many as fit on a page, and where the next page begins.
///
/// Errors: `request.not_found` when there is no such activation or port.
pub(crate) fn items(
    state: &RunState,
    port: PortOf,
    from: usize,
    limit: usize,
) -> Result<(Vec<ItemView>, Option<usize>), Problem> {
    let all = items_of(state, port)?;
    let redaction = Redaction(&state.plan.graph.settings.redact);
    let (mut page, mut bytes) = (Vec::new(), 0);
    for (index, item) in all.iter().enumerate().skip(from) {
        let size = size_of_item(item);
        let large = size > ITEM_BYTES;
        let size_here = size.min(ITEM_BYTES);
        if page.len() == limit || (!page.is_empty() && bytes + size_here > PAGE_BYTES) {
            return Ok((page, Some(index)));
        }
        bytes += size_here;
        let mut view = item_view(index, redaction.item(item));
        if large {
            (view.json, view.json_bytes) = (None, Some(size));
        }
        page.push(view);
    }
    Ok((page, None))
}

/// One item with its data, however large.
///
/// Errors: `request.not_found`.
pub(crate) fn item(state: &RunState, port: PortOf, index: usize) -> Result<ItemView, Problem> {
    let all = items_of(state, port)?;
    let item = all.get(index).ok_or_else(|| {
        let count = all.len();
        not_found(format!("There is no item {index}: the port has {count}, counted from 0."))
    })?;
    Ok(item_view(index, Redaction(&state.plan.graph.settings.redact).item(item)))
}

/// The file that travels with an item under this name.
///
/// Errors: `request.not_found`.
pub(crate) fn file(
    state: &RunState,
    port: PortOf,
    index: usize,
    name: &str,
) -> Result<BinaryRef, Problem> {
    let all = items_of(state, port)?;
    let files = all.get(index).and_then(|item| item.binary.as_ref());
    let file = files.and_then(|files| files.get(name)).cloned();
    file.ok_or_else(|| not_found(format!("Item {index} has no file \"{name}\" there.")))
}

fn item_view(index: usize, item: Item) -> ItemView {
    ItemView {
        index,
        json: Some(item.json),
        json_bytes: None,
        binary: item.binary.map(|binary| BTreeMap::clone(&binary)).unwrap_or_default(),
        pairing: item.pairing,
    }
}

fn items_of(state: &RunState, port: PortOf) -> Result<Items, Problem> {
    let PortOf { activation, side, port } = port;
    let one = state.activations.get(activation as usize).ok_or_else(|| {
        let count = state.activations.len();
        not_found(format!("There is no activation {activation}; the run has {count}, from 0 on."))
    })?;
    let node = &state.plan.graph.nodes[one.node as usize];
    let (mut ports, known) = match side {
        Side::Input => (view::inputs(state, one), node.inputs.len()),
        Side::Output => (view::outputs(state, one), node.outputs.len()),
    };
    if port >= known.max(ports.len()) {
        let name = &node.name;
        return Err(not_found(format!("\"{name}\" has no port {port} there; it has {known}.")));
    }
    // It has not put anything out (yet).
    Ok(if port < ports.len() { ports.swap_remove(port) } else { Items::default() })
}

fn not_found(detail: String) -> Problem {
    Problem::new(codes::REQUEST_NOT_FOUND, detail)
}
