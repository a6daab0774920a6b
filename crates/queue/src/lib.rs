//! Jobs: work that nobody holds in memory.
//!
//! A job is in one of three places: waiting (`forge.jobs`), held by a member in a claimed batch
//! (`forge.held`), or gone because it was completed. Claiming moves up to 500 jobs at once into one
//! row, completing a whole batch deletes that row: a job costs its insert, its delete and a five
//! hundredth of two row changes.
//!
//! Invariants: a job is held by at most one living member; the jobs of a fenced member go back to
//! waiting with one attempt more; a unique key is taken from enqueue to the job's end; a job enqueued in
//! a transaction exists when that commits, or never.
//!
//! A [`Worker`] runs the jobs of a lane: it retries with exponential backoff, and what cannot be done
//! becomes a row of `forge.dead_letters`.
//!
//! Absent on purpose: what a job does (its kind is a word of its domain), fairness between workspaces,
//! functions to look at jobs and dead letters.

mod model;
mod outcomes;
mod service;
mod store;
mod worker;

pub use model::{Held, Job, NewJob, Priority};
pub use service::{Queue, enqueue};
pub use store::STATEMENTS;
pub use worker::{Handler, Handlers, Hints, Worker};

/// Number of the fence that claiming and completing prove, in `forge.fences`.
pub const FENCE: i16 = 8;
/// Jobs one claim takes at most.
pub const CLAIM_MAX: u32 = 500;
/// Jobs one enqueue takes at most.
pub const ENQUEUE_MAX: usize = 10_000;
