//! Runs that start runs: called workflows and error workflows.

use std::sync::Arc;

use kernel::{Item, Items, Object, Problem, RunId, Value, codes};
use node::TriggerKind;
use tokio::sync::mpsc;
use workflow::Graph;

use crate::cell::Cell;
use crate::command::Command;
use crate::decide::Input;
use crate::door::{AnswerWhen, RunStatus, StartRun};
use crate::engine::Shared;
use crate::record::{ActivationId, Parent};

/// Runs an activation wants started.
pub(crate) struct Call {
    pub(crate) run: RunId,
    pub(crate) activation: ActivationId,
    pub(crate) workflow: String,
    pub(crate) children: Vec<(u32, RunId, Items)>,
    pub(crate) wait: bool,
}

/// Starts the runs of a call whose record is durable. After a crash those that exist already are
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
    tokio::task::spawn_local(async move {
        let called = shared.called_graph(&graph, &call.workflow).await;
        let children = call.children.into_iter().map(|(index, child, items)| {
            let (shared, called, commands) = (&shared, called.clone(), commands.clone());
            async move {
                let activation = call.activation;
                let parent = Parent { run: call.run, activation, child: index, depth: depth + 1 };
                let result = match called {
                    Ok((graph, trigger)) => {
                        let wait = call.wait;
                        let answer = if wait { AnswerWhen::Ended } else { AnswerWhen::Started };
                        let (key, pins) = (None, false);
                        let start = StartRun { graph, trigger, items, key, test, pins, answer };
                        begin_one(shared, start, child, wait.then_some(parent), again).await
                    }
                    Err(problem) => Some(Err(problem)),
                };
                if let Some(result) = result {
                    let input = Input::Returned { activation, child: index, result };
                    let _ = commands.send(Command::Input(call.run, input));
                }
            }
        });
        futures::future::join_all(children).await;
    });
}

/// Starts a run unless it has been started; gives what its caller is to be told, if that is known.
///
/// One that is waited for tells its `parent` by itself when it ends.
async fn begin_one(
    shared: &Arc<Shared>,
    start: StartRun,
    child: RunId,
    parent: Option<Parent>,
    again: bool,
) -> Option<Result<Items, Problem>> {
    if again {
        let loaded = match shared.load(start.graph.workspace, child).await {
            Ok(loaded) => loaded,
            Err(problem) => return Some(Err(problem)),
        };
        if let Some(state) = loaded.map(|loaded| loaded.state) {
            return match (parent, &state.problem) {
                (None, _) => Some(Ok(Items::default())),
                (Some(_), _) if !state.status.is_final() => None,
                (Some(_), None) => Some(Ok(crate::view::last_items(&state))),
                (Some(_), Some(problem)) => Some(Err(problem.clone())),
            };
        }
    }
    let started = shared.begin(child, start, parent);
    if parent.is_some() {
        return None;
    }
    // An answer that never comes: the member goes down, and recovery looks for the run.
    let answer = started.await.ok()?;
    Some(answer.map(|_| Items::default()))
}

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
        && !cell.key.as_deref().is_some_and(|key| key.starts_with(ERROR_KEY))
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
    tokio::task::spawn_local(async move {
        let told = async {
            let (graph, trigger) = shared.called_graph(&graph, &wanted).await?;
            let key = Some(format!("{ERROR_KEY}{run}"));
            let answer = AnswerWhen::Started;
            let start = StartRun { graph, trigger, items, key, test, pins: false, answer };
            let started = shared.begin(shared.new_run_id(), start, None);
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
