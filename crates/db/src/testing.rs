//! Test support: a real PostgreSQL for tests, and a migrated database of its own for each test.
//!
//! A test process takes a free slot under the temporary directory (`flowforge-test-<uid>/slot-<n>`),
//! and starts a private server there. The server ends with the process by its parent-death signal,
//! so nothing is left running; slot, cluster and migrated template stay for the next process, so
//! that a start costs about 0.1 s and a clone about 0.05 s. It is the same code the program starts
//! its own server with, with fsync off.

mod pooler;
mod proxy;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::OnceCell;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::connect::Connector;
use crate::private::{Durability, Lock, Options, PrivateServer};
use crate::{Database, Settings, migrate};

pub use pooler::Pooler;
pub use proxy::Proxy;

/// More test processes than this at once are a mistake.
const SLOTS_MAX: u32 = 64;

/// A database of its own, cloned from the migrated template; dropped soon after this is.
#[derive(Debug)]
pub struct TestDatabase {
    /// The handle under test.
    pub database: Database,
    name: String,
}

/// The server of this test process.
struct Server {
    server: PrivateServer,
    template: String,
    clones: AtomicU32,
    unwanted: mpsc::Sender<String>,
    /// Held as long as the process lives.
    _lock: Lock,
}

static SERVER: OnceCell<Server> = OnceCell::const_new();

/// A migrated database of its own, whose `forge.now()` can be moved.
///
/// # Panics
/// When no PostgreSQL is installed or it does not start: the test cannot run.
pub async fn database() -> TestDatabase {
    let server = server().await;
    let template = server.template.clone();
    clone_of(server, &template).await
}

/// An empty database of its own: no schema, no migration.
///
/// # Panics
/// As [`database`].
pub async fn empty_database() -> TestDatabase {
    clone_of(server().await, "template1").await
}

impl TestDatabase {
    /// Settings for another handle on the same database.
    pub fn settings(&self) -> Settings {
        Settings::new(self.url("forge_login"))
    }

    /// A connection string for a role (`forge_login`; `flowforge` is the superuser).
    pub fn url(&self, role: &str) -> String {
        started().server.url(role, &self.name)
    }

    /// A connection as the superuser, who sees everything.
    pub async fn superuser(&self) -> Client {
        started().server.superuser(&self.name).await.expect("the test server answers")
    }

    /// Moves `forge.now()` forward.
    pub async fn advance(&self, by: Duration) {
        self.superuser()
            .await
            .execute_typed(
                "UPDATE forge.test_clock SET ahead = ahead + make_interval(secs => $1)",
                &[(&by.as_secs_f64(), Type::FLOAT8)],
            )
            .await
            .expect("the clone has a clock");
    }

    /// Stops `forge.now()` at a moment; `None` lets it run again.
    pub async fn pin(&self, at: Option<Timestamp>) {
        self.superuser()
            .await
            .execute_typed(
                "UPDATE forge.test_clock SET pinned = $1, ahead = '0'",
                &[(&at, Type::TIMESTAMPTZ)],
            )
            .await
            .expect("the clone has a clock");
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Some(server) = SERVER.get() {
            // A process that is ending leaves it to the slot's next user.
            let _ = server.unwanted.send(self.name.clone());
        }
    }
}

fn started() -> &'static Server {
    SERVER.get().expect("a test database exists, so its server was started")
}

async fn server() -> &'static Server {
    SERVER.get_or_init(start).await
}

async fn start() -> Server {
    let lock = free_slot();
    let options =
        Options { durability: Durability::None, connections_max: 200, ..Options::default() };
    let server = match PrivateServer::start(&lock, options).await {
        Ok(server) => server,
        Err(problem) => panic!("no PostgreSQL for the tests: {problem}"),
    };
    let admin = server.superuser("postgres").await.expect("the test server answers");
    let template = format!("template_{}", migrate::fingerprint());
    clear(&admin, &template).await;
    if !exists(&admin, &template).await {
        make_template(&server, &admin, &template).await;
    }
    let unwanted = janitor(server.url("flowforge", "postgres"));
    Server { server, template, clones: AtomicU32::new(0), unwanted, _lock: lock }
}

fn free_slot() -> Lock {
    let user = nix::unistd::Uid::effective();
    let root: PathBuf = std::env::temp_dir().join(format!("flowforge-test-{user}"));
    (0..SLOTS_MAX)
        .find_map(|slot| match Lock::acquire(&root.join(format!("slot-{slot}"))) {
            Ok(lock) => Some(lock),
            Err(problem) if problem.code == kernel::codes::DATABASE_IN_USE => None,
            Err(problem) => panic!("no directory for the test server: {problem}"),
        })
        .expect("fewer test processes than slots")
}

/// Drops what earlier processes left: clones, unfinished templates, templates of other schemas.
async fn clear(admin: &Client, template: &str) {
    let rows = admin
        .query_typed(
            "SELECT datname::text FROM pg_database \
             WHERE datname LIKE 'test\\_%' OR (datname LIKE 'template\\_%' AND datname <> $1)",
            &[(&template, Type::TEXT)],
        )
        .await
        .expect("the catalogue can be read");
    for row in rows {
        let name: String = row.get(0);
        drop_database(admin, &name).await.expect("nobody else uses the slot");
    }
}

async fn drop_database(admin: &Client, name: &str) -> Result<(), tokio_postgres::Error> {
    admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
}

async fn exists(admin: &Client, name: &str) -> bool {
    admin
        .query_typed_opt("SELECT FROM pg_database WHERE datname = $1", &[(&name, Type::TEXT)])
        .await
        .expect("the catalogue can be read")
        .is_some()
}

/// Made under another name first, so that a killed process leaves no half template.
async fn make_template(server: &PrivateServer, admin: &Client, template: &str) {
    let unfinished = format!("{template}_new");
    admin
        .batch_execute(&format!("CREATE DATABASE {unfinished} OWNER forge_owner"))
        .await
        .expect("a superuser may create databases");
    let settings = Settings::new(server.url("forge_login", &unfinished));
    let database = Database::connect(settings).await.expect("the new database answers");
    if let Err(problem) = migrate::migrate(&database).await {
        panic!("the migrations do not apply: {problem}; run with RUST_LOG=error for the cause");
    }
    let owner = database.owner().await.expect("the new database answers");
    owner.batch_execute(TEST_CLOCK).await.expect("forge.now() can be replaced");
    drop((owner, database));
    // Renaming waits for the sessions above to end.
    admin
        .batch_execute(&format!("ALTER DATABASE {unfinished} RENAME TO {template}"))
        .await
        .expect("nobody else is connected");
}

/// `forge.now()` reads a row that tests move.
const TEST_CLOCK: &str = "\
    CREATE TABLE forge.test_clock (pinned timestamptz, ahead interval NOT NULL); \
    INSERT INTO forge.test_clock VALUES (NULL, '0'); \
    CREATE OR REPLACE FUNCTION forge.now() RETURNS timestamptz \
        LANGUAGE sql VOLATILE PARALLEL SAFE SECURITY DEFINER \
        RETURN (SELECT COALESCE(pinned, clock_timestamp()) + ahead FROM forge.test_clock)";

async fn clone_of(server: &Server, template: &str) -> TestDatabase {
    let number = server.clones.fetch_add(1, Ordering::Relaxed);
    let name = format!("test_{number}");
    let admin = server.server.superuser("postgres").await.expect("the test server answers");
    admin
        .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template} OWNER forge_owner"))
        .await
        .expect("the template is nobody's");
    let settings = Settings::new(server.server.url("forge_login", &name));
    let database = Database::connect(settings).await.expect("the clone answers");
    TestDatabase { database, name }
}

/// A thread that drops databases behind the tests' backs. It ends with the process.
fn janitor(url: String) -> mpsc::Sender<String> {
    let (unwanted, names) = mpsc::channel::<String>();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be built");
        let settings = Settings::new(url);
        while let Ok(name) = names.recv() {
            runtime.block_on(async {
                let connector =
                    Connector::read(&settings.url, &settings).expect("our own URL can be read");
                if let Ok((admin, _driver)) = connector.connect().await {
                    let _ = drop_database(&admin, &name).await;
                }
            });
        }
    });
    unwanted
}
