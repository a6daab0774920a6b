//! Keeps the table of hooks in step with documents, in the transaction that stores them.

use db::Tx;
use futures::future::BoxFuture;
use kernel::{Problem, WorkspaceId, codes};
use node::TriggerKind;
use workflow::{Graph, PublishObserver, Stored};

use crate::address;
use crate::hooks::Hooks;
use crate::store::{self, HookRows, Taken};

/// Derives hooks from graphs. Give it to the workflow service.
#[derive(Clone)]
pub struct HookObserver {
    hooks: Hooks,
}

impl HookObserver {
    /// An observer that tells these hooks of changes in this process.
    pub fn new(hooks: Hooks) -> Self {
        Self { hooks }
    }
}

impl PublishObserver for HookObserver {
    fn stored<'a>(
        &'a self,
        tx: &'a mut Tx,
        stored: Stored<'a>,
    ) -> BoxFuture<'a, Result<(), Problem>> {
        Box::pin(async move {
            let hooks = match (stored.graph, stored.version) {
                (Some(graph), Some(_)) => distinct(graph)?,
                // Two nodes of a draft at one address are told of when it is published.
                (Some(graph), None) => listened(graph).0,
                (None, _) => HookRows::default(),
            };
            if let (Some(graph), Some(_)) = (stored.graph, stored.version) {
                let taken = store::find_taken(tx, stored.workspace, stored.workflow, &hooks);
                refuse_taken(&taken.await?, &hooks)?;
                refuse_missing_secrets(tx, stored.workspace, graph).await?;
            }
            store::replace(tx, stored.workspace, stored.workflow, stored.version, &hooks)
                .await
                .map_err(|error| match error.constraint() {
                    Some(store::ADDRESS_UNIQUE) => Problem::new(
                        codes::HOOK_TAKEN,
                        "Another workflow was published at the same address a moment ago.",
                    ),
                    _ => error.into(),
                })
        })
    }

    fn committed(&self, workspace: WorkspaceId) {
        self.hooks.changed(workspace);
    }
}

/// Refuses addresses that other workflows have, naming each.
fn refuse_taken(taken: &[Taken], hooks: &HookRows) -> Result<(), Problem> {
    let Some(first) = taken.first() else { return Ok(()) };
    let says = |taken: &Taken| {
        format!(
            "{} {} is answered by the node \"{}\" of the published workflow \"{}\" ({})",
            taken.method, taken.path, taken.node, taken.workflow_name, taken.workflow
        )
    };
    let detail =
        format!("{}; change the path or the method, or unpublish the other one.", says(first));
    let problem = taken.iter().fold(Problem::new(codes::HOOK_TAKEN, detail), |problem, taken| {
        problem.at("/nodes", codes::HOOK_TAKEN, format!("{}.", says(taken)))
    });
    let shape = address::shape(&first.path);
    let own = hooks.methods.iter().zip(&hooks.shapes).zip(&hooks.nodes);
    let own = own.into_iter().find(|((m, s), _)| **m == first.method && **s == shape);
    Err(match own {
        Some((_, node)) => problem.in_node(node),
        None => problem,
    })
}

/// Refuses hooks that could let nobody in.
async fn refuse_missing_secrets(
    tx: &mut Tx,
    workspace: WorkspaceId,
    graph: &Graph,
) -> Result<(), Problem> {
    let mut wanted = Vec::new();
    for node in graph.nodes.iter().filter(|node| !node.disabled) {
        if let Some(TriggerKind::Webhook(hook)) = node.prepared.trigger()
            && let Some(secret) = hook.auth.secret()
        {
            wanted.push((node.name.to_string(), secret.secret.clone()));
        }
    }
    let names: Vec<String> = wanted.iter().map(|(_, secret)| secret.clone()).collect();
    let missing = vault::find_missing(tx, workspace, &names).await?;
    let Some((node, secret)) = wanted.iter().find(|(_, secret)| missing.contains(secret)) else {
        return Ok(());
    };
    let detail = format!(
        "The node \"{node}\" checks its callers with the secret \"{secret}\", which the workspace \
         does not have: set it with PUT /v1/secrets/{secret} first."
    );
    let problem = Problem::new(codes::WORKFLOW_INVALID, detail.clone());
    Err(problem.at("/nodes", codes::SECRET_NOT_FOUND, detail).in_node(node))
}

/// The graph's hooks; refuses two nodes at one address.
fn distinct(graph: &Graph) -> Result<HookRows, Problem> {
    match listened(graph) {
        (rows, None) => Ok(rows),
        (_, Some(node)) => Err(Problem::new(
            codes::HOOK_TAKEN,
            "Two webhook nodes of the workflow listen to the same method and path; change one.",
        )
        .in_node(node)),
    }
}

/// The graph's hooks, the first at each address, and the node of the first that came too late.
fn listened(graph: &Graph) -> (HookRows, Option<String>) {
    let mut rows = HookRows::default();
    let mut late = None;
    for node in graph.nodes.iter().filter(|node| !node.disabled) {
        let Some(TriggerKind::Webhook(hook)) = node.prepared.trigger() else { continue };
        let shape = address::shape(&hook.path);
        let auth = hook.auth.kind();
        for method in hook.methods {
            let known = rows.methods.iter().zip(&rows.shapes);
            if known.into_iter().any(|(known, at)| *known == method && *at == shape) {
                late.get_or_insert_with(|| node.name.to_string());
                continue;
            }
            rows.methods.push(method);
            rows.paths.push(address::stored(&hook.path).to_owned());
            rows.shapes.push(shape.clone());
            rows.nodes.push(node.name.to_string());
            rows.auths.push(auth.to_owned());
        }
    }
    (rows, late)
}
