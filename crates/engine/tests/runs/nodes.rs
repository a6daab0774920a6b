//! Nodes that do what a test says, and workflows made of them in a row.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use expr::{Names, Scope, WorkflowInfo};
use futures::future::BoxFuture;
use kernel::{Item, Items, Object, Problem, Value, VersionId, WorkflowId, WorkspaceId, codes};
use node::{
    About, CallMode, Directive, EffectClass, MayHaveRun, NodeContext, NodeError, PreparedNode,
    Shape, TriggerKind,
};
use tokio::sync::Semaphore;
use uuid::Uuid;
use workflow::{Edge, Graph, GraphNode, OnError, Settings};

pub(crate) const WORKSPACE: WorkspaceId = WorkspaceId(Uuid::from_u128(0xaa));

/// What a node does.
#[derive(Clone)]
pub(crate) enum Does {
    /// Starts the run.
    Trigger,
    /// Passes its items on.
    Pass,
    /// Fails.
    Fail,
    /// Waits until the gate lets it through.
    Gate(Arc<Semaphore>),
    /// Changes the outside: counts.
    Effect(Arc<AtomicUsize>),
    /// Changes the outside: counts, then waits until the gate lets it through.
    GatedEffect(Arc<AtomicUsize>, Arc<Semaphore>),
    /// Gives each item this many characters more.
    Grow(usize),
    /// Gives each item a file.
    File,
    /// Calls the workflow of this name once per item.
    Call(&'static str, bool),
    /// Waits so long.
    Wait(Duration),
}

/// A workflow whose nodes stand in a row.
pub(crate) fn row(name: &str, nodes: &[Does], settings: Settings) -> Arc<Graph> {
    graph(name, nodes, settings, None)
}

/// A trigger, and nodes that it leads to, beside each other.
pub(crate) fn fork(name: &str, nodes: &[Does], settings: Settings) -> Arc<Graph> {
    let all: Vec<_> = std::iter::once(Does::Trigger).chain(nodes.iter().cloned()).collect();
    let mut graph = row(name, &all, settings);
    let to = |to: usize| Edge { to, input: 0, back: false };
    let own = Arc::get_mut(&mut graph).expect("nobody else has it yet");
    for (at, node) in own.nodes.iter_mut().enumerate() {
        node.targets = vec![if at == 0 { (1..all.len()).map(to).collect() } else { Vec::new() }];
        node.feeds = if at == 0 { Vec::new() } else { vec![vec![(0, 0)]] };
    }
    graph
}

/// A trigger, and a node that leads to itself.
pub(crate) fn looped(name: &str, settings: Settings) -> Arc<Graph> {
    let again = Edge { to: 1, input: 0, back: true };
    graph(name, &[Does::Trigger, Does::Pass], settings, Some(again))
}

fn graph(name: &str, nodes: &[Does], settings: Settings, back: Option<Edge>) -> Arc<Graph> {
    let last = nodes.len() - 1;
    let node = |(at, does): (usize, &Does)| GraphNode {
        name: format!("n{at}").into(),
        kind: "scripted@1".into(),
        prepared: Arc::new(Scripted(does.clone())),
        inputs: if at == 0 { Vec::new() } else { vec!["main".to_owned()] },
        outputs: vec!["main".to_owned()],
        targets: vec![
            if at < last { Some(Edge { to: at + 1, input: 0, back: false }) } else { back }
                .into_iter()
                .collect(),
        ],
        feeds: if at == 0 { Vec::new() } else { vec![vec![(at - 1, 0)]] },
        retry: None,
        timeout: None,
        on_error: OnError::Stop,
        execute_once: false,
        always_output: false,
        disabled: false,
        may_have_run: MayHaveRun::Retry,
        position: [0.0, at as f64],
        pinned: None,
    };
    let nodes: Vec<_> = nodes.iter().enumerate().map(node).collect();
    let names = Names {
        names: nodes.iter().map(|node| Arc::clone(&node.name)).collect(),
        index: HashMap::new(),
        parameters: nodes.iter().map(|_| Arc::new(Value::Null)).collect(),
        targets: Vec::new(),
    };
    let mut id = [0; 16];
    id[..name.len()].copy_from_slice(name.as_bytes());
    let id = Uuid::from_bytes(id);
    Arc::new(Graph {
        workspace: WORKSPACE,
        workflow: Arc::new(WorkflowInfo {
            id: WorkflowId(id),
            name: name.to_owned(),
            active: true,
            timezone: "UTC".to_owned(),
        }),
        version: VersionId(id),
        settings,
        nodes,
        names: Arc::new(names),
    })
}

pub(crate) fn items(count: usize) -> Items {
    let item = |n: usize| Item::new(Object::from_iter([("n".to_owned(), Value::from(n))]));
    Arc::new((0..count).map(item).collect())
}

/// The numbers of items made by [`items`].
pub(crate) fn numbers(items: &Items) -> Vec<u64> {
    items.iter().filter_map(|item| item.json.get("n")?.as_u64()).collect()
}

struct Scripted(Does);

const ABOUT: About = About::new("scripted", 1);
const EFFECT: About = About::new("scripted.effect", 1).effect(EffectClass::External);

impl PreparedNode for Scripted {
    fn about(&self) -> &'static About {
        match self.0 {
            Does::Effect(_) | Does::GatedEffect(..) => &EFFECT,
            _ => &ABOUT,
        }
    }
    fn shape(&self) -> Shape {
        match self.0 {
            Does::Trigger => Shape::Trigger,
            Does::Call(..) | Does::Wait(_) => Shape::Steer,
            Does::Pass
            | Does::Fail
            | Does::Gate(_)
            | Does::Effect(_)
            | Does::GatedEffect(..)
            | Does::Grow(_)
            | Does::File => Shape::Each,
        }
    }
    fn inputs(&self) -> Vec<String> {
        vec!["main".to_owned()]
    }
    fn outputs(&self) -> Vec<String> {
        vec!["main".to_owned()]
    }
    fn resolve(&self, _: &Scope, _: usize) -> Result<Value, Problem> {
        Ok(Value::Null)
    }
    fn effect(&self, _: &Value) -> EffectClass {
        self.about().effect
    }
    fn run_item<'a>(
        &'a self,
        cx: &'a NodeContext,
        _: Value,
        item: &'a Item,
    ) -> BoxFuture<'a, Result<Vec<Item>, NodeError>> {
        Box::pin(async move {
            match &self.0 {
                Does::Fail => return Err(NodeError::fatal(codes::HTTP_FAILED, "on purpose")),
                Does::Gate(gate) => gate.acquire().await.expect("gates stay").forget(),
                Does::GatedEffect(count, gate) => {
                    count.fetch_add(1, Ordering::SeqCst);
                    gate.acquire().await.expect("gates stay").forget();
                }
                Does::Effect(count) => {
                    count.fetch_add(1, Ordering::SeqCst);
                }
                Does::Grow(by) => {
                    let mut json = Object::clone(&item.json);
                    json.insert("text".to_owned(), noise(*by).into());
                    return Ok(vec![Item::new(json)]);
                }
                Does::File => {
                    let bytes = b"the file's bytes".to_vec();
                    let file = cx.services.blobs.put(WORKSPACE, bytes).await?;
                    let files = Some(Arc::new(BTreeMap::from([("file".to_owned(), file)])));
                    return Ok(vec![Item { binary: files, ..item.clone() }]);
                }
                Does::Trigger | Does::Pass | Does::Call(..) | Does::Wait(_) => {}
            }
            Ok(vec![item.clone()])
        })
    }
    fn steer(&self, _: &NodeContext, _: &[Items]) -> Result<Directive, NodeError> {
        Ok(match self.0 {
            Does::Call(workflow, wait) => {
                Directive::Call { workflow: workflow.into(), mode: CallMode::EachItem, wait }
            }
            Does::Wait(span) => Directive::Wait(span),
            _ => Directive::Outputs(Vec::new()),
        })
    }
    fn trigger(&self) -> Option<TriggerKind> {
        matches!(self.0, Does::Trigger).then_some(TriggerKind::Manual)
    }
}

/// Text that does not get smaller by compression.
fn noise(length: usize) -> String {
    let dice = kernel::clock::SeededDice::new(1);
    let letter = |_| char::from(b'!' + (kernel::Dice::next_u64(&dice) % 90) as u8);
    (0..length).map(letter).filter(|letter| !['"', '\\'].contains(letter)).collect()
}
