//! One child process, seen from its parent.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use kernel::WorkspaceId;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::frame::{self, TooLong};
use crate::settings::SandboxSettings;

/// A running child. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    /// Whose code it has run, and may run.
    pub(crate) workspace: WorkspaceId,
    /// Orders it has served.
    pub(crate) runs: u32,
    /// When it became idle, on the pool's clock.
    pub(crate) idle_since: Duration,
}

impl Process {
    /// Sends an order and waits for its reply, however long that takes.
    pub(crate) async fn exchange(
        &mut self,
        order: &[u8],
        reply_max: u64,
    ) -> io::Result<Result<Vec<u8>, TooLong>> {
        frame::send(&mut self.input, order).await?;
        let reply = frame::receive(&mut self.output, reply_max).await?;
        self.runs += 1;
        Ok(reply)
    }

    /// Whether it has not ended by itself.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills it and waits until it is gone. Returns how it ended: by itself, if it was faster.
    pub(crate) async fn end(mut self) -> Option<ExitStatus> {
        // Its end closes the pipes a moment before its status can be read; the kill then comes
        // too late and changes nothing.
        let _ = self.child.start_kill();
        self.child.wait().await.ok()
    }

    /// Waits for the status of a child that has closed its pipes.
    pub(crate) async fn ended(mut self, grace: Duration) -> Option<ExitStatus> {
        match tokio::time::timeout(grace, self.child.wait()).await {
            Ok(status) => status.ok(),
            Err(_) => self.end().await,
        }
    }
}

/// Starts children from a thread of its own. A child dies with the *thread* that started it, and a
/// runtime's threads may end long before the program does.
pub(crate) struct Spawner {
    orders: mpsc::Sender<SpawnOrder>,
}

struct SpawnOrder {
    runtime: Handle,
    workspace: WorkspaceId,
    started: oneshot::Sender<io::Result<Process>>,
}

impl Spawner {
    /// Starts the thread; it ends, and with it every child, when the spawner is dropped.
    pub(crate) fn new(settings: SandboxSettings) -> io::Result<Self> {
        let (orders, received) = mpsc::channel::<SpawnOrder>();
        std::thread::Builder::new().name("code-spawner".to_owned()).spawn(move || {
            while let Ok(order) = received.recv() {
                let _entered = order.runtime.enter();
                // A caller who went away drops the child, which kills it.
                let _ = order.started.send(spawn(&settings, order.workspace));
            }
        })?;
        Ok(Self { orders })
    }

    /// A new child for this workspace.
    pub(crate) async fn spawn(&self, workspace: WorkspaceId) -> io::Result<Process> {
        let (started, starting) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts code processes has ended");
        let order = SpawnOrder { runtime: Handle::current(), workspace, started };
        self.orders.send(order).map_err(|_| gone())?;
        starting.await.map_err(|_| gone())?
    }
}

fn spawn(settings: &SandboxSettings, workspace: WorkspaceId) -> io::Result<Process> {
    let mut child = Command::new(&settings.program)
        .args(&settings.args)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Ctrl-C at the terminal is for the program, which lets scripts finish.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::Error::other("a code process came without its pipes"));
    };
    Ok(Process { child, input, output, workspace, runs: 0, idle_since: Duration::ZERO })
}
