//! One member, put together: the only place that knows every part.
//!
//! Order of the start: what can fail cheaply comes first (lock, address), then the database, its
//! schema and the first key, then the member's lease, the engine and last the listener's loop. The
//! stop goes the other way round, so that nothing is answered that could not be made durable.

mod graphs;
mod name;
mod parts;
mod settings;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use db::Database;
use db::migrate;
use db::private::{Lock, Options, PrivateServer};
use engine::Engine;
use engine::member::MemberClock;
use gateway::Server;
use kernel::clock::{SystemClock, SystemDice};
use kernel::{Clock, Dice, Problem, codes};
use node::Registry;
use queue::Queue;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::Config;
use crate::keys::{self, Shown};
use parts::{Member, Place};

/// What a start may use.
#[derive(Clone)]
pub struct Use {
    /// Whether a private PostgreSQL may be started when no URL is configured.
    pub private_database: bool,
    /// What the program adds to FlowForge.
    pub app: App,
    /// The node types.
    pub registry: Arc<Registry>,
    /// The machine's clock; the member follows the database's time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub dice: Arc<dyn Dice>,
    /// The program that hosts code processes, and its arguments: this one, if not told otherwise.
    pub code_host: Option<(PathBuf, Vec<String>)>,
}

impl Use {
    /// Everything this program has.
    pub fn everything() -> Self {
        Self::of(App::new())
    }

    /// Everything an application has.
    pub fn of(app: App) -> Self {
        Self {
            private_database: true,
            registry: Arc::new(app.registry()),
            app,
            clock: Arc::new(SystemClock),
            dice: Arc::new(SystemDice),
            code_host: None,
        }
    }
}

/// A database and the private server behind it, if it is ours.
pub(crate) struct Store {
    /// The handle.
    pub(crate) database: Database,
    private: Option<PrivateServer>,
    // Held for as long as anything of ours uses the directory.
    lock: Lock,
}

impl Store {
    /// Starts the private server of the locked directory where no URL is configured, and connects.
    ///
    /// # Errors
    /// `database.not_installed`, `database.unavailable`, and their kin.
    pub(crate) async fn open(
        config: &Config,
        lock: Lock,
        private_database: bool,
    ) -> Result<Self, Problem> {
        let private = match &config.database.url {
            Some(_) => None,
            None if private_database => Some(PrivateServer::start(&lock, options(config)).await?),
            None => {
                let detail = "`serve` needs a database: set DATABASE_URL or database.url, or use \
                              `flowforge up`, which keeps a private one.";
                return Err(Problem::new(codes::CONFIG_INVALID, detail));
            }
        };
        let base = private.as_ref().map(PrivateServer::settings);
        let connected = Database::connect(settings::database(config, base)).await;
        match connected {
            Ok(database) => Ok(Self { database, private, lock }),
            Err(problem) => {
                if let Some(private) = private {
                    private.stop().await;
                }
                Err(problem)
            }
        }
    }

    /// Closes the pool and stops the private server.
    pub(crate) async fn close(self) {
        self.database.close();
        if let Some(private) = self.private {
            private.stop().await;
        }
        drop(self.lock);
    }
}

/// Brings a database to the schema of this program.
///
/// # Errors
/// Those of [`migrate::migrate_with`].
pub(crate) async fn bring_up(database: &Database, app: &App) -> Result<migrate::Report, Problem> {
    let migrations = app.all_migrations();
    migrate::migrate_with(database, &migrations, env!("CARGO_PKG_VERSION")).await
}

fn options(config: &Config) -> Options {
    let mut options = Options::default();
    if let Some(programs) = &config.database.programs {
        options.pg_bin = Some(programs.clone());
    }
    options
}

/// A running member.
pub struct System {
    store: Store,
    member: Member,
    address: SocketAddr,
    first_key: Shown,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl System {
    /// Starts everything. When it fails nothing is left running.
    ///
    /// # Errors
    /// Whatever keeps the start from succeeding, from `database.in_use` to `database.unavailable`.
    pub async fn start(config: &Config, uses: Use) -> Result<Self, Problem> {
        keys::check_chosen()?;
        let lock = Lock::acquire(&config.data_dir)?;
        let listener = Server::bind(config.server.listen).await?;
        let address = listener.local_addr().map_err(|error| {
            tracing::error!(error.cause = %error, "the listener has no address");
            Problem::internal()
        })?;
        let mut store = Store::open(config, lock, uses.private_database).await?;
        match Self::begin(config, &uses, &mut store, address).await {
            Ok((member, server, first_key)) => {
                let stop = CancellationToken::new();
                #[expect(
                    clippy::disallowed_methods,
                    reason = "held by the system, which waits for its end"
                )]
                let server = tokio::task::spawn(server.run(listener, stop.clone()));
                Ok(Self { store, member, address, first_key, stop, server })
            }
            Err(problem) => {
                store.close().await;
                Err(problem)
            }
        }
    }

    async fn begin(
        config: &Config,
        uses: &Use,
        store: &mut Store,
        address: SocketAddr,
    ) -> Result<(Member, Server, Shown), Problem> {
        let (clock, dice) = (Arc::clone(&uses.clock), Arc::clone(&uses.dice));
        bring_up(&store.database, &uses.app).await?;
        let directory = store.lock.directory().to_path_buf();
        let first_key = keys::bootstrap(&store.database, &*clock, &*dice, &directory).await?;
        let place = Place {
            database: &store.database,
            directory: &directory,
            address,
            app: &uses.app,
            registry: &uses.registry,
            code_host: uses.code_host.clone(),
            clock,
            dice,
        };
        let (member, server) = Member::join(config, place).await?;
        store.lock.publish_address(&address.to_string())?;
        Ok((member, server, first_key))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The line with which people look into the private database.
    pub(crate) fn psql(&self) -> Option<String> {
        self.store.private.as_ref().map(PrivateServer::psql)
    }

    /// Process id of the private PostgreSQL.
    pub(crate) fn postgres_pid(&self) -> Option<u32> {
        self.store.private.as_ref().map(PrivateServer::pid)
    }

    /// What to tell about the owner's first key.
    pub(crate) fn first_key(&self) -> &Shown {
        &self.first_key
    }

    /// The database, for measuring beside the program.
    pub(crate) fn database(&self) -> &Database {
        &self.store.database
    }

    /// The queue of jobs, as this member works on it.
    pub(crate) fn queue(&self) -> &Queue {
        &self.member.queue
    }

    /// The engine of this member.
    pub fn engine(&self) -> &Engine {
        &self.member.engine
    }

    /// The member's time, which follows the database's.
    pub fn clock(&self) -> Arc<MemberClock> {
        self.member.clock()
    }

    /// Returns when the private PostgreSQL has ended by itself; never, when there is none.
    pub(crate) async fn database_ended(&self) {
        const LOOK_EVERY: Duration = Duration::from_millis(500);
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            look.tick().await;
            if self.store.private.as_ref().is_some_and(PrivateServer::has_ended) {
                return;
            }
        }
    }

    /// Stops accepting, lets what is under way finish, and stops everything.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.server.await {
            tracing::error!(error.cause = %error, "the listener's loop ended badly");
        }
        self.member.leave().await;
        self.store.close().await;
    }

    /// Ends everything as a crash would, as far as that can be done inside a process: nothing is
    /// drained or written any more, and the lease is not given up.
    pub async fn abandon(self) {
        self.server.abort();
        let _aborted = self.server.await;
        self.member.abandon().await;
        self.store.close().await;
    }
}
