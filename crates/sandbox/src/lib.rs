//! Where user code runs: child processes behind a wall, one run at a time each.
//!
//! [`CodePool`] keeps the processes. A process belongs to one workspace for its whole life and is
//! kept warm between runs; every run gets a new QuickJS runtime. Run and outcome travel as
//! length-prefixed JSON over the process's standard input and output, the only two files it has.
//!
//! The wall, from the inside out:
//! 1. The script sees data and the language, no host objects: no files, network, timers, modules.
//! 2. The runtime counts memory (`code.memory`) and looks at the clock (`code.timeout`).
//! 3. The process has no environment, no other open files, no core dumps, no new privileges, and
//!    limits on address space and processor time; it dies with its parent.
//! 4. Landlock takes all files from it but the time-zone tables (Linux ≥ 5.13; silently absent on
//!    older kernels), and a system-call filter takes sockets, programs, processes and tracing.
//! 5. The parent kills it when the deadline has passed and no answer came (`code.timeout`). A
//!    process that ends by itself costs its run `code.crashed` and nobody else anything.
//!
//! The child is the same program, started with a hidden subcommand that calls [`child_main`]
//! before anything else has been set up.
//!
//! Deliberately absent: sharing of a process between workspaces, and state between runs.

mod child;
mod frame;
mod pool;
mod process;
mod settings;
mod wall;
mod wire;

pub use child::child_main;
pub use pool::CodePool;
pub use settings::SandboxSettings;
