//! Runs that start runs: called workflows and error workflows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use kernel::{Item, Items, Object, Problem, RunId, Value, WorkspaceId, codes};
use node::{Callee, TriggerKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use workflow::Graph;

use crate::cell::Cell;
use crate::command::Command;
use crate::decide::Input;
use crate::door::{AnswerWhen, RunStatus, StartRun};
use crate::engine::Shared;
use crate::load::{self, FIRST_LOOK, persist};
use crate::record::{ActivationId, Parent};

/// Runs an activation wants started.
pub(crate) struct Call {
    pub(crate) run: RunId,
    pub(crate) activation: ActivationId,
    pub(crate) workflow: Callee,
    pub(crate) children: Vec<(u32, RunId, Items)>,
    pub(crate) wait: bool,
}

/// A called run's place among those under way: of its call, and of the member.
pub(crate) struct Slot {
    of_call: OwnedSemaphorePermit,
    _of_member: Option<OwnedSemaphorePermit>,
}

impl Slot {
    /// What a run keeps of it that waits: its place in the call if it waits for runs of its own, so
    /// that a tree of calls grows to its depth before it grows to its breadth; else nothing.
    pub(crate) fn waiting(self, for_calls: bool) -> Option<Self> {
        for_calls.then_some(Self { of_call: self.of_call, _of_member: None })
    }
}

/// Starts the runs of a call whose record is durable, so many at a time. After a crash those that exist already are
/// found by their ids, which derive from the call.
pub(crate) fn begin(
    shared: &Arc<Shared>,
    cell: &Cell,
    call: Call,
    commands: mpsc::UnboundedSender<Command>,
) {
    let shared = Arc::clone(shared);
    let graph = Arc::clone(cell.graph());
    let depth = cell.state.start.parent.map_or(0, |parent| parent.depth);
    let (test, again) = (cell.state.start.test, cell.state.resumed > 0);
    let cancel = cell.cancel.clone();
    let Call { run, activation, workflow, children, wait } = call;
    let trace = cell.state.start.trace.clone();
    let places = Arc::new(Semaphore::new(shared.settings.calls_at_once.max(1)));
    let calling = async move {
        let mut called = HashMap::new();
        for (index, _, _) in &children {
            let name = workflow.of(*index as usize);
            if !called.contains_key(name) {
                let found = persist(&shared, || shared.called_graph(&graph, name)).await;
                called.insert(name, found);
            }
        }
        let children = children.into_iter().map(|(index, child, items)| {
            let (shared, commands, trace) = (&shared, &commands, &trace);
            let called = &called[workflow.of(index as usize)];
            let workspace = graph.workspace;
            let parent = Parent { run, activation, child: index, depth: depth + 1, wait };
            let places = Arc::clone(&places);
            async move {
                let Ok(of_call) = places.acquire_owned().await else { return };
                let known = if again { find(shared, workspace, child, wait).await } else { None };
                let result = match (known, called) {
                    (Some(result), _) => result,
                    (None, Err(problem)) => Err(problem.clone()),
                    (None, Ok((graph, trigger))) => {
                        let (graph, trigger) = (Arc::clone(graph), *trigger);
                        let answer = if wait { AnswerWhen::Ended } else { AnswerWhen::Started };
                        let trace = trace.clone();
                        let new = StartRun::new(graph, trigger, items);
                        let start = StartRun { test, answer, trace, ..new };
                        let of_member = Arc::clone(&shared.calls).acquire_owned().await.ok();
                        let slot = Some(Slot { of_call, _of_member: of_member });
                        let started = shared.begin(child, start, Some(parent), slot);
                        if wait {
                            // It tells its caller by itself when it ends.
                            return;
                        }
                        // An answer that never comes: the member goes down, and recovery looks
                        // for the run.
                        let Ok(answer) = started.await else { return };
                        answer.map(|_| Items::default())
                    }
                };
                let input = Input::Returned { activation, child: index, result };
                let _ = commands.send(Command::Input(run, input));
            }
        });
        futures::future::join_all(children).await;
    };
    tokio::task::spawn_local(async move {
        tokio::select! {
            biased;
            () = cancel.cancelled() => {}
            () = calling => {}
        }
    });
}

/// Ends the runs that a run has called and no longer waits for, itself having ended. Its end is in
/// the journal: a crash in between repeats this.
pub(crate) fn cancel_orphans(
    shared: &Arc<Shared>,
    cell: &Cell,
    commands: mpsc::UnboundedSender<Command>,
) {
    let (shared, run, workspace) = (Arc::clone(shared), cell.run(), cell.workspace());
    let orphans = cell.state.orphans.clone();
    tokio::task::spawn_local(async move {
        let cancel = |orphan: RunId| {
            let shared = &shared;
            async move {
                match persist(shared, || shared.cancel(workspace, orphan)).await {
                    // It was never begun, or has ended by itself.
                    Err(problem) if problem.code != codes::RUN_FINISHED => {
                        tracing::error!(run.id = %orphan, "a called run was not ended: {problem}");
                    }
                    Ok(()) | Err(_) => {}
                }
            }
        };
        stream::iter(orphans).for_each_concurrent(ORPHANS_AT_ONCE, cancel).await;
        let _ = commands.send(Command::OrphansCancelled(run));
    });
}

/// Called runs that are told to end at the same time.
const ORPHANS_AT_ONCE: usize = 64;

/// What the caller of a run is to be told, once that is known; `None` if the run was never started.
///
/// A run that goes on here tells its caller by itself. Another member may have taken it over, so it
/// is looked at, too.
async fn find(
    shared: &Shared,
    workspace: WorkspaceId,
    child: RunId,
    wait: bool,
) -> Option<Result<Items, Problem>> {
    let mut pause = FIRST_LOOK;
    loop {
        let state = match persist(shared, || shared.load(workspace, child)).await {
            Ok(loaded) => loaded?.state,
            Err(problem) => return Some(Err(problem)),
        };
        if !wait {
            return Some(Ok(Items::default()));
        }
        if state.status.is_final() {
            let result = state.problem.as_ref().map_or(Ok(()), |problem| Err(problem.clone()));
            return Some(result.map(|()| crate::view::last_items(&state)));
        }
        load::pause(pause).await;
        pause = (pause * 2).min(CHILD_LOOK_MAX);
    }
}

/// How often a called run is looked at that another member may have.
const CHILD_LOOK_MAX: Duration = Duration::from_secs(10);

/// The trigger a workflow is called by: its manual trigger, else its first trigger.
pub(crate) fn entry(graph: &Graph) -> Option<usize> {
    let kind = |node: usize| graph.nodes[node].prepared.trigger();
    let triggers = || (0..graph.nodes.len()).filter(|node| kind(*node).is_some());
    triggers().find(|node| kind(*node) == Some(TriggerKind::Manual)).or_else(|| triggers().next())
}

/// Whether the run has failed and its error workflow has not been told. A run of the error workflow
/// itself tells nobody.
pub(crate) fn must_tell_error_workflow(cell: &Cell) -> bool {
    let graph = cell.graph();
    cell.state.status == RunStatus::Failed
        && !cell.error_told
        && !cell.state.start.key.as_deref().is_some_and(|key| key.starts_with(ERROR_KEY))
        && graph.settings.error_workflow.as_ref().is_some_and(|wanted| {
            *wanted != graph.workflow.name && *wanted != graph.workflow.id.to_string()
        })
}

const ERROR_KEY: &str = "error:";

/// Starts the error workflow, before the failure itself is stored: a crash in between repeats the
/// start, and the key makes it one.
pub(crate) fn tell_error_workflow(
    shared: &Arc<Shared>,
    cell: &Cell,
    commands: mpsc::UnboundedSender<Command>,
) {
    let (shared, graph, run) = (Arc::clone(shared), Arc::clone(cell.graph()), cell.run());
    let wanted = graph.settings.error_workflow.clone().unwrap_or_default();
    let items = Arc::new(vec![Item::new(error_item(cell))]);
    let test = cell.state.start.test;
    let trace = cell.state.start.trace.clone();
    tokio::task::spawn_local(async move {
        let told = async {
            let called = persist(&shared, || shared.called_graph(&graph, &wanted)).await;
            let (graph, trigger) = called?;
            let key = Some(format!("{ERROR_KEY}{run}"));
            let start = StartRun { key, test, trace, ..StartRun::new(graph, trigger, items) };
            let started = shared.begin(shared.new_run_id(), start, None, None);
            started.await.map_err(|_| Problem::internal())?.map(|_| ())
        };
        if let Err(problem) = told.await {
            tracing::error!(run.id = %run, workflow.name = wanted, "the error workflow could not be started: {problem}");
        }
        let _ = commands.send(Command::ErrorTold(run));
    });
}

fn error_item(cell: &Cell) -> Object {
    let state = &cell.state;
    let graph = cell.graph();
    let problem = state.problem.clone().unwrap_or_else(|| Problem::new(codes::INTERNAL, ""));
    let last = state.last.map(|last| state.activations[last as usize].node as usize);
    let text = |text: &str| Value::String(text.to_owned());
    let object = |fields: Vec<(&str, Value)>| {
        Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    };
    let error = object(vec![
        ("message", text(&problem.detail)),
        ("code", text(&problem.code.to_string())),
        ("node", problem.node.as_deref().map_or(Value::Null, text)),
    ]);
    let execution = object(vec![
        ("id", text(&state.run.to_string())),
        ("mode", text(if state.start.test { "test" } else { "production" })),
        ("error", error),
        ("lastNodeExecuted", last.map_or(Value::Null, |node| text(&graph.nodes[node].name))),
    ]);
    let workflow = object(vec![
        ("id", text(&graph.workflow.id.to_string())),
        ("name", text(&graph.workflow.name)),
    ]);
    [("execution".to_owned(), execution), ("workflow".to_owned(), workflow)].into_iter().collect()
}
