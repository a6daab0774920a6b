//! The service: finds what listens to a request, lets it in, starts its run, answers its caller.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use db::{Database, Identity};
use engine::{AnswerWhen, Engine, StartRun, Started};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ALLOW};
use kernel::room::Held;
use kernel::{Clock, Dice, Item, Problem, WorkflowId, WorkspaceId, codes};
use node::{Blobs, Hook, HookReply, TriggerKind};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use vault::Vault;
use workflow::service::Author;
use workflow::{Catalog, Graph};

use crate::address::{Addresses, Miss, Parameter, Route, Stage};
use crate::answer::{
    self, AnswerBody, HookAnswer, HookError, answered_methods, nothing_listens, wrong_method,
};
use crate::calls::{CallEnd, CallLog};
use crate::cors::{self, ExtraHeaders};
use crate::guard::Guard;
use crate::intake::{Body, BodyLimits, Intake, Plan};
use crate::item::{self, HookBody, HookHead, HookRequest};
use crate::key;
use crate::listening::{HeardCall, Listenings};
use crate::signature::Claim;
use crate::signatures;
use crate::store::listenings::ListeningRow;
use crate::table::Tables;

/// Settings of hooks.
#[derive(Clone, Debug)]
pub struct HookSettings {
    /// How long a caller waits for a workflow's answer before `hook.timeout`; the run goes on.
    pub answer_within: Duration,
    /// Scheme, host and port of the addresses that are shown.
    pub base_url: String,
    /// Bytes of bodies.
    pub bodies: BodyLimits,
}

impl Default for HookSettings {
    /// 60 s, `http://localhost`, 16 MiB of data and 256 MiB of files.
    fn default() -> Self {
        Self {
            answer_within: Duration::from_secs(60),
            base_url: "http://localhost".to_owned(),
            bodies: BodyLimits {
                whole_bytes_max: kernel::limits::BODY_BYTES_MAX,
                upload_bytes_max: 256 * 1024 * 1024,
            },
        }
    }
}

/// How often notes of calls go to the database.
const CALLS_WRITTEN_EVERY: Duration = Duration::from_secs(2);

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
    /// Opens the secrets callers are checked with.
    pub vault: Vault,
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
    calls: CallLog,
    listenings: Listenings,
}

/// A graph and the webhook node in it that listens, ready to check who calls.
pub(crate) struct Target {
    graph: Arc<Graph>,
    trigger: usize,
    hook: Hook,
    guard: Guard,
}

/// What becomes of a request before its body is read.
pub enum Reception {
    /// A workflow listens.
    Found(Found),
    /// It only asked what may be sent.
    Preflight(HookAnswer),
}

/// What listens to a request.
pub struct Found {
    workspace: WorkspaceId,
    route: Arc<Route>,
    target: Arc<Target>,
    parameters: Vec<Parameter>,
}

impl Found {
    /// Whether the caller is let in, as far as can be said before the body is there.
    ///
    /// # Errors
    /// `hook.forbidden`, `hook.unauthorized`, `hook.misconfigured`.
    pub fn admit(&self, head: &HookHead<'_>) -> Result<(), HookError> {
        self.target.guard.admit(head)
    }

    /// Whether a draft answers.
    pub fn is_draft(&self) -> bool {
        self.route.stage == Stage::Draft
    }

    /// Whose workflow it is.
    pub fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// What goes on the answer, whatever it is, for the sake of browsers.
    pub fn extra_headers(&self, head: &HookHead<'_>) -> ExtraHeaders {
        let cors = self.target.hook.cors.as_ref();
        cors.map(|cors| cors::answer(cors, head.headers)).unwrap_or_default()
    }
}

impl Hooks {
    /// Hooks that know no address yet.
    pub fn new(settings: HookSettings, parts: HookParts) -> Self {
        let tables = Tables::new(parts.database.clone(), Arc::clone(&parts.clock));
        let vault = parts.vault.clone();
        let (calls, listenings) = (CallLog::default(), Listenings::default());
        let hooks = Self(Arc::new(Inner { settings, parts, tables, calls, listenings }));
        let told = Arc::downgrade(&hooks.0);
        vault.watch(move |workspace| {
            if let Some(inner) = told.upgrade() {
                inner.tables.changed(workspace);
            }
        });
        hooks
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
        head: &HookHead<'_>,
    ) -> Result<Reception, HookError> {
        let Some(addresses) = self.0.tables.of(slug).await? else {
            return Err(nothing_listens(stage, slug, path).into());
        };
        let allow = match addresses.find(stage, path, head.method) {
            Ok((route, parameters)) => {
                let found = self.found(addresses.workspace, route, parameters).await?;
                return Ok(Reception::Found(found));
            }
            Err(Miss::Path) => return Err(nothing_listens(stage, slug, path).into()),
            Err(Miss::Method(allow)) => answered_methods(allow),
        };
        match head.method {
            // HEAD is GET without the body of the answer, which the connection leaves out.
            "HEAD" if allow.iter().any(|method| method == "GET") => {
                let (route, parameters) = addresses
                    .find(stage, path, "GET")
                    .map_err(|_| nothing_listens(stage, slug, path))?;
                let found = self.found(addresses.workspace, route, parameters).await?;
                Ok(Reception::Found(found))
            }
            "OPTIONS" => {
                let answer = self.preflight(&addresses, stage, path, head, &allow).await?;
                Ok(Reception::Preflight(answer))
            }
            method => Err(wrong_method(method, allow)),
        }
    }

    /// Answers a browser that asks before it sends, and anybody who asks for the methods.
    async fn preflight(
        &self,
        addresses: &Addresses,
        stage: Stage,
        path: &str,
        head: &HookHead<'_>,
        allow: &[String],
    ) -> Result<HookAnswer, HookError> {
        let methods = allow.join(", ");
        let mut headers = vec![(ALLOW.as_str().to_owned(), methods.clone())];
        let asked = head.headers.get(ACCESS_CONTROL_REQUEST_METHOD);
        if let Some(method) = asked.and_then(|value| value.to_str().ok())
            && let Ok((route, _)) = addresses.find(stage, path, method)
            && let Some(cors) = &self.target(addresses.workspace, &route).await?.hook.cors
        {
            let extra = cors::preflight(cors, head.headers, &methods);
            headers.extend(extra.into_iter().map(|(name, value)| (name.to_string(), value)));
        }
        let body = AnswerBody::Whole(Vec::new());
        Ok(HookAnswer { status: 204, headers, body, run: None, replaced_surrogates: 0 })
    }

    async fn found(
        &self,
        workspace: WorkspaceId,
        route: Arc<Route>,
        parameters: Vec<Parameter>,
    ) -> Result<Found, Problem> {
        let target = self.target(workspace, &route).await?;
        Ok(Found { workspace, route, target, parameters })
    }

    async fn target(&self, workspace: WorkspaceId, route: &Route) -> Result<Arc<Target>, Problem> {
        let target = route.target.get_or_try_init(|| self.load(workspace, route)).await?;
        Ok(Arc::clone(target))
    }

    /// How the body of a request shall be handed over.
    ///
    /// # Errors
    /// `request.unsupported`.
    pub fn intake(&self, found: &Found, head: &HookHead<'_>) -> Result<Intake, Problem> {
        let plan = Plan::of(&found.target.hook, head.headers, self.0.settings.bodies)?;
        Ok(plan.intake(found.target.guard.needs_body()))
    }

    /// Reads a body that comes as a stream, storing its files.
    ///
    /// # Errors
    /// `request.malformed`, `request.unsupported`, `request.body_too_large`,
    /// `database.unavailable`, and what the stream says.
    pub async fn take(
        &self,
        found: &Found,
        head: &HookHead<'_>,
        pieces: BoxStream<'_, Result<Bytes, Problem>>,
        held: &mut Held,
    ) -> Result<Body, Problem> {
        let plan = Plan::of(&found.target.hook, head.headers, self.0.settings.bodies)?;
        plan.take(pieces.boxed(), found.workspace, &*self.0.parts.blobs, held).await
    }

    /// Starts the run and waits for its answer as the trigger's `respond` says.
    ///
    /// # Errors
    /// `hook.unauthorized`, `hook.replayed`, `request.malformed`, `request.invalid`,
    /// `hook.timeout`, `server.overloaded`, `database.unavailable`; for a run that failed its code,
    /// with status 500 or above.
    pub async fn answer(
        &self,
        found: &Found,
        request: HookRequest<'_>,
    ) -> Result<HookAnswer, HookError> {
        let Found { workspace, route, target, parameters } = found;
        let parts = &self.0.parts;
        let HookRequest { head, url, trace, body, is_insider, mut held } = request;
        let key = key::of(&head, &target.hook, route)?;
        let mut claim = None;
        let body = match body {
            HookBody::Taken(body) => body,
            HookBody::Whole(sent) => {
                claim = match target.guard.needs_body() {
                    true => target.guard.verify(&head, &sent, parts.clock.now())?,
                    false => None,
                };
                let plan = Plan::of(&target.hook, head.headers, self.0.settings.bodies)?;
                plan.read(sent, *workspace, &*parts.blobs, &mut held).await?
            }
        };
        let replaced_surrogates = body.replaced_surrogates;
        let hidden = target.guard.secret_header();
        let item = item::make(&head, url, body, route.stage, parameters.clone(), hidden);
        if let Some(claim) = &claim {
            self.claim(found, claim).await?;
        }
        let (answered, is_heard) = match self.run(found, item, key, trace).await {
            Ok(answered) => answered,
            Err(error) => {
                // Nothing was started: the same call may be sent again.
                if let (Some(claim), None) = (&claim, error.run) {
                    self.release(found, claim).await;
                }
                return Err(error);
            }
        };
        let mut answer = match target.hook.respond {
            HookReply::Immediately => answer::accepted(answered.run),
            respond => {
                // Somebody tries a draft out: no stranger who found its address.
                let in_full = route.stage == Stage::Draft && (is_insider || is_heard);
                answer::render(answered, respond, in_full, *workspace, &*parts.blobs).await?
            }
        };
        answer.replaced_surrogates = replaced_surrogates;
        Ok(answer)
    }

    /// Starts the run and waits for its answer; also whether somebody listened to the call.
    async fn run(
        &self,
        found: &Found,
        item: Item,
        key: Option<String>,
        trace: Option<String>,
    ) -> Result<(engine::Answer, bool), HookError> {
        let Found { workspace, route, target, .. } = found;
        let parts = &self.0.parts;
        let test = route.stage == Stage::Draft;
        let heard = test.then(|| item.clone());
        let files = item.binary.iter().flat_map(|files| files.values());
        let files: Vec<String> = files.map(|file| file.blob.clone()).collect();
        let started = parts.engine.start(StartRun {
            key,
            test,
            trace,
            answer: match target.hook.respond {
                HookReply::Immediately => AnswerWhen::Started,
                HookReply::LastNode => AnswerWhen::Ended,
                HookReply::Node => AnswerWhen::Replied,
            },
            ..StartRun::new(Arc::clone(&target.graph), target.trigger, Arc::new(vec![item]))
        })?;
        // Files of a call that was refused are gone in a day or so.
        if let Err(error) = parts.blobs.keep(*workspace, &files).await {
            tracing::error!(error = %error, run.id = %started.run, "a run's files may not last");
        }
        let mut is_heard = false;
        if let Some(item) = heard {
            let listenings = &self.0.listenings;
            let (database, clock) = (&parts.database, &*parts.clock);
            let call = HeardCall { route, item: &item, run: started.run };
            is_heard = listenings.offer(database, *workspace, call, clock).await;
        }
        Ok((self.wait(started).await?, is_heard))
    }

    /// Notes how a call ended, for the log of calls; most often it does next to nothing.
    pub fn note(&self, found: &Found, head: &HookHead<'_>, end: CallEnd<'_>) {
        let HookParts { clock, dice, .. } = &self.0.parts;
        self.0.calls.note(found.workspace, &found.route, head, end, &**clock, &**dice);
    }

    /// Writes notes of calls to the database, now and then, until it is told to stop.
    pub async fn keep_calls(&self, stop: CancellationToken) {
        let mut again = tokio::time::interval(CALLS_WRITTEN_EVERY);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = again.tick() => {}
            }
            self.0.calls.flush_all(&self.0.parts.database).await;
        }
        self.0.calls.flush_all(&self.0.parts.database).await;
    }

    /// Writes notes of calls of one workspace.
    pub(crate) async fn flush_calls(&self, workspace: WorkspaceId) -> Result<(), Problem> {
        Ok(self.0.calls.flush(&self.0.parts.database, workspace).await?)
    }

    /// What the workflow waits for or has got, once it has got it or `within` is over.
    pub(crate) async fn wait_for_call(
        &self,
        workspace: WorkspaceId,
        workflow: WorkflowId,
        within: Duration,
    ) -> Result<Option<ListeningRow>, Problem> {
        let HookParts { database, clock, .. } = &self.0.parts;
        self.0.listenings.wait(database, workspace, workflow, within, &**clock).await
    }

    /// Takes a signature for this call; `hook.replayed` when one took it before.
    async fn claim(&self, found: &Found, claim: &Claim) -> Result<(), HookError> {
        let HookParts { database, clock, .. } = &self.0.parts;
        let now = clock.now();
        let free = signatures::claim(database, found.workspace, &found.route, claim, now).await;
        if free.map_err(Problem::from)? {
            return Ok(());
        }
        let detail = "A call with this signature was accepted before; sign anew to call again.";
        let reason = Some("the signature was accepted before".to_owned());
        Err(HookError { reason, ..Problem::new(codes::HOOK_REPLAYED, detail).into() })
    }

    async fn release(&self, found: &Found, claim: &Claim) {
        let database = &self.0.parts.database;
        let released = signatures::release(database, found.workspace, &found.route, claim).await;
        if let Err(error) = released {
            tracing::warn!(error = %error, "a signature stays taken although nothing was started");
        }
    }

    /// Scheme, host and port of addresses that are shown.
    pub(crate) fn base_url(&self) -> &str {
        self.0.settings.base_url.trim_end_matches('/')
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
                let detail = "The run goes on, but its answer cannot be told here: this member is \
                              shutting down, or another one has taken the run over.";
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

    async fn load(&self, workspace: WorkspaceId, route: &Route) -> Result<Arc<Target>, Problem> {
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
        let guard = Guard::of(&hook, workspace, &parts.vault).await?;
        Ok(Arc::new(Target { graph, trigger, hook: *hook, guard }))
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
