//! The `[code]` part of the configuration, and how to start a child.

use std::path::PathBuf;
use std::time::Duration;

/// How code processes are started and bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxSettings {
    /// The program to start; usually this program itself.
    pub program: PathBuf,
    /// Its arguments: the hidden subcommand that calls [`crate::child_main`].
    pub args: Vec<String>,
    /// Processes at most, busy and idle ones together. Further runs wait. 4.
    pub children_max: usize,
    /// Runs after which a process is replaced. 1 000.
    pub runs_per_child: u32,
    /// How long a process without work is kept. 60 s.
    pub idle: Duration,
    /// Bytes a script may use. 128 MiB.
    pub memory_bytes: u64,
    /// Bytes of an outcome (what the script returned, and its console). 64 MiB.
    pub outcome_bytes_max: u64,
    /// How long a child may go on after its deadline before it is killed. 250 ms.
    pub grace: Duration,
}

impl SandboxSettings {
    /// The defaults, with this program and its hidden subcommand.
    pub fn new(program: PathBuf, args: Vec<String>) -> Self {
        Self {
            program,
            args,
            children_max: 4,
            runs_per_child: 1_000,
            idle: Duration::from_secs(60),
            memory_bytes: 128 * 1024 * 1024,
            outcome_bytes_max: 64 * 1024 * 1024,
            grace: Duration::from_millis(250),
        }
    }
}
