//! Fault points: places where the crash tests let the process die.
//!
//! `FLOWFORGE_FAULT=name` or `name:3` kills the process by SIGKILL when the point is reached for the
//! first or the third time. Only debug builds carry them.

/// Every fault point, so that tests can walk them all: those of calls begin with `action` or
/// `mutation`, the others are reached by runs. Keep sorted.
pub const POINTS: &[&str] = &[
    "action.done",
    "blob.written",
    "decide.recorded",
    "effect.before",
    "effect.performed",
    "flush.before",
    "flush.done",
    "flush.sent",
    "mutation.before",
    "mutation.done",
    "reply.before",
    "run.ended",
    "run.started",
];

/// Dies here when the environment says so. Use the macro [`crate::fault!`].
#[cfg(debug_assertions)]
pub fn reach(point: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static SEEN: AtomicU64 = AtomicU64::new(0);
    debug_assert!(POINTS.contains(&point), "fault point {point} is not listed");
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("FLOWFORGE_FAULT").ok()?;
        let (name, nth) = text.split_once(':').unwrap_or((&text, "1"));
        Some((name.to_owned(), nth.parse().ok()?))
    });
    if let Some((name, nth)) = wanted
        && name == point
        && SEEN.fetch_add(1, Ordering::Relaxed) + 1 == *nth
    {
        // SIGKILL to itself: no destructor, no flush, no goodbye, as when the machine goes.
        let _ = std::process::Command::new("kill")
            .args(["-KILL", &std::process::id().to_string()])
            .status();
        std::process::abort();
    }
}

/// A place where the crash tests let the process die; nothing in release builds.
#[macro_export]
macro_rules! fault {
    ($point:literal) => {
        #[cfg(debug_assertions)]
        $crate::fault::reach($point);
    };
}
