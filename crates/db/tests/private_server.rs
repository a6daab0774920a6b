//! The private server's life: made once, reused, ended with its program however that ends.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use db::private::{Durability, Lock, Options, PrivateServer};
use db::{Database, migrate};
use kernel::codes;

const CHILD_DIRECTORY: &str = "FLOWFORGE_TEST_STATE";

/// A state directory that every account may enter, removed at the end of the test.
struct State(PathBuf);

impl State {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ff-private-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// As the program starts it.
async fn start(lock: &Lock) -> PrivateServer {
    PrivateServer::start(lock, Options::default()).await.unwrap()
}

/// Without syncing, where durability is not what is tested: many times faster on a busy disk.
fn quick() -> Options {
    Options { durability: Durability::None, ..Options::default() }
}

async fn start_quickly(lock: &Lock) -> PrivateServer {
    PrivateServer::start(lock, quick()).await.unwrap()
}

async fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let wait = async {
        while !holds() {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect(what);
}

fn runs(pid: u32) -> bool {
    // A zombie has an empty command line.
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

#[tokio::test]
async fn a_server_is_made_from_nothing_and_its_data_is_there_after_a_restart() {
    let state = State::new("restart");
    let lock = Lock::acquire(&state.0).unwrap();
    let server = start(&lock).await;
    let database = Database::connect(server.settings()).await.unwrap();
    migrate::migrate(&database).await.unwrap();
    let owner = database.owner().await.unwrap();
    owner.batch_execute("CREATE TABLE forge.kept AS SELECT 7 AS seven").await.unwrap();
    for (name, value) in [("data_checksums", "on"), ("fsync", "on"), ("synchronous_commit", "on")] {
        let row = owner.query_one("SELECT current_setting($1)", &[&name]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), value, "{name}");
    }
    let row = owner.query_one("SELECT current_setting('listen_addresses')", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "");
    let pid = server.pid();
    server.stop().await;
    assert!(!runs(pid));

    let server = start(&lock).await;
    let database = Database::connect(server.settings()).await.unwrap();
    assert!(migrate::migrate(&database).await.unwrap().applied.is_empty());
    let owner = database.owner().await.unwrap();
    let row = owner.query_one("SELECT seven FROM forge.kept", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 7);
    server.stop().await;
}

#[tokio::test]
async fn five_programs_on_a_database_without_roles_make_roles_and_schema_once() {
    let state = State::new("five");
    let lock = Lock::acquire(&state.0).unwrap();
    let server = start_quickly(&lock).await;
    let url = server.settings().url.expose().replace("user=forge_login", "user=flowforge");
    let url = url.replace("dbname=flowforge", "dbname=postgres");
    let admin = Database::connect(db::Settings::new(&url)).await.unwrap().owner().await.unwrap();
    for text in [
        "RESET ROLE",
        "DROP DATABASE flowforge",
        "DROP OWNED BY forge_owner",
        "DROP ROLE forge_login, forge_app, forge_engine, forge_owner",
        "CREATE DATABASE given",
    ] {
        admin.batch_execute(text).await.unwrap();
    }
    let url = url.replace("dbname=postgres", "dbname=given");
    let programs = (0..5).map(|_| async {
        let database = Database::connect(db::Settings::new(&url)).await.unwrap();
        migrate::migrate(&database).await.unwrap().applied.len()
    });
    let applied: usize = futures::future::join_all(programs).await.into_iter().sum();
    assert_eq!(applied, migrate::MIGRATIONS.len());
    server.stop().await;
}

#[tokio::test]
async fn the_socket_and_the_data_are_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let state = State::new("modes");
    let lock = Lock::acquire(&state.0).unwrap();
    let server = start_quickly(&lock).await;
    for part in ["pg/socket", "pg/data"] {
        let mode = std::fs::metadata(state.0.join(part)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{part}");
    }
    assert!(server.psql().contains("pg/socket"), "{}", server.psql());
    server.stop().await;
}

#[tokio::test]
async fn a_directory_closed_to_every_other_user_works_for_root_too() {
    use std::os::unix::fs::PermissionsExt;
    let state = State::new("closed");
    std::fs::set_permissions(&state.0, std::fs::Permissions::from_mode(0o700)).unwrap();
    let lock = Lock::acquire(&state.0).unwrap();
    match PrivateServer::start(&lock, quick()).await {
        Ok(server) => {
            Database::connect(server.settings()).await.unwrap();
            server.stop().await;
            // The account is known from the files at the next start.
            start_quickly(&lock).await.stop().await;
        }
        // Root on a machine without user namespaces cannot do it, and says what to do.
        Err(problem) => {
            assert_eq!(problem.code, codes::DATABASE_NOT_STARTED);
            assert!(problem.detail.contains("chmod o+x"), "{}", problem.detail);
        }
    }
}

#[tokio::test]
async fn what_a_killed_start_left_half_made_is_cleared_away() {
    let state = State::new("half");
    std::fs::create_dir_all(state.0.join("pg/data.new-17/base")).unwrap();
    std::fs::write(state.0.join("pg/data.new-17/PG_VERSION"), "15\n").unwrap();
    let lock = Lock::acquire(&state.0).unwrap();
    start_quickly(&lock).await.stop().await;
    assert!(!state.0.join("pg/data.new-17").exists());
    assert!(state.0.join("pg/data/PG_VERSION").exists());
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_still_works() {
    let state = State::new("long");
    let deep = state.0.join("d".repeat(60)).join("e".repeat(60));
    let lock = Lock::acquire(&deep).unwrap();
    let server = start_quickly(&lock).await;
    Database::connect(server.settings()).await.unwrap();
    let socket = server.psql().split_whitespace().nth(2).unwrap().to_owned();
    server.stop().await;
    assert!(!socket.starts_with(deep.to_str().unwrap()), "{socket}");
    std::fs::remove_dir_all(socket).unwrap();
}

#[tokio::test]
async fn a_server_still_running_on_the_directory_is_taken_over() {
    let state = State::new("adopt");
    let lock = Lock::acquire(&state.0).unwrap();
    let first = start_quickly(&lock).await;
    let second = start_quickly(&lock).await;
    assert!(second.was_adopted());
    assert_eq!(second.pid(), first.pid());
    Database::connect(second.settings()).await.unwrap();
    second.stop().await;
    wait_until("the server ends", || first.has_ended()).await;
}

#[tokio::test]
async fn a_pid_file_whose_number_belongs_to_another_program_is_no_hindrance() {
    let state = State::new("mistaken");
    let lock = Lock::acquire(&state.0).unwrap();
    start_quickly(&lock).await.stop().await;
    let data = state.0.join("pg/data").canonicalize().unwrap();
    let lie = format!("{}\n{}\n1700000000\n5432\n/tmp\n\n", std::process::id(), data.display());
    std::fs::write(data.join("postmaster.pid"), lie).unwrap();
    start_quickly(&lock).await.stop().await;
}

#[tokio::test]
async fn a_cluster_of_another_major_version_is_refused() {
    let state = State::new("major");
    std::fs::create_dir_all(state.0.join("pg/data")).unwrap();
    std::fs::write(state.0.join("pg/data/PG_VERSION"), "99\n").unwrap();
    let lock = Lock::acquire(&state.0).unwrap();
    let problem = PrivateServer::start(&lock, Options::default()).await.unwrap_err();
    assert_eq!(problem.code, codes::DATABASE_UNSUPPORTED);
    assert!(problem.detail.contains("99"), "{}", problem.detail);
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let state = State::new("broken");
    let lock = Lock::acquire(&state.0).unwrap();
    start_quickly(&lock).await.stop().await;
    std::fs::write(state.0.join("pg/data/postgresql.auto.conf"), "nonsense = 1\n").unwrap();
    let problem = PrivateServer::start(&lock, quick()).await.unwrap_err();
    assert_eq!(problem.code, codes::DATABASE_NOT_STARTED);
    assert!(problem.detail.contains("nonsense"), "{}", problem.detail);
}

/// Twenty megabytes that are gone with the test; `None` where we may not mount.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: &Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=20m,mode=0755", "tmpfs"])
            .arg(path)
            .stderr(Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(path.to_path_buf()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_named_and_leaves_nothing_half_made() {
    let state = State::new("full");
    let Some(disk) = SmallDisk::mount(&state.0) else { return };
    let lock = Lock::acquire(&state.0).unwrap();
    let problem = PrivateServer::start(&lock, quick()).await.unwrap_err();
    assert_eq!(problem.code, codes::STORAGE_FULL, "{problem}");
    let left = std::fs::read_dir(state.0.join("pg")).unwrap().count();
    assert_eq!(left, 0, "the half-made cluster was removed");
    drop(lock);
    drop(disk);
}

/// Runs this test binary as another program that starts a server and waits to be killed.
fn child(state: &Path) -> (Child, u32) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_waits_to_be_killed", "--ignored", "--nocapture"])
        .env(CHILD_DIRECTORY, state)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let pid = output
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.split("postgres runs as ").nth(1)?.trim().parse().ok())
        .expect("the child starts its server");
    (child, pid)
}

#[tokio::test]
#[ignore = "run as a program of its own by the tests below"]
async fn child_that_waits_to_be_killed() {
    let Some(state) = std::env::var_os(CHILD_DIRECTORY) else { return };
    let lock = Lock::acquire(Path::new(&state)).unwrap();
    let server = start(&lock).await;
    let database = Database::connect(server.settings()).await.unwrap();
    let owner = database.owner().await.unwrap();
    owner
        .batch_execute("CREATE SCHEMA forge; CREATE TABLE forge.marks AS SELECT 1 AS mark")
        .await
        .unwrap();
    println!("postgres runs as {}", server.pid());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn killing_the_program_leaves_no_postgres_behind_and_loses_nothing() {
    let state = State::new("kill");
    let (mut program, postgres) = child(&state.0);
    assert!(runs(postgres));
    let problem = Lock::acquire(&state.0).unwrap_err();
    assert_eq!(problem.code, codes::DATABASE_IN_USE);
    assert!(problem.detail.contains(&program.id().to_string()), "{}", problem.detail);

    program.kill().unwrap();
    program.wait().unwrap();
    wait_until("PostgreSQL ends with its program", || !runs(postgres)).await;

    let lock = Lock::acquire(&state.0).unwrap();
    let server = start(&lock).await;
    let admin = Database::connect(server.settings()).await.unwrap().owner().await.unwrap();
    let row = admin.query_one("SELECT count(*) FROM forge.marks", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_program_started_right_after_a_kill_gets_a_server_of_its_own() {
    let state = State::new("again");
    let (mut program, postgres) = child(&state.0);
    program.kill().unwrap();
    program.wait().unwrap();
    let lock = Lock::acquire(&state.0).unwrap();
    let server = start_quickly(&lock).await;
    assert_ne!(server.pid(), postgres);
    assert!(!server.was_adopted());
    server.stop().await;
}
