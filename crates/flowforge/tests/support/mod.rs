//! The program as a process: started, asked, killed.
#![expect(dead_code, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long anything may take on a busy machine before the test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of a test's own, gone with this value.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// An empty folder that any user may enter.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ff-bin-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("the folder of temporary files can be written");
        Self(path)
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file into it.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        let parent = path.parent().expect("it lies in the folder");
        std::fs::create_dir_all(parent).expect("our own folder can be written");
        std::fs::write(&path, text).expect("our own folder can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The program with nothing of the developer's environment that would change what it does.
pub(crate) fn flowforge(folder: &Folder) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowforge"));
    for (name, _) in std::env::vars() {
        let ours = name.starts_with("FLOWFORGE_") || name == "DATABASE_URL";
        if ours && name != "FLOWFORGE_PG_BIN" {
            command.env_remove(name);
        }
    }
    command.current_dir(folder.path()).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs it to its end.
pub(crate) async fn output(command: &mut Command) -> Output {
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    let ended = tokio::time::timeout(PATIENCE, run).await.expect("it ends by itself");
    ended.expect("the program can be started")
}

/// What it said on standard error.
pub(crate) fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: String,
    data: PathBuf,
}

impl Server {
    /// Starts `up` on a free port with the data below the folder.
    pub(crate) async fn up(folder: &Folder) -> Self {
        Self::spawn(folder, flowforge(folder)).await
    }

    /// The same from a command that was prepared.
    pub(crate) async fn spawn(folder: &Folder, mut command: Command) -> Self {
        let data = folder.path().join("data");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(folder.path().join("server.log"))
            .expect("our own folder can be written");
        let mut child = command
            .args(["up", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&data)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the program can be started");
        let out = child.stdout.take().expect("the pipe was asked for");
        let mut lines = BufReader::new(out).lines();
        let first = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let line = first.expect("it starts in time").expect("it prints text").unwrap_or_default();
        let address = line.split("http://").nth(1).map(str::to_owned);
        let address = address.unwrap_or_else(|| panic!("{line}\n{}", log_of(folder)));
        Self { child, address, data }
    }

    /// Process id of the private PostgreSQL.
    pub(crate) fn postgres_pid(&self) -> i32 {
        let text = std::fs::read_to_string(self.data.join("pg/data/postmaster.pid"));
        let text = text.expect("a running server has its pid file");
        text.lines().next().and_then(|line| line.parse().ok()).expect("its first line is the pid")
    }

    /// The key of the owner that was written because there is no terminal.
    pub(crate) fn owner_key(&self) -> String {
        let text = std::fs::read_to_string(self.data.join("owner-api-key"));
        text.expect("the first start wrote it").trim().to_owned()
    }

    /// Calls it.
    pub(crate) async fn call(
        &self,
        method: reqwest::Method,
        path: &str,
        key: Option<&str>,
        body: Option<(&str, String)>,
    ) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
        let url = format!("http://{}{path}", self.address);
        let mut request = client.expect("a client needs nothing").request(method, url);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if let Some((media_type, body)) = body {
            request = request.header("content-type", media_type).body(body);
        }
        let response = request.send().await.expect("the server answers");
        let status = response.status().as_u16();
        (status, response.text().await.expect("the answer is text"))
    }

    /// Sends a signal and waits for the end.
    pub(crate) async fn end(mut self, signal: Signal) -> ExitStatus {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).expect("it runs");
        kill(Pid::from_raw(pid), signal).expect("our own child may be signalled");
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.expect("it ends in time").expect("it can be waited for")
    }
}

/// Returns when the process is gone.
pub(crate) async fn gone(pid: i32) {
    let look = async {
        let mut every = tokio::time::interval(Duration::from_millis(20));
        while kill(Pid::from_raw(pid), None).is_ok() {
            every.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("the process ends");
}

/// What the servers of this folder have logged.
pub(crate) fn log_of(folder: &Folder) -> String {
    std::fs::read_to_string(folder.path().join("server.log")).unwrap_or_default()
}
