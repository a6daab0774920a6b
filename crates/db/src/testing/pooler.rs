//! PgBouncer in transaction mode before a test's database.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::unistd::{Uid, User};

use crate::testing::TestDatabase;
use crate::{Database, Settings};

/// Where packages put it; `tools/setup --tests` looks there too.
const PROGRAMS: [&str; 3] =
    ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
/// How long it may take until it answers.
const UP_WITHIN: Duration = Duration::from_secs(10);

/// A pooler of its own, ended when this is dropped.
#[derive(Debug)]
pub struct Pooler {
    process: Child,
    directory: PathBuf,
    name: String,
    direct: String,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl Pooler {
    /// Starts it with so many server connections for all its clients: with one, each transaction
    /// meets what the one before left behind.
    ///
    /// # Panics
    /// When PgBouncer is not installed: the test cannot run.
    pub fn start(test: &TestDatabase, connections: u32) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let installed = PROGRAMS.into_iter().find(|path| Path::new(path).exists());
        let program = installed.expect("PgBouncer is installed: `tools/setup --tests` does it");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("ff-pooler-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&directory).expect("the temporary directory can be written");
        let direct = test.url("forge_login");
        let part = |name: &str| {
            let value = direct.split(' ').find_map(|part| part.strip_prefix(name));
            value.expect("our own URLs have this form").to_owned()
        };
        let (socket, here) = (part("host="), directory.display());
        let name = test.name.clone();
        let settings = format!(
            "[databases]\n{name} = host={socket} port=5432 user=forge_login\n[pgbouncer]\n\
             pool_mode = transaction\ndefault_pool_size = {connections}\nlisten_addr =\n\
             listen_port = 6432\nunix_socket_dir = {here}\nauth_type = any\n\
             logfile = {here}/pooler.log\n"
        );
        std::fs::write(directory.join("pooler.ini"), settings).expect("the directory is ours");
        let mut command = Command::new(program);
        command.arg("-q").arg(directory.join("pooler.ini")).stderr(Stdio::null());
        // Like PostgreSQL it refuses to run as root, and the socket behind it belongs to that user.
        if Uid::effective().is_root() {
            let user = User::from_name("postgres").ok().flatten();
            let user = user.expect("PostgreSQL's package made the user postgres");
            nix::unistd::chown(&directory, Some(user.uid), Some(user.gid)).expect("we are root");
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let process = command.spawn().expect("PgBouncer can be executed");
        Self { process, directory, name, direct }
    }

    /// Settings of a handle whose transactions go through the pooler, and whose sessions go past it.
    pub fn settings(&self) -> Settings {
        let here = self.directory.display();
        let pooled = format!("host={here} port=6432 user=forge_login dbname={}", self.name);
        let direct = Settings::new(self.direct.clone()).url;
        Settings { direct_url: Some(direct), ..Settings::new(pooled) }
    }

    /// A handle through the pooler, once it answers.
    ///
    /// # Panics
    /// When it does not.
    pub async fn database(&self) -> Database {
        let database = Database::connect(self.settings()).await.expect("the test server answers");
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        let up = async {
            while database.ping().await.is_err() {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(UP_WITHIN, up).await.expect("the pooler answers");
        database
    }
}
