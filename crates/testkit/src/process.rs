//! The executable as a process of its own, to be killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::actor::Actor;

/// How long a start or a stop may take on a busy machine.
const WITHIN: Duration = Duration::from_secs(60);
/// The owner's key of every process.
const KEY: &str = "a-key-that-the-test-chose";

/// How to start one.
#[derive(Clone, Debug)]
pub struct Start {
    program: PathBuf,
    folder: PathBuf,
    environment: Vec<(String, String)>,
    listen: String,
}

/// A running server; it is killed when this is dropped.
pub struct Process {
    child: Child,
    address: String,
    client: reqwest::Client,
    log: PathBuf,
    // Closing it would end the process at its next word.
    _out: BufReader<ChildStdout>,
}

/// A start that came to nothing.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// What it said on standard error.
    pub said: String,
}

impl Start {
    /// `program up` in a folder, with its data in `data` and its files in `files` there.
    ///
    /// # Panics
    /// When the folder cannot be made.
    pub fn new(program: &str, folder: &Path) -> Self {
        let files = folder.join("files");
        std::fs::create_dir_all(&files).expect("the folder can be made");
        let environment = [
            ("FLOWFORGE_FILES__ALLOW", files.display().to_string()),
            ("FLOWFORGE_FILES__BASE", files.display().to_string()),
            ("FLOWFORGE_EGRESS__ALLOW", "127.0.0.1".to_owned()),
            ("FLOWFORGE_BOOTSTRAP_API_KEY", KEY.to_owned()),
        ];
        let environment =
            environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let listen = "127.0.0.1:0".to_owned();
        Self { program: PathBuf::from(program), folder: folder.to_owned(), environment, listen }
    }

    /// With a variable set.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Listening there instead of at any free port.
    #[must_use]
    pub fn listen(mut self, address: &str) -> Self {
        address.clone_into(&mut self.listen);
        self
    }

    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// When it ended instead.
    ///
    /// # Panics
    /// When it neither listens nor ends within a minute.
    pub async fn start(&self) -> Result<Process, Ended> {
        let log = self.folder.join("server.log");
        let log_file = File::create(&log).expect("the folder can be written");
        let mut command = Command::new(&self.program);
        command
            .args(["up", "--listen", &self.listen, "--data-dir"])
            .arg(self.folder.join("data"))
            .env_remove("DATABASE_URL")
            .env_remove("FLOWFORGE_DIRECT_URL")
            .env_remove("FLOWFORGE_FAULT")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .kill_on_drop(true);
        let mut child = command.spawn().expect("the program can be started");
        let out = child.stdout.take().expect("the pipe was asked for above");
        let mut out = BufReader::new(out);
        let address = tokio::time::timeout(WITHIN, first_address(&mut out)).await;
        match address.expect("a start ends or listens") {
            Some(address) => {
                let client = reqwest::Client::builder().no_proxy().build();
                let client = client.expect("a client can be made");
                Ok(Process { child, address, client, log, _out: out })
            }
            None => {
                let status = child.wait().await.expect("it is our child");
                Err(Ended { status, said: std::fs::read_to_string(&log).unwrap_or_default() })
            }
        }
    }
}

/// Reads up to the line that says where the server listens.
async fn first_address(out: &mut BufReader<ChildStdout>) -> Option<String> {
    loop {
        let mut line = String::new();
        if out.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if let Some((_, address)) = line.split_once(" listens on http://") {
            return Some(address.trim().to_owned());
        }
    }
}

impl Process {
    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it still runs")
    }

    /// Somebody without a key.
    ///
    /// # Panics
    /// Never: the address was read from the process.
    pub fn anon(&self) -> Actor {
        let address = self.address.parse().expect("a server says where it listens");
        Actor::new(self.client.clone(), address, None)
    }

    /// The owner of the first workspace.
    ///
    /// # Panics
    /// Never: the address was read from the process.
    pub fn owner(&self) -> Actor {
        let address = self.address.parse().expect("a server says where it listens");
        Actor::new(self.client.clone(), address, Some(KEY.to_owned()))
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not come within a minute.
    pub async fn ended(&mut self) -> ExitStatus {
        let status = tokio::time::timeout(WITHIN, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("it does not end:\n{}", self.log()));
        status.expect("it is our child")
    }

    /// `kill -9`, and its end.
    pub async fn kill(mut self) {
        // It may be gone already, which is as good.
        let _ = self.child.kill().await;
    }

    /// SIGTERM, and its end.
    ///
    /// # Panics
    /// When it does not come within a minute.
    pub async fn stop(mut self) -> ExitStatus {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        self.ended().await
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}
