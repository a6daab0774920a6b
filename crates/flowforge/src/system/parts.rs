//! The parts of a member: its lease, its engine, its hooks, its listener.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use db::Database;
use engine::blobs::BlobStore;
use engine::breadcrumb::{Breadcrumbs, Suspect};
use engine::flusher::Flusher;
use engine::maintenance::Maintenance;
use engine::member::{self, Joining, MemberClock};
use engine::{Engine, Threads, store};
use function::{Host, Job, JobHandler, JobSurroundings, LANE, Services};
use futures::FutureExt as _;
use gateway::{Check, Probe, Server};
use identity::Authenticator;
use kernel::{Clock, Dice, Problem};
use node::Registry;
use observe::Metrics;
use queue::{Hints, Queue, Worker};
use rate::{Exchange, Rates};
use sandbox::CodePool;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use trigger::{HookObserver, HookParts, Hooks};
use vault::Vault;
use workflow::{Catalog, OptionLoaders, Publishing};

use super::graphs::CatalogGraphs;
use super::{name, settings};
use crate::app::App;
use crate::config::Config;
use crate::keys;

/// How long a stop waits for records that are on their way to the database.
const FLUSH_WITHIN: Duration = Duration::from_secs(20);
/// Which activations are executing, for the process after this one.
const CRUMBS_FILE: &str = "breadcrumbs";
/// How often a member looks whether runs of members that are gone wait for a new owner.
const RECOVER_EVERY: Duration = Duration::from_secs(1);

/// A running member without its listener's loop.
pub(super) struct Member {
    pub(super) engine: Engine,
    pub(super) queue: Queue,
    threads: Threads,
    flusher: Flusher,
    lease: member::Member,
    tasks: JoinSet<()>,
    stop: CancellationToken,
    /// How long a stop waits for effects that are being sent.
    drain_timeout: Duration,
}

/// Where a member joins, and with what.
pub(super) struct Place<'a> {
    /// The database, migrated.
    pub(super) database: &'a Database,
    /// The data directory, whose lock is ours.
    pub(super) directory: &'a Path,
    /// Where the member listens.
    pub(super) address: SocketAddr,
    /// What the program adds.
    pub(super) app: &'a App,
    /// The node types.
    pub(super) registry: &'a Arc<Registry>,
    /// The machine's clock.
    pub(super) clock: Arc<dyn Clock>,
    /// Chance.
    pub(super) dice: Arc<dyn Dice>,
    /// The program that hosts code processes, unless it is this one.
    pub(super) code_host: Option<(PathBuf, Vec<String>)>,
}

impl Member {
    /// Joins the cluster, starts the engine, takes up what earlier lives left, and builds the server.
    pub(super) async fn join(config: &Config, place: Place<'_>) -> Result<(Self, Server), Problem> {
        // Settled once for the process; a second system in it has the same.
        expr::set_limits(settings::expressions(&config.expression));
        let Place { database, directory, address, app, registry, clock, dice, code_host } = place;
        let joining = Joining {
            name: name::of(directory, &*clock, &*dice)?,
            address: Some(address.to_string()),
            roles: vec!["all".to_owned()],
            version: env!("CARGO_PKG_VERSION").to_owned(),
            exclusive: true,
        };
        let lease =
            member::Member::join(database.clone(), joining, clock, Arc::clone(&dice)).await?;
        let clock: Arc<dyn Clock> = lease.clock();
        let queue = Queue::new(database.clone(), lease.id(), Arc::clone(&clock));
        let maintenance = Maintenance::new(database.clone(), queue.clone());
        // Today's partitions must be there before the first record.
        maintenance.tick(clock.now()).await?;
        let (breadcrumbs, suspects) = Breadcrumbs::open(&directory.join(CRUMBS_FILE))?;
        let world = World {
            config,
            app,
            hints: Hints::default(),
            code_host,
            database: database.clone(),
            flusher: flusher(config, database, &lease, &clock, &dice)?,
            catalog: Catalog::new(database.clone(), Arc::clone(registry)),
            blobs: BlobStore::new(database.clone(), Arc::clone(&clock), settings::BLOBS_KEPT),
            vault: Vault::new(database.clone(), settings::sealing_key(&config.secrets, directory)?),
            address,
            lease,
            breadcrumbs,
            clock,
            dice,
        };
        let (engine, threads) = world.engine()?;
        let authenticator = Authenticator::new(database.clone(), Arc::clone(&world.clock));
        keys::keep_local(database, &authenticator, &*world.clock, &*world.dice, directory).await?;
        let hooks = world.hooks(&engine);
        let services = world.services(&engine, &hooks, &authenticator);
        let worker = world.worker(queue.clone(), &services);
        let rates = Rates::new(settings::rates(&config.gateway.rates), Arc::clone(&world.clock));
        let server = world.server(hooks.clone(), authenticator, services, rates.clone())?;
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        if rates.are_set() {
            let exchange = Exchange::new(database.clone(), world.lease.id().0);
            let stop = stop.clone();
            tasks.spawn(async move { rates.keep_exchanging(exchange, stop).await });
        }
        tasks.spawn(keep_calls(hooks, stop.clone()));
        tasks.spawn(maintain(maintenance, Arc::clone(&world.clock), stop.clone()));
        tasks.spawn(worker.run(stop.clone()));
        tasks.spawn(recover(engine.clone(), suspects, stop.clone()));
        let World { flusher, lease, .. } = world;
        let drain_timeout = config.server.drain_timeout.0;
        Ok((Self { engine, queue, threads, flusher, lease, tasks, stop, drain_timeout }, server))
    }

    /// The member's time.
    pub(super) fn clock(&self) -> Arc<MemberClock> {
        self.lease.clock()
    }

    /// Ends the threads without writing what is recorded and without giving the lease up.
    pub(super) async fn abandon(mut self) {
        self.lease.halt().await;
        self.engine.close();
        self.tasks.abort_all();
        while self.tasks.join_next().await.is_some() {}
        let (flusher, threads) = (self.flusher, self.threads);
        let ended = tokio::task::spawn_blocking(move || {
            flusher.close(Duration::ZERO);
            threads.stop();
        });
        let _ended = ended.await;
    }

    /// Lets nothing more in, waits for what is being sent, writes what is recorded, and gives
    /// the lease up.
    pub(super) async fn leave(mut self) {
        self.engine.close();
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        if !self.engine.drain(self.drain_timeout).await {
            tracing::warn!(
                "effects were still being sent; what came of them will be asked or tried"
            );
        }
        let (flusher, threads) = (self.flusher, self.threads);
        let ended = tokio::task::spawn_blocking(move || {
            flusher.close(FLUSH_WITHIN);
            threads.stop();
        });
        if let Err(error) = ended.await {
            tracing::error!(error.cause = %error, "the engine's threads ended badly");
        }
        if let Err(problem) = self.engine.write_statistics().await {
            tracing::warn!(error.code = %problem.code, "the last statistics could not be written");
        }
        if let Err(problem) = self.lease.leave().await {
            tracing::warn!(error.code = %problem.code, "the lease could not be given up");
        }
    }
}

/// What the engine and the server are made from.
struct World<'a> {
    config: &'a Config,
    app: &'a App,
    hints: Hints,
    code_host: Option<(PathBuf, Vec<String>)>,
    database: Database,
    lease: member::Member,
    flusher: Flusher,
    breadcrumbs: Arc<Breadcrumbs>,
    catalog: Catalog,
    blobs: BlobStore,
    vault: Vault,
    /// Where the member listens.
    address: SocketAddr,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
}

/// Starts the flusher; the lease is renewed only while it is alive.
fn flusher(
    config: &Config,
    database: &Database,
    lease: &member::Member,
    clock: &Arc<dyn Clock>,
    dice: &Arc<dyn Dice>,
) -> Result<Flusher, Problem> {
    let (clock, dice) = (Arc::clone(clock), Arc::clone(dice));
    let settings = settings::flusher(&config.engine);
    let flusher = Flusher::start(database.clone(), lease.id(), settings, Arc::clone(&clock), dice)?;
    let seen = flusher.clone();
    lease
        .depend_on(Box::new(move || clock.monotonic().saturating_sub(seen.pulse()) < ALIVE_WITHIN));
    Ok(flusher)
}

impl World<'_> {
    fn engine(&self) -> Result<(Engine, Threads), Problem> {
        let (clock, dice) = (Arc::clone(&self.clock), Arc::clone(&self.dice));
        let code = CodePool::new(
            settings::code(&self.config.code, self.code_host.clone())?,
            Arc::clone(&clock),
        );
        let code = code.map_err(|error| no_threads(&error))?;
        let services = node::Services {
            http: egress::Client::new(settings::egress(&self.config.egress)?)?,
            files: settings::files(&self.config.files),
            blobs: Arc::new(self.blobs.clone()),
            code: Arc::new(code),
            clock: Arc::clone(&clock),
            dice: Arc::clone(&dice),
        };
        let (database, member) = (self.database.clone(), self.lease.id());
        let store = store::Store::new(database, member, Arc::clone(&clock), Arc::clone(&dice));
        Engine::launch(engine::Parts {
            settings: settings::engine(&self.config.engine),
            flusher: self.flusher.clone(),
            store,
            graphs: Arc::new(CatalogGraphs(self.catalog.clone())),
            services: Arc::new(services),
            member: self.lease.clone(),
            breadcrumbs: Arc::clone(&self.breadcrumbs),
            clock,
            dice,
        })
        .map_err(|error| no_threads(&error))
    }

    /// Who listens on the addresses of workflows.
    fn hooks(&self, engine: &Engine) -> Hooks {
        Hooks::new(
            settings::hooks(&self.config.server, self.address),
            HookParts {
                database: self.database.clone(),
                catalog: self.catalog.clone(),
                engine: engine.clone(),
                blobs: Arc::new(self.blobs.clone()),
                vault: self.vault.clone(),
                clock: Arc::clone(&self.clock),
                dice: Arc::clone(&self.dice),
            },
        )
    }

    /// What functions and jobs find by its type.
    fn services(&self, engine: &Engine, hooks: &Hooks, authenticator: &Authenticator) -> Services {
        let publishing = Publishing {
            registry: Arc::clone(self.catalog.registry()),
            observers: vec![Arc::new(HookObserver::new(hooks.clone()))],
        };
        let services = Services::builder()
            .with(engine.clone())
            // Whose actions under way are: others ask whether this member lives.
            .with(self.lease.id())
            .with(self.catalog.clone())
            .with(publishing)
            .with(authenticator.clone())
            .with(hooks.clone())
            .with(self.vault.clone())
            .with(OptionLoaders::with([]))
            .with(self.hints.clone());
        self.app.provide(services).build()
    }

    /// What runs the jobs of this member.
    fn worker(&self, queue: Queue, services: &Services) -> Worker {
        let surroundings = Arc::new(JobSurroundings {
            database: self.database.clone(),
            services: services.clone(),
            clock: Arc::clone(&self.clock),
            dice: Arc::clone(&self.dice),
        });
        let handler = |job: &Job| {
            let handler = JobHandler { job: *job, surroundings: Arc::clone(&surroundings) };
            (job.kind, Arc::new(handler) as Arc<dyn queue::Handler>)
        };
        Worker {
            queue,
            lane: LANE.to_owned(),
            hands: self.config.worker.max_concurrent_jobs,
            handlers: self.app.all_jobs().iter().map(handler).collect(),
            hints: self.hints.clone(),
            clock: Arc::clone(&self.clock),
            dice: Arc::clone(&self.dice),
        }
    }

    fn server(
        &self,
        hooks: Hooks,
        authenticator: Authenticator,
        services: Services,
        rates: Rates,
    ) -> Result<Server, Problem> {
        let (clock, dice) = (Arc::clone(&self.clock), Arc::clone(&self.dice));
        let database = self.database.clone();
        let host = Host::new(database, services, Arc::clone(&clock), Arc::clone(&dice));
        Server::new(gateway::Parts {
            settings: settings::gateway(self.config),
            rates,
            functions: self.app.all_functions(),
            host,
            authenticator,
            hooks,
            metrics: Metrics::install()?,
            checks: checks(&self.database, &self.flusher, &self.lease),
            clock,
            dice,
            version: env!("CARGO_PKG_VERSION"),
        })
    }
}

/// The flusher shows that it is alive four times a second; after this long it is not.
const ALIVE_WITHIN: Duration = Duration::from_secs(2);

/// What a member needs to take work.
fn checks(database: &Database, flusher: &Flusher, lease: &member::Member) -> Vec<Check> {
    let (database, flusher, lease) = (database.clone(), flusher.clone(), lease.clone());
    let answers: Probe = Arc::new(move || {
        let database = database.clone();
        async move { database.ping().await.map_err(Problem::from) }.boxed()
    });
    let admits: Probe = Arc::new(move || futures::future::ready(flusher.admission()).boxed());
    let leads: Probe = Arc::new(move || {
        let held = match lease.may_start_effects() {
            true => Ok(()),
            false => Err(Problem::new(
                kernel::codes::DATABASE_UNAVAILABLE,
                "The lease was not renewed in time; no effects are started.",
            )),
        };
        futures::future::ready(held).boxed()
    });
    let check = |name, probe| Check { name, critical: true, probe };
    vec![check("database", answers), check("journal", admits), check("lease", leads)]
}

/// Writes down what was called of hooks.
async fn keep_calls(hooks: Hooks, stop: CancellationToken) {
    hooks.keep_calls(stop).await;
}

async fn maintain(maintenance: Maintenance, clock: Arc<dyn Clock>, stop: CancellationToken) {
    maintenance.run(&*clock, &stop).await;
}

/// Takes up runs whose owner is gone: at once what an earlier life left, then whatever comes.
async fn recover(engine: Engine, suspects: Vec<Suspect>, stop: CancellationToken) {
    let mut look = tokio::time::interval(RECOVER_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = look.tick() => {}
        }
        match engine.recover(&suspects).await {
            Ok(0) => {}
            Ok(runs) => tracing::info!(runs, "took up runs that had lost their member"),
            Err(problem) => {
                tracing::warn!(error.code = %problem.code, "runs could not be taken up yet");
            }
        }
    }
}

fn no_threads(error: &std::io::Error) -> Problem {
    tracing::error!(error.cause = %error, "the operating system gives no threads or processes");
    Problem::internal()
}
