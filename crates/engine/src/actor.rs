//! Actors: they run the nodes' code and say what came of it.
//!
//! An actor never changes a run; it turns an activation into the next [`Input`] of its run.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use kernel::{Item, Items, Problem, codes};
use node::{EffectClass, NodeContext, NodeError, Shape};
use workflow::{Graph, GraphNode, OnError};

use crate::breadcrumb::Crumb;
use crate::decide::Input;
use crate::outcome;
use crate::record::{ActivationId, Effect, Times};

/// An activation to be worked on; may move to another thread.
pub(crate) struct Work {
    pub(crate) graph: Arc<Graph>,
    pub(crate) node: usize,
    pub(crate) activation: ActivationId,
    pub(crate) inputs: Arc<[Items]>,
    /// Input items without an outcome yet, for nodes that work item by item.
    pub(crate) open: Vec<u32>,
    /// Which attempt this is, from 1.
    pub(crate) attempt: u32,
    /// Whether another attempt would follow a passing failure.
    pub(crate) may_retry: bool,
    pub(crate) pins: bool,
    pub(crate) items_max: usize,
    /// Effects of one activation that may be under way at once.
    pub(crate) window: usize,
    pub(crate) cx: NodeContext,
    /// Lies in the breadcrumb file as long as the work goes on.
    pub(crate) _crumb: Crumb,
    /// Microseconds from the run's start to now.
    pub(crate) began_us: u64,
    /// Reading of the monotonic clock now.
    pub(crate) began: Duration,
}

impl Work {
    fn node(&self) -> &GraphNode {
        &self.graph.nodes[self.node]
    }

    fn times(&self) -> Times {
        let took = self.cx.services.clock.monotonic().saturating_sub(self.began);
        Times { began_us: self.began_us, took_us: took.as_micros() as u64 }
    }

    /// How many items it is about.
    pub(crate) fn size(&self) -> usize {
        self.inputs.iter().map(|items| items.len()).sum()
    }

    fn failed(&self, error: NodeError) -> Input {
        let (activation, attempt, times) = (self.activation, self.attempt, self.times());
        Input::Failed { activation, attempt, error, times }
    }

    fn finished(&self, outputs: Vec<Items>) -> Input {
        let longest = outputs.iter().map(|items| items.len()).max().unwrap_or(0);
        if longest > self.items_max {
            let detail = format!(
                "It put {longest} items on one output; the limit is {} (engine.items_per_output_max).",
                self.items_max
            );
            return self.failed(NodeError::fatal(codes::NODE_LIMIT, detail));
        }
        let outputs = outcome::complete(self.node(), &self.inputs, outputs);
        Input::Finished { activation: self.activation, outputs, times: self.times() }
    }
}

/// Does an activation's work, or says which effects it needs.
pub(crate) async fn execute(work: Work) -> Input {
    let attempt = AssertUnwindSafe(run(&work)).catch_unwind().await;
    attempt.unwrap_or_else(|panic| panicked(&work, &panic))
}

/// Sends effects whose intent is durable.
pub(crate) async fn perform(work: Work, effects: Arc<[Effect]>) -> Input {
    let attempt = AssertUnwindSafe(send(&work, &effects)).catch_unwind().await;
    attempt.unwrap_or_else(|panic| panicked(&work, &panic))
}

/// What an activation whose time ran out feeds its run.
pub(crate) fn timed_out(
    activation: ActivationId,
    attempt: u32,
    limit: Duration,
    times: Times,
) -> Input {
    let error = too_slow(limit);
    Input::Failed { activation, attempt, error, times }
}

fn too_slow(limit: Duration) -> NodeError {
    let detail = format!(
        "It ran longer than {} ms; raise the node's timeout if that is right.",
        limit.as_millis()
    );
    NodeError::retry(codes::NODE_TIMEOUT, detail)
}

fn panicked(work: &Work, panic: &(dyn std::any::Any + Send)) -> Input {
    let text = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(node.kind = %work.node().kind, panic = text, "a node panicked");
    work.failed(NodeError::Fatal(Problem::internal()))
}

async fn run(work: &Work) -> Input {
    let node = work.node();
    if node.disabled {
        return work.finished(vec![outcome::pass_on(&work.inputs)]);
    }
    if let (true, Some(pinned)) = (work.pins, &node.pinned) {
        return work.finished(vec![outcome::pinned(&work.inputs, pinned)]);
    }
    match node.prepared.shape() {
        Shape::Trigger => work.finished(vec![outcome::pass_on(&work.inputs)]),
        Shape::Steer => match node.prepared.steer(&work.cx, &work.inputs) {
            Ok(directive) => {
                let times = work.times();
                Input::Steered { activation: work.activation, directive, times }
            }
            Err(error) => work.failed(error),
        },
        Shape::All => run_all(work).await,
        Shape::Each => run_each(work).await,
    }
}

async fn run_all(work: &Work) -> Input {
    let prepared = &work.node().prepared;
    let parameters = match prepared.resolve(&work.cx.scope, 0) {
        Ok(parameters) => parameters,
        Err(problem) => return work.failed(problem.into()),
    };
    if prepared.effect(&parameters) >= EffectClass::External {
        let effects = Arc::new([Effect { item: 0, parameters }]);
        return Input::Intend { activation: work.activation, effects };
    }
    match prepared.run_all(&work.cx, parameters, &work.inputs).await {
        Ok(outputs) => work.finished(outputs),
        Err(_) if prepared.itemwise() && work.node().on_error != OnError::Stop => {
            run_apart(work).await
        }
        Err(error) => work.failed(error),
    }
}

/// Runs a node whose items do not depend on each other once per item, so that the failed ones go
/// their own way.
async fn run_apart(work: &Work) -> Input {
    let node = work.node();
    let mut ports: Vec<Vec<Item>> = vec![Vec::new(); node.outputs.len().max(1)];
    let items = work.inputs.first().map_or(&[][..], |items| items.as_slice());
    let outcomes = match node.prepared.run_apart(&work.cx, &work.inputs).await {
        Ok(outcomes) => outcomes,
        Err(error) => return work.failed(error),
    };
    for ((index, item), outcome) in items.iter().enumerate().zip(outcomes) {
        match outcome {
            Ok(outputs) => {
                for (port, items) in ports.iter_mut().zip(outputs) {
                    port.extend(items.iter().cloned());
                }
            }
            Err(error) => {
                let (port, failed) = match node.prepared.about().failed_output {
                    Some(port) if node.error_port().is_none() => (port, item.clone()),
                    _ => outcome::failed_item(node, item, &error.problem()),
                };
                ports[port].push(failed.paired(index));
            }
        }
    }
    work.finished(ports.into_iter().map(Arc::new).collect())
}

async fn run_each(work: &Work) -> Input {
    let prepared = &work.node().prepared;
    let Some(first) = work.open.first() else { return work.finished(Vec::new()) };
    let class = match prepared.resolve(&work.cx.scope, *first as usize) {
        Ok(parameters) => prepared.effect(&parameters),
        Err(_) => EffectClass::Pure,
    };
    if class >= EffectClass::External {
        return intend_window(work);
    }
    let items = work.inputs.first().map_or(&[][..], |items| items.as_slice());
    let at_once = if class == EffectClass::Pure { 1 } else { work.window };
    let stops = work.node().on_error == OnError::Stop;
    let one = |index: u32| async move {
        let parameters = prepared.resolve(&work.cx.scope, index as usize)?;
        // One item may be an effect where the others are not: it has to be intended first.
        if prepared.effect(&parameters) >= EffectClass::External {
            return Err(NodeError::fatal(codes::NODE_PARAMETER, MIXED));
        }
        prepared.run_item(&work.cx, parameters, &items[index as usize]).await
    };
    let mut outcomes = Vec::with_capacity(work.open.len());
    let mut running = stream::iter(work.open.iter().copied()).map(one).buffered(at_once);
    while let Some(outcome) = running.next().await {
        match outcome {
            Ok(items) => outcomes.push(Ok(Arc::new(items))),
            Err(error) if stops || (work.may_retry && is_passing(&error)) => {
                return work.failed(error);
            }
            Err(error) => outcomes.push(Err(error.problem())),
        }
    }
    match outcome::assemble(work.node(), &work.inputs, outcomes) {
        Ok(outputs) => work.finished(outputs),
        Err(problem) => work.failed(NodeError::Fatal(problem)),
    }
}

const MIXED: &str =
    "Some items would only read and others change the outside: split them into two nodes.";

fn is_passing(error: &NodeError) -> bool {
    matches!(error, NodeError::Retry { .. })
}

/// The next effects of a node that works item by item. An item whose parameters cannot be resolved
/// ends the window; when it comes first, its error is its outcome.
fn intend_window(work: &Work) -> Input {
    let mut effects = Vec::new();
    for item in work.open.iter().copied().take(work.window) {
        match work.node().prepared.resolve(&work.cx.scope, item as usize) {
            Ok(parameters) => effects.push(Effect { item, parameters }),
            Err(problem) if effects.is_empty() => {
                let outcomes = vec![(item, Err(problem.into()))];
                return performed(work, outcomes);
            }
            Err(_) => break,
        }
    }
    Input::Intend { activation: work.activation, effects: effects.into() }
}

fn performed(work: &Work, outcomes: Vec<(u32, Result<Vec<Item>, NodeError>)>) -> Input {
    let (activation, attempt, times) = (work.activation, work.attempt, work.times());
    Input::Performed { activation, attempt, outcomes, times }
}

async fn send(work: &Work, effects: &[Effect]) -> Input {
    let prepared = &work.node().prepared;
    kernel::fault!("effect.before");
    let input = if prepared.shape() == Shape::All {
        let parameters =
            effects.first().map(|effect| effect.parameters.clone()).unwrap_or_default();
        match prepared.run_all(&work.cx, parameters, &work.inputs).await {
            Ok(outputs) => work.finished(outputs),
            Err(error) => work.failed(error),
        }
    } else {
        let outcomes = send_each(work, effects).await;
        performed(work, outcomes)
    };
    kernel::fault!("effect.performed");
    input
}

async fn send_each(work: &Work, effects: &[Effect]) -> Vec<(u32, Result<Vec<Item>, NodeError>)> {
    let items = work.inputs.first().map_or(&[][..], |items| items.as_slice());
    let one = |effect: Effect| async move {
        let Some(item) = items.get(effect.item as usize) else {
            return (effect.item, Err(NodeError::Fatal(Problem::internal())));
        };
        let cx = work.cx.for_item(effect.item);
        let sent = work.node().prepared.run_item(&cx, effect.parameters, item);
        // Each on its own: a slow one must not take the results of the others with it.
        let outcome = match tokio::time::timeout(cx.timeout, sent).await {
            Ok(outcome) => outcome,
            Err(_) => Err(too_slow(cx.timeout)),
        };
        (effect.item, outcome)
    };
    stream::iter(effects.iter().cloned()).map(one).buffered(work.window).collect().await
}
