//! Random workflows whose outcome does not depend on the order of events: every input port is fed
//! by one connection (loops aside), and what a node puts out depends on its items alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use engine::plan::Plan;
use expr::{Names, Scope, WorkflowInfo};
use futures::future::BoxFuture;
use kernel::{Item, Items, Problem, Value, VersionId, WorkflowId, WorkspaceId};
use node::{
    About, Directive, EffectClass, MayHaveRun, NodeContext, NodeError, PreparedNode, Shape,
    TriggerKind,
};
use uuid::Uuid;
use workflow::{Backoff, Edge, Graph, GraphNode, OnError, Order, Retry, Settings};

use crate::chance::Chance;

/// What a simulated node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Trigger,
    /// Changes the items.
    Pure,
    /// Two outputs by parity.
    Branch,
    /// Sends an effect for each item.
    External,
    /// Waits.
    Wait,
    /// Joins two branches.
    Join,
    /// Goes round until the counter of its items reaches three; outputs loop, done.
    Loop,
    /// Answers the caller.
    Respond,
    /// Calls a run for each item, and waits for their ends or only for their starts.
    Call {
        wait: bool,
    },
}

pub(crate) struct Simulated {
    pub(crate) plan: Arc<Plan>,
    pub(crate) kinds: Vec<Kind>,
}

/// Grows a workflow of up to 14 nodes.
pub(crate) fn grow(chance: &mut Chance) -> Simulated {
    let mut kinds = vec![Kind::Trigger];
    let mut edges: Vec<(usize, usize, usize, usize, bool)> = Vec::new();
    // Outputs that lead nowhere yet: (node, port).
    let mut open = vec![(0, 0)];
    let size = 2 + chance.below(12);
    while kinds.len() < size {
        let at = kinds.len();
        let joins = open.len() >= 2 && chance.one_in(4);
        let kind = match chance.below(11) {
            _ if joins => Kind::Join,
            0 | 1 => Kind::Branch,
            2..=4 => Kind::External,
            5 => Kind::Wait,
            6 => Kind::Loop,
            7 => Kind::Respond,
            8 | 9 => Kind::Call { wait: chance.one_in(2) },
            _ => Kind::Pure,
        };
        kinds.push(kind);
        let inputs = if kind == Kind::Join { 2 } else { 1 };
        for port in 0..inputs {
            let index = chance.below(open.len());
            // A source may feed several nodes: it stays open half of the time.
            let (from, output) =
                if inputs == 1 && chance.one_in(2) { open[index] } else { open.swap_remove(index) };
            edges.push((from, output, at, port, false));
        }
        match kind {
            Kind::Branch => open.extend([(at, 0), (at, 1)]),
            Kind::Loop => {
                edges.push((at, 0, at, 0, true));
                open.push((at, 1));
            }
            Kind::Trigger
            | Kind::Pure
            | Kind::External
            | Kind::Wait
            | Kind::Join
            | Kind::Call { .. }
            | Kind::Respond => {
                open.push((at, 0));
            }
        }
        if open.is_empty() {
            break;
        }
    }
    let order = if chance.one_in(4) { Order::Sequential } else { Order::Parallel };
    let nodes = build_nodes(&kinds, &edges, chance);
    Simulated { plan: Arc::new(Plan::new(Arc::new(graph(nodes, order)))), kinds }
}

fn build_nodes(
    kinds: &[Kind],
    edges: &[(usize, usize, usize, usize, bool)],
    chance: &mut Chance,
) -> Vec<GraphNode> {
    let node = |(at, kind): (usize, &Kind)| {
        let outputs = if matches!(kind, Kind::Branch | Kind::Loop) { 2 } else { 1 };
        let inputs = match kind {
            Kind::Trigger => 0,
            Kind::Join => 2,
            _ => 1,
        };
        let mut targets = vec![Vec::new(); outputs];
        let mut feeds = vec![Vec::new(); inputs];
        for (from, output, to, input, back) in edges.iter().copied() {
            if from == at {
                targets[output].push(Edge { to, input, back });
            }
            if to == at && !back {
                feeds[input].push((from, output));
            }
        }
        let retries = *kind == Kind::External && chance.one_in(2);
        GraphNode {
            name: format!("{kind:?} {at}").into(),
            kind: "simulated@1".into(),
            prepared: Arc::new(Idle),
            inputs: (0..inputs).map(|port| port.to_string()).collect(),
            outputs: (0..outputs).map(|port| port.to_string()).collect(),
            targets,
            feeds,
            retry: retries.then_some(Retry {
                max_attempts: 3,
                backoff: Backoff::Exponential,
                initial: Duration::from_millis(100),
                max: Duration::from_secs(1),
                jitter: true,
            }),
            timeout: None,
            on_error: if chance.one_in(3) { OnError::Continue } else { OnError::Stop },
            execute_once: *kind != Kind::Join && chance.one_in(8),
            always_output: false,
            disabled: false,
            may_have_run: if chance.one_in(3) { MayHaveRun::Ask } else { MayHaveRun::Retry },
            position: [0.0, at as f64],
            pinned: None,
        }
    };
    kinds.iter().enumerate().map(node).collect()
}

fn graph(nodes: Vec<GraphNode>, order: Order) -> Graph {
    let names = Names {
        names: nodes.iter().map(|node| Arc::clone(&node.name)).collect(),
        index: HashMap::new(),
        parameters: nodes.iter().map(|_| Arc::new(Value::Null)).collect(),
        targets: Vec::new(),
    };
    Graph {
        workspace: WorkspaceId(Uuid::nil()),
        workflow: Arc::new(WorkflowInfo {
            id: WorkflowId(Uuid::nil()),
            name: "simulated".to_owned(),
            active: true,
            timezone: "UTC".to_owned(),
        }),
        version: VersionId(Uuid::nil()),
        settings: Settings { order, max_parallel_nodes: 4, ..Settings::default() },
        nodes,
        names: Arc::new(names),
    }
}

/// Stands where a graph needs a node; the simulation does the work itself.
struct Idle;

const ABOUT: About = About::new("simulated", 1);

impl PreparedNode for Idle {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn shape(&self) -> Shape {
        Shape::Each
    }
    fn inputs(&self) -> Vec<String> {
        Vec::new()
    }
    fn outputs(&self) -> Vec<String> {
        Vec::new()
    }
    fn resolve(&self, _: &Scope, _: usize) -> Result<Value, Problem> {
        Ok(Value::Null)
    }
    fn effect(&self, _: &Value) -> EffectClass {
        EffectClass::Pure
    }
    fn run_item<'a>(
        &'a self,
        _: &'a NodeContext,
        _: Value,
        _: &'a Item,
    ) -> BoxFuture<'a, Result<Vec<Item>, NodeError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn run_all<'a>(
        &'a self,
        _: &'a NodeContext,
        _: Value,
        _: &'a [Items],
    ) -> BoxFuture<'a, Result<Vec<Items>, NodeError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn steer(&self, _: &NodeContext, _: &[Items]) -> Result<Directive, NodeError> {
        Ok(Directive::Outputs(Vec::new()))
    }
    fn trigger(&self) -> Option<TriggerKind> {
        None
    }
}
