//! The server of the demonstration: this program, as a process of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use kernel::{Problem, codes};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::client::Client;
use crate::keys;

/// How long a start may take, initialising a database included.
const START_WITHIN: Duration = Duration::from_secs(60);
/// How long a stop may take.
const STOP_WITHIN: Duration = Duration::from_secs(40);
/// Lines of the log that are shown when something went wrong.
const LOG_LINES: usize = 30;

/// A running server. It is killed when this is dropped.
pub(super) struct Server {
    child: Child,
    data: PathBuf,
    log: PathBuf,
    /// Where it listens.
    pub(super) address: String,
}

impl Server {
    /// Starts a server that may use the files of `folder` and keeps its data below it.
    pub(super) async fn start(folder: &Path) -> Result<Self, Problem> {
        let data = folder.join("data");
        let log = folder.join("server.log");
        let program = std::env::current_exe().map_err(|error| failed(&error))?;
        let log_file = File::options().create(true).append(true).open(&log);
        let mut command = Command::new(program);
        command
            .args(["up", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&data)
            .env("FLOWFORGE_FILES__ALLOW", folder)
            .env("FLOWFORGE_FILES__BASE", folder)
            .env_remove("DATABASE_URL")
            .env_remove("FLOWFORGE_DIRECT_URL")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file.map_err(|error| failed(&error))?)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| failed(&error))?;
        let address = match child.stdout.take() {
            Some(out) => {
                tokio::time::timeout(START_WITHIN, first_address(out)).await.ok().flatten()
            }
            None => None,
        };
        let mut server = Self { child, data, log, address: String::new() };
        match address {
            Some(address) => {
                server.address = address;
                Ok(server)
            }
            None => {
                server.kill().await;
                let detail = format!("The server did not start:\n{}", server.log_end());
                Err(Problem::new(codes::INTERNAL, detail))
            }
        }
    }

    /// A client with the key that the server keeps for this machine.
    pub(super) fn client(&self) -> Result<Client, Problem> {
        Client::new(&self.address, keys::find(&self.data))
    }

    /// kill -9, and its end.
    pub(super) async fn kill(&mut self) {
        // It may be gone already, which is as good.
        let _ = self.child.kill().await;
    }

    /// Asks it to stop and waits until it has.
    pub(super) async fn stop(mut self) {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        if tokio::time::timeout(STOP_WITHIN, self.child.wait()).await.is_err() {
            self.kill().await;
        }
    }

    /// The last lines the server has logged.
    pub(super) fn log_end(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

/// Reads up to the line that says where the server listens; leaves the rest unread.
async fn first_address(out: tokio::process::ChildStdout) -> Option<String> {
    let mut lines = BufReader::new(out).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((_, address)) = line.split_once(" listens on http://") {
            return Some(address.trim().to_owned());
        }
    }
    None
}

fn failed(error: &std::io::Error) -> Problem {
    Problem::new(
        codes::INTERNAL,
        format!("The server of the demonstration did not start: {error}."),
    )
}
