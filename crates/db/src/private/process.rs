//! Child processes of the private server: under the right account, and never outliving us.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::{oneshot, watch};

use super::account::Account;

/// The user id of `nobody`, which root becomes inside of its namespace.
pub(super) const NOBODY: u32 = 65_534;

/// How often a stopping server is looked at, and a running one.
const POLL_STOPPING: Duration = Duration::from_millis(5);
const POLL_RUNNING: Duration = Duration::from_millis(200);

/// A command under an account, without our input, in a directory it may enter.
pub(super) fn command(program: &Path, account: &Account) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).current_dir("/").env("LC_ALL", "C").env_remove("PGDATA");
    match account {
        Account::Own => {}
        Account::Other { uid, gid, .. } => {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
        #[cfg(target_os = "linux")]
        Account::Namespace => enter_namespace(&mut command),
        #[cfg(not(target_os = "linux"))]
        Account::Namespace => {}
    }
    // A group of its own: Ctrl-C at the terminal is for the program, which stops the server last.
    command.process_group(0);
    die_with_parent(&mut command);
    command
}

/// Asks the kernel to send SIGINT (PostgreSQL's fast shutdown) when the thread that spawned the
/// child ends. Set after the change of user, which would clear it.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "only between fork and exec can the child set its death signal")]
fn die_with_parent(command: &mut Command) {
    let parent = nix::unistd::getpid();
    let set = move || {
        nix::sys::prctl::set_pdeathsig(Signal::SIGINT)?;
        // The parent may have died before the signal was asked for.
        if nix::unistd::getppid() == parent { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    };
    // SAFETY: the closure runs in the forked child and makes two system calls; it neither
    // allocates nor takes locks (an `ErrorKind` is converted without allocation).
    unsafe {
        command.pre_exec(set);
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_command: &mut Command) {}

/// Runs the child as `nobody` in a user namespace of its own, in which files of root are nobody's.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "only between fork and exec can the child enter a namespace")]
pub(super) fn enter_namespace(command: &mut Command) {
    let enter = || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER)?;
        write_map(c"/proc/self/setgroups", b"deny")?;
        write_map(c"/proc/self/uid_map", b"65534 0 1")?;
        write_map(c"/proc/self/gid_map", b"65534 0 1")
    };
    // SAFETY: the closure runs in the forked child and makes system calls only, on constant
    // strings; it neither allocates nor takes locks.
    unsafe {
        command.pre_exec(enter);
    }
}

#[cfg(target_os = "linux")]
fn write_map(path: &std::ffi::CStr, text: &[u8]) -> io::Result<()> {
    use nix::fcntl::{OFlag, open};
    let file = open(path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, nix::sys::stat::Mode::empty())?;
    nix::unistd::write(&file, text)?;
    Ok(())
}

/// A server process of ours. The thread that spawned it waits for it, so that it lives as long and
/// its pid is never signalled after it was reaped.
#[derive(Debug)]
pub(super) struct ServerProcess {
    pid: u32,
    signals: mpsc::Sender<Signal>,
    exit: watch::Receiver<Option<ExitStatus>>,
}

impl ServerProcess {
    /// Spawns it from a thread of its own.
    pub(super) async fn spawn(mut command: Command) -> io::Result<Self> {
        let (signals, orders) = mpsc::channel();
        let (exited, exit) = watch::channel(None);
        let (spawned, started) = oneshot::channel();
        thread::Builder::new().name("postgres-parent".into()).spawn(move || {
            match command.spawn() {
                Err(error) => drop(spawned.send(Err(error))),
                Ok(child) => {
                    drop(spawned.send(Ok(child.id())));
                    attend(child, &orders, &exited);
                }
            }
        })?;
        let pid = started.await.map_err(|_| io::Error::other("the thread ended"))??;
        Ok(Self { pid, signals, exit })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended, once it has.
    pub(super) fn ended(&self) -> Option<ExitStatus> {
        *self.exit.borrow()
    }

    /// Fast shutdown; immediate shutdown when that takes longer than `patience`.
    pub(super) async fn stop(&mut self, patience: Duration) {
        for signal in [Signal::SIGINT, Signal::SIGQUIT] {
            // The thread is gone when the process is.
            let _ = self.signals.send(signal);
            if tokio::time::timeout(patience, self.gone()).await.is_ok() {
                return;
            }
        }
        let _ = self.signals.send(Signal::SIGKILL);
        self.gone().await;
    }

    async fn gone(&mut self) {
        // An error: the thread ended, and it ends after its child.
        let _ = self.exit.wait_for(Option::is_some).await;
    }
}

/// Waits for the child and passes signals on; a dropped handle asks it to stop.
fn attend(
    mut child: Child,
    orders: &mpsc::Receiver<Signal>,
    exited: &watch::Sender<Option<ExitStatus>>,
) {
    let mut poll = POLL_RUNNING;
    let pid = Pid::from_raw(child.id().cast_signed());
    loop {
        match orders.recv_timeout(poll) {
            Ok(signal) => {
                poll = POLL_STOPPING;
                let _ = kill(pid, signal);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let _ = kill(pid, Signal::SIGINT);
                let _ = child.wait();
                return;
            }
        }
        match child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) => {
                exited.send_replace(Some(status));
                return;
            }
            Err(error) => {
                tracing::error!(error.cause = %error, "the server process cannot be waited for");
                return;
            }
        }
    }
}
