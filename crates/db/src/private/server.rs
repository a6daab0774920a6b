//! Starting, adopting and stopping the private server.

use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kernel::{Problem, codes};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio_postgres::{Client, Config};

use super::account::io_problem;
use super::cluster::Cluster;
use super::lock::Lock;
use super::process::{self, ServerProcess};
use super::running::{self, Running};
use super::socket;
use crate::connect::connect;
use crate::error::Error;
use crate::{Settings, roles};

/// The bootstrap superuser: makes roles and the database, and is not used after.
pub(super) const SUPERUSER: &str = "flowforge";
/// The role the program signs in as. It may only become one of [`roles::ROLES`].
const LOGIN: &str = "forge_login";
const DATABASE: &str = "flowforge";

/// How often a starting server is tried.
const TRY_EVERY: Duration = Duration::from_millis(10);
/// How often on end a running server answers before it is taken over.
const ANSWERS_TO_ADOPT: u32 = 20;
/// How long a start may take, recovery after a crash included.
const START_MAX: Duration = Duration::from_secs(120);
/// How long a fast shutdown may take before it becomes an immediate one.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// The server's log is put aside at a start when it is longer.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Whether what was committed survives a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// It does.
    #[default]
    Full,
    /// It does not: for tests, whose data nobody misses.
    None,
}

/// How to run a private server.
#[derive(Debug, Clone)]
pub struct Options {
    /// Directory of `postgres` and `initdb`; `None`: looked for.
    pub pg_bin: Option<PathBuf>,
    /// Off only in tests.
    pub durability: Durability,
    /// Connections the server accepts.
    pub connections_max: u32,
}

impl Default for Options {
    /// Programs from `FLOWFORGE_PG_BIN` or looked for, full durability, 100 connections.
    fn default() -> Self {
        Self {
            pg_bin: std::env::var_os("FLOWFORGE_PG_BIN").map(PathBuf::from),
            durability: Durability::Full,
            connections_max: 100,
        }
    }
}

/// A running private server. Stop it with [`PrivateServer::stop`]; dropping it asks the server to
/// stop and does not wait.
#[derive(Debug)]
pub struct PrivateServer {
    socket: PathBuf,
    process: Process,
}

#[derive(Debug)]
enum Process {
    /// Started by us.
    Own(ServerProcess),
    /// Found running on our directory: left behind where no parent-death signal exists.
    Adopted(i32),
}

impl PrivateServer {
    /// Starts the server of the locked directory, making its cluster first when there is none, and
    /// sees to roles and database. Returns when it answers.
    ///
    /// # Errors
    /// `database.not_installed`, `database.unsupported`, `database.not_started` (with the end of the
    /// server's log), `storage.full`, `file.unavailable`.
    pub async fn start(lock: &Lock, options: Options) -> Result<Self, Problem> {
        let pg = lock.directory().join("pg");
        fs::create_dir_all(&pg)
            .map_err(|error| io_problem("The directory cannot be made", &pg, &error))?;
        let server = match adopt(&pg.join("data")).await? {
            Some(server) => server,
            None => launch(&pg, options).await?,
        };
        server.bootstrap().await?;
        Ok(server)
    }

    /// Settings that reach it.
    pub fn settings(&self) -> Settings {
        Settings::new(self.url(LOGIN, DATABASE))
    }

    /// Process id of the server.
    pub fn pid(&self) -> u32 {
        match &self.process {
            Process::Own(process) => process.pid(),
            Process::Adopted(pid) => pid.unsigned_abs(),
        }
    }

    /// Whether it ran already and was taken over.
    pub fn was_adopted(&self) -> bool {
        matches!(self.process, Process::Adopted(_))
    }

    /// Whether the server process ended by itself.
    pub fn has_ended(&self) -> bool {
        match &self.process {
            Process::Own(process) => process.ended().is_some(),
            Process::Adopted(pid) => !is_alive(*pid),
        }
    }

    /// The line with which people can look in.
    pub fn psql(&self) -> String {
        format!("psql -h {} -U {SUPERUSER} {DATABASE}", self.socket.display())
    }

    /// Fast shutdown, then an immediate one after 10 s; returns when the process is gone.
    pub async fn stop(self) {
        match self.process {
            Process::Own(mut process) => process.stop(STOP_PATIENCE).await,
            Process::Adopted(pid) => stop_adopted(pid).await,
        }
    }

    /// A connection string as another role or to another database: for tests and tools.
    pub(crate) fn url(&self, role: &str, database: &str) -> String {
        // The socket's path holds nothing that needs quoting (see `socket`).
        format!(
            "host={} port={} user={role} dbname={database}",
            self.socket.display(),
            socket::PORT
        )
    }

    /// As the bootstrap superuser.
    pub(crate) async fn superuser(&self, database: &str) -> Result<Client, Error> {
        connect(&local(&self.socket, database)).await
    }

    /// Makes roles, login and database where they are missing.
    async fn bootstrap(&self) -> Result<(), Problem> {
        let client = self.superuser("postgres").await?;
        let row = client
            .query_typed_one(
                "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'forge_login'), \
                        EXISTS (SELECT FROM pg_database WHERE datname = 'flowforge')",
                &[],
            )
            .await
            .map_err(Error::from)?;
        let (login, database): (bool, bool) = (row.get(0), row.get(1));
        let run = async |text: &str| client.batch_execute(text).await.map_err(Error::from);
        if !login {
            roles::ensure(&client).await?;
            let members = roles::ROLES.join(", ");
            run(&format!(
                "BEGIN; CREATE ROLE {LOGIN} LOGIN NOINHERIT; GRANT {members} TO {LOGIN}; COMMIT"
            ))
            .await?;
        }
        if !database {
            run(&format!("CREATE DATABASE {DATABASE} OWNER forge_owner")).await?;
        }
        Ok(())
    }
}

fn local(socket: &Path, database: &str) -> Config {
    let mut config = Config::new();
    config
        .host_path(socket)
        .port(socket::PORT)
        .user(SUPERUSER)
        .dbname(database)
        .application_name("flowforge start")
        .connect_timeout(Duration::from_secs(5));
    config
}

/// Takes over a server that runs on the directory, or waits until it has ended.
///
/// A server whose program died a moment ago is about to get its stop signal: it is taken over only
/// when it goes on answering.
async fn adopt(data: &Path) -> Result<Option<PrivateServer>, Problem> {
    let wait = async {
        let mut ticks = tokio::time::interval(TRY_EVERY);
        let mut answers = 0;
        loop {
            ticks.tick().await;
            match running::on(data) {
                Running::Nobody => return Ok(None),
                Running::Mistaken => return remove_mistaken(data).map(|()| None),
                Running::Server { socket: None, .. } => {}
                Running::Server { pid, socket: Some(socket) } => {
                    let answered = connect(&local(&socket, "postgres")).await.is_ok();
                    answers = if answered { answers + 1 } else { 0 };
                    if answers >= ANSWERS_TO_ADOPT {
                        tracing::info!(postgres.pid = pid, "took over the running PostgreSQL");
                        let process = Process::Adopted(pid);
                        return Ok(Some(PrivateServer { socket, process }));
                    }
                }
            }
        }
    };
    tokio::time::timeout(START_MAX, wait).await.unwrap_or_else(|_| {
        Err(Problem::new(
            codes::DATABASE_NOT_STARTED,
            format!(
                "A PostgreSQL on {} neither answers nor ends. Stop it: kill -INT $(head -1 {}/postmaster.pid)",
                data.display(),
                data.display()
            ),
        ))
    })
}

/// PostgreSQL refuses to start while the id in its file belongs to any process of its user.
fn remove_mistaken(data: &Path) -> Result<(), Problem> {
    if running::anyone_inside(data) {
        return Err(Problem::new(
            codes::DATABASE_NOT_STARTED,
            format!(
                "A process of an earlier PostgreSQL still works in {}; wait for it or end it, then \
                 start again.",
                data.display()
            ),
        ));
    }
    let file = data.join("postmaster.pid");
    fs::remove_file(&file).map_err(|error| io_problem("It cannot be removed", &file, &error))
}

async fn launch(pg: &Path, options: Options) -> Result<PrivateServer, Problem> {
    let (directory, bin) = (pg.to_path_buf(), options.pg_bin.clone());
    let durability = options.durability;
    let cluster = blocking(move || Cluster::ensure(&directory, bin.as_deref(), durability)).await?;
    let socket = socket::directory(pg, &cluster.account)?;
    let log = pg.join("postgres.log");
    let (command, log_from) = server_command(&cluster, &socket, &log, &options)?;
    let mut process = ServerProcess::spawn(command).await.map_err(|error| {
        io_problem("postgres cannot be run", &cluster.binaries.directory, &error)
    })?;
    match wait_until_ready(&socket, &process).await {
        Ok(()) => Ok(PrivateServer { socket, process: Process::Own(process) }),
        Err(what) => {
            process.stop(STOP_PATIENCE).await;
            Err(not_started(what, &read_from(&log, log_from), &log))
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(error.cause = %error, "making the cluster was interrupted");
        Err(Problem::internal())
    })
}

async fn wait_until_ready(socket: &Path, process: &ServerProcess) -> Result<(), &'static str> {
    let config = local(socket, "postgres");
    let wait = async {
        let mut ticks = tokio::time::interval(TRY_EVERY);
        loop {
            ticks.tick().await;
            if process.ended().is_some() {
                return Err("PostgreSQL ended while starting");
            }
            if connect(&config).await.is_ok() {
                return Ok(());
            }
        }
    };
    tokio::time::timeout(START_MAX, wait)
        .await
        .unwrap_or(Err("PostgreSQL did not answer within two minutes"))
}

/// The server's command line, and where in the log its lines will begin.
fn server_command(
    cluster: &Cluster,
    socket: &Path,
    log: &Path,
    options: &Options,
) -> Result<(Command, u64), Problem> {
    let failed = |error| io_problem("The server's log cannot be written", log, &error);
    if fs::metadata(log).is_ok_and(|facts| facts.len() > LOG_BYTES_MAX) {
        fs::rename(log, log.with_extension("log.1")).map_err(failed)?;
    }
    let file = OpenOptions::new().create(true).append(true).open(log).map_err(failed)?;
    let from = file.metadata().map_err(failed)?.len();
    let mut command = process::command(&cluster.binaries.program("postgres"), &cluster.account);
    command.arg("-D").arg(&cluster.data);
    let mut set = |name: &str, value: &str| {
        command.arg("-c").arg(format!("{name}={value}"));
    };
    set("listen_addresses", "");
    set("port", &socket::PORT.to_string());
    set("unix_socket_directories", &socket.to_string_lossy());
    set("unix_socket_permissions", "0700");
    set("max_connections", &options.connections_max.to_string());
    set("shared_buffers", &format!("{}MB", shared_buffers_mb(options.durability)));
    let fixed: &[(&str, &str)] = &[
        ("jit", "off"),
        ("max_wal_size", "4GB"),
        ("random_page_cost", "1.1"),
        ("autovacuum_naptime", "15s"),
        ("track_io_timing", "on"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
        ("log_line_prefix", "%m [%p] %a "),
        // DETAIL lines hold the values of rows.
        ("log_error_verbosity", "terse"),
    ];
    fixed.iter().for_each(|(name, value)| set(name, value));
    match options.durability {
        Durability::Full => {
            set("fsync", "on");
            set("synchronous_commit", "on");
            if has_lz4(cluster) {
                set("wal_compression", "lz4");
            }
        }
        Durability::None => {
            set("fsync", "off");
            set("synchronous_commit", "off");
            set("full_page_writes", "off");
        }
    }
    if cfg!(target_os = "linux") {
        set("recovery_init_sync_method", "syncfs");
    }
    let errors = file.try_clone().map_err(failed)?;
    command.stdout(file).stderr(errors);
    Ok((command, from))
}

/// Asks the program itself: a build without lz4 refuses the value.
fn has_lz4(cluster: &Cluster) -> bool {
    process::command(&cluster.binaries.program("postgres"), &cluster.account)
        .args(["-C", "wal_compression", "-c", "wal_compression=lz4", "-D"])
        .arg(&cluster.data)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A quarter of the memory, from 32 MB to 1 GB; a test's data is small.
fn shared_buffers_mb(durability: Durability) -> u64 {
    match durability {
        Durability::None => 32,
        Durability::Full => (memory_mb() / 4).clamp(32, 1_024),
    }
}

/// The machine's memory or the container's share of it.
fn memory_mb() -> u64 {
    let total = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    });
    let container = fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    let total = total.map_or(1_024, |kb| kb / 1_024);
    container.map_or(total, |bytes| total.min(bytes / 1_024 / 1_024))
}

fn read_from(log: &Path, from: u64) -> String {
    let mut text = Vec::new();
    let _ = fs::File::open(log).and_then(|mut file| {
        file.seek(SeekFrom::Start(from))?;
        file.take(64 * 1024).read_to_end(&mut text)
    });
    String::from_utf8_lossy(&text).into_owned()
}

/// A failed start, with the last lines of what the server said.
pub(super) fn not_started(what: &str, said: &str, place: &Path) -> Problem {
    if said.contains("No space left on device") {
        return Problem::new(
            codes::STORAGE_FULL,
            format!("{what}: the disk of {} is full; free space on it.", place.display()),
        );
    }
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let tail = lines[lines.len().saturating_sub(4)..].join(" | ");
    Problem::new(
        codes::DATABASE_NOT_STARTED,
        format!("{what} ({tail}). See {} and mend what it names.", place.display()),
    )
}

async fn stop_adopted(pid: i32) {
    for signal in [Signal::SIGINT, Signal::SIGQUIT] {
        let _ = kill(Pid::from_raw(pid), signal);
        let gone = async {
            let mut ticks = tokio::time::interval(TRY_EVERY);
            while is_alive(pid) {
                ticks.tick().await;
            }
        };
        if tokio::time::timeout(STOP_PATIENCE, gone).await.is_ok() {
            return;
        }
    }
}

fn is_alive(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_start_shows_the_end_of_the_log_and_a_full_disk_has_its_own_code() {
        let problem = not_started("It failed", "a\nb\n\nc\nd\ne\n", Path::new("/x/log"));
        assert_eq!(problem.code, codes::DATABASE_NOT_STARTED);
        assert!(problem.detail.contains("b | c | d | e"), "{}", problem.detail);
        let full = not_started("It failed", "FATAL: No space left on device", Path::new("/x"));
        assert_eq!(full.code, codes::STORAGE_FULL);
    }
}
