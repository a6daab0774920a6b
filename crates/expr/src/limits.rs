//! Where expressions are stopped.

use std::sync::OnceLock;
use std::time::Duration;

/// Limits of every expression of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wall time of the first try. Default 2 ms.
    pub inline: Duration,
    /// Wall time of the repetition when the first try did not suffice. Default 1 s.
    pub deadline: Duration,
    /// Bytes the runtime of one thread and workspace may hold. Default 64 MiB, at least 8 MiB.
    pub memory_bytes: usize,
    /// Bytes of native stack a script may use. Default 256 KiB: threads have 2 MiB.
    pub stack_bytes: usize,
    /// Runtimes kept per thread, one per workspace; the one used longest ago goes. Default 16.
    pub runtimes_max: usize,
    /// Compiled expressions kept per runtime. Default 4096.
    pub functions_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            inline: Duration::from_millis(2),
            deadline: Duration::from_secs(1),
            memory_bytes: 64 << 20,
            stack_bytes: 256 << 10,
            runtimes_max: 16,
            functions_max: 4096,
        }
    }
}

static LIMITS: OnceLock<Limits> = OnceLock::new();

/// Sets the limits of the process, before the first expression is evaluated. Gives false, and
/// changes nothing, when they are settled already.
pub fn set_limits(limits: Limits) -> bool {
    LIMITS.set(limits).is_ok()
}

/// The limits in force.
pub(crate) fn limits() -> &'static Limits {
    LIMITS.get_or_init(Limits::default)
}
