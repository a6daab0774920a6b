//! The data path through PgBouncer in transaction mode, where it is installed.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use db::testing::{self, TestDatabase};
use db::{Columns, Database, Identity, Settings, Statement};
use kernel::WorkspaceId;
use nix::unistd::{Uid, User};
use std::os::unix::process::CommandExt;
use uuid::Uuid;

const WHO_AM_I: Statement = db::sql!(
    "test.who_am_i",
    reads(),
    (TEXT),
    "SELECT current_user::text AS role, forge.workspace() AS workspace, $1 AS echo"
);

/// A pooler of its own, ended with the test.
struct Pooler {
    process: Child,
    directory: PathBuf,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// `None` where no PgBouncer is installed.
fn pooler(test: &TestDatabase, name: &str) -> Option<Pooler> {
    let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"]
        .into_iter()
        .find(|path| Path::new(path).exists())?;
    let directory = std::env::temp_dir().join(format!("ff-pooler-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let url = test.url("forge_login");
    let socket = url.strip_prefix("host=").unwrap().split(' ').next().unwrap();
    let here = directory.display();
    // One server connection for all clients: what one leaves behind, the next one meets.
    std::fs::write(
        directory.join("pooler.ini"),
        format!(
            "[databases]\n{name} = host={socket} port=5432 user=forge_login\n[pgbouncer]\n\
             pool_mode = transaction\ndefault_pool_size = 1\nlisten_addr =\nlisten_port = 6432\n\
             unix_socket_dir = {here}\nauth_type = any\nlogfile = {here}/pooler.log\n"
        ),
    )
    .unwrap();
    let mut command = Command::new(program);
    command.arg("-q").arg(directory.join("pooler.ini")).stderr(Stdio::null());
    // Like PostgreSQL it refuses to run as root, and the socket behind it belongs to that user.
    if Uid::effective().is_root() {
        let user = User::from_name("postgres").unwrap()?;
        nix::unistd::chown(&directory, Some(user.uid), Some(user.gid)).unwrap();
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    Some(Pooler { process: command.spawn().unwrap(), directory })
}

#[tokio::test]
async fn transactions_work_through_a_pooler_and_share_no_identity() {
    let test = testing::database().await;
    let row = test.superuser().await.query_one("SELECT current_database()", &[]).await.unwrap();
    let name: String = row.get(0);
    let Some(pooler) = pooler(&test, &name) else { return };
    let pooled =
        format!("host={} port=6432 user=forge_login dbname={name}", pooler.directory.display());
    let direct = test.settings().url;
    let settings = Settings { direct_url: Some(direct), ..Settings::new(pooled) };
    let database = Database::connect(settings).await.unwrap();
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let up = async {
        while database.ping().await.is_err() {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), up).await.expect("the pooler answers");

    let calls = (0..40_u128).map(|number| {
        let database = database.clone();
        async move {
            let workspace = WorkspaceId(Uuid::from_u128(number));
            let mut tx = database.write(Identity::of_workspace(workspace)).await.unwrap();
            for step in 0..3 {
                let echo = format!("{number}/{step}");
                let row = tx.query_one(&WHO_AM_I, &[&echo]).await.unwrap();
                assert_eq!(row.column::<String>("role").unwrap(), "forge_app");
                assert_eq!(row.column::<Uuid>("workspace").unwrap(), workspace.0);
                assert_eq!(row.column::<String>("echo").unwrap(), echo);
            }
            match number % 3 {
                0 => drop(tx),
                _ => tx.commit().await.unwrap(),
            }
            let mut tx = database.lookup().await.unwrap();
            let row = tx.query_one(&WHO_AM_I, &[&"nobody"]).await.unwrap();
            assert_eq!(row.column::<Option<Uuid>>("workspace").unwrap(), None);
        }
    });
    futures::future::join_all(calls).await;
}
