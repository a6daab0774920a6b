//! What the engine writes and reads, on a real PostgreSQL: the flush with all its verdicts and
//! accidents, runs outside of it, members, blobs, maintenance.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod accidents;
mod binaries;
mod isolation;
mod membership;
mod plans;
mod proxy;
mod stored_runs;
mod upkeep;
mod verdicts;
mod world;
