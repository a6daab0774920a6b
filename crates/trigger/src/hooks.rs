//! The service: finds what listens to a request, starts its run, answers its caller.

use std::sync::Arc;
use std::time::Duration;

use db::{Database, Identity};
use engine::{AnswerWhen, Engine, StartRun, Started};
use kernel::{Clock, Dice, Problem, WorkspaceId, codes};
use node::{Blobs, Hook, HookReply, TriggerKind};
use workflow::service::Author;
use workflow::{Catalog, Graph};

use crate::address::{Miss, Parameter, Route, Stage};
use crate::answer::{self, HookAnswer, HookError};
use crate::item::{self, HookRequest};
use crate::table::Tables;

/// Settings of hooks.
#[derive(Clone, Copy, Debug)]
pub struct HookSettings {
    /// How long a caller waits for a workflow's answer before `hook.timeout`; the run goes on.
    pub answer_within: Duration,
}

impl Default for HookSettings {
    /// 60 s.
    fn default() -> Self {
        Self { answer_within: Duration::from_secs(60) }
    }
}

/// What hooks work with.
pub struct HookParts {
    /// Holds the addresses.
    pub database: Database,
    /// Finds graphs.
    pub catalog: Catalog,
    /// Runs them.
    pub engine: Engine,
    /// Keeps bodies that are no JSON.
    pub blobs: Arc<dyn Blobs>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub dice: Arc<dyn Dice>,
}

/// Hooks of all workspaces. Cheap to clone.
#[derive(Clone)]
pub struct Hooks(Arc<Inner>);

struct Inner {
    settings: HookSettings,
    parts: HookParts,
    tables: Tables,
}

/// A graph and the webhook node in it that listens.
#[derive(Clone)]
pub(crate) struct Target {
    graph: Arc<Graph>,
    trigger: usize,
    hook: Arc<Hook>,
}

/// What listens to a request.
pub struct Found {
    workspace: WorkspaceId,
    stage: Stage,
    route: Arc<Route>,
    target: Target,
    parameters: Vec<Parameter>,
}

impl Hooks {
    /// Hooks that know no address yet.
    pub fn new(settings: HookSettings, parts: HookParts) -> Self {
        let tables = Tables::new(parts.database.clone(), Arc::clone(&parts.clock));
        Self(Arc::new(Inner { settings, parts, tables }))
    }

    /// Finds what listens at `path` of the workspace `slug`; do it before reading the body.
    ///
    /// # Errors
    /// `hook.not_found`, `request.method` with the methods that are listened to,
    /// `database.unavailable`, and what keeps a version from being loaded.
    pub async fn find(
        &self,
        stage: Stage,
        slug: &str,
        path: &str,
        method: &str,
    ) -> Result<Found, HookError> {
        let Some(addresses) = self.0.tables.of(slug).await? else {
            return Err(nothing_listens(stage, slug, path).into());
        };
        let (route, parameters) = match addresses.find(stage, path, method) {
            Ok(found) => found,
            Err(Miss::Path) => return Err(nothing_listens(stage, slug, path).into()),
            Err(Miss::Method(allow)) => return Err(wrong_method(method, allow)),
        };
        let workspace = addresses.workspace;
        let target = route.target.get_or_try_init(|| self.load(workspace, &route)).await?.clone();
        Ok(Found { workspace, stage, route, target, parameters })
    }

    /// Starts the run and waits for its answer as the trigger's `respond` says.
    ///
    /// # Errors
    /// `request.malformed`, `request.invalid`, `hook.timeout`, `server.overloaded`,
    /// `database.unavailable`; for a run that failed its code, with status 500 or above.
    pub async fn answer(
        &self,
        found: Found,
        request: HookRequest<'_>,
    ) -> Result<HookAnswer, HookError> {
        let Found { workspace, stage, route, target: Target { graph, trigger, hook }, parameters } =
            found;
        let blobs = &*self.0.parts.blobs;
        let key = key(&request, &route)?;
        let trace = request.trace.clone();
        let made = item::make(request, stage, parameters, hook.raw_body, workspace, blobs).await?;
        let test = stage == Stage::Draft;
        let started = self.0.parts.engine.start(StartRun {
            key,
            test,
            trace,
            answer: match hook.respond {
                HookReply::Immediately => AnswerWhen::Started,
                HookReply::LastNode => AnswerWhen::Ended,
                HookReply::Node => AnswerWhen::Replied,
            },
            ..StartRun::new(graph, trigger, Arc::new(vec![made.item]))
        })?;
        let answered = self.wait(started).await?;
        let mut answer = match hook.respond {
            HookReply::Immediately => answer::accepted(answered.run),
            respond => answer::render(answered, respond, test, workspace, blobs).await?,
        };
        answer.replaced_surrogates = made.replaced_surrogates;
        Ok(answer)
    }

    /// The workspace's hooks changed in this process.
    pub fn changed(&self, workspace: WorkspaceId) {
        self.0.tables.changed(workspace);
    }

    async fn wait(&self, started: Started) -> Result<engine::Answer, HookError> {
        let Started { run, answer } = started;
        let within = self.0.settings.answer_within;
        match tokio::time::timeout(within, answer).await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            // Refused before it was durable: nothing was started.
            Ok(Ok(Err(problem))) => Err(problem.into()),
            Ok(Err(_)) => {
                let detail = "This member is shutting down; the run goes on elsewhere.";
                Err(HookError::of_run(run, Problem::new(codes::SERVER_OVERLOADED, detail)))
            }
            Err(_) => {
                let detail = format!(
                    "The workflow did not answer within {} s; run {run} goes on.",
                    within.as_secs()
                );
                Err(HookError::of_run(run, Problem::new(codes::HOOK_TIMEOUT, detail)))
            }
        }
    }

    async fn load(&self, workspace: WorkspaceId, route: &Route) -> Result<Target, Problem> {
        let parts = &self.0.parts;
        let version = match route.version {
            Some(version) => version,
            None => self.draft_version(workspace, route).await?,
        };
        let graph = parts.catalog.graph(workspace, version).await?;
        let found = graph.nodes.iter().enumerate().find(|(_, node)| *node.name == *route.node);
        let hook = found.and_then(|(index, node)| match node.prepared.trigger()? {
            TriggerKind::Webhook(hook) => Some((index, hook)),
            TriggerKind::Manual => None,
        });
        let Some((trigger, hook)) = hook else {
            tracing::error!(
                workflow.id = %route.workflow,
                node.name = route.node,
                "a hook names a node that is no webhook trigger"
            );
            return Err(Problem::internal());
        };
        Ok(Target { graph, trigger, hook: Arc::new(hook) })
    }

    /// Stores the draft as a version, so that its runs can be resumed like any other.
    async fn draft_version(
        &self,
        workspace: WorkspaceId,
        route: &Route,
    ) -> Result<kernel::VersionId, Problem> {
        let parts = &self.0.parts;
        let identity = Identity::of_workspace(workspace);
        let reference = route.workflow.to_string();
        parts
            .database
            .transact(identity, |mut tx| async {
                let author =
                    Author { workspace, principal: None, clock: &*parts.clock, dice: &*parts.dice };
                let registry = parts.catalog.registry();
                let version =
                    workflow::service::store_draft(&mut tx, author, registry, &reference).await?;
                tx.commit().await?;
                Ok::<_, Problem>(version.id)
            })
            .await
    }
}

/// The run's key: the caller's, within the one workflow and node it was sent to.
fn key(request: &HookRequest<'_>, route: &Route) -> Result<Option<String>, Problem> {
    let Some(sent) = request.headers.get("idempotency-key") else { return Ok(None) };
    let sent = function::idempotency_key(sent.as_bytes())?;
    let stage = route.stage.as_str();
    Ok(Some(format!("hook:{stage}:{}:{}:{sent}", route.workflow, route.node)))
}

fn nothing_listens(stage: Stage, slug: &str, path: &str) -> Problem {
    let (root, mend) = match stage {
        Stage::Published => ("hooks", "publish a workflow with a webhook trigger for this path"),
        Stage::Draft => ("hooks-test", "save a valid draft with a webhook trigger for this path"),
    };
    let detail = format!("Nothing listens at /{root}/{slug}/{}: {mend}.", path.trim_matches('/'));
    Problem::new(codes::HOOK_NOT_FOUND, detail)
}

fn wrong_method(method: &str, allow: Vec<String>) -> HookError {
    let detail = format!("{method} is not listened to here; {} is.", allow.join(", "));
    HookError { allow, ..HookError::from(Problem::new(codes::REQUEST_METHOD, detail)) }
}
