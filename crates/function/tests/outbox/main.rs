//! What a mutation leaves besides its rows, and what an idempotency key is good for.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod audit;
mod crash;
mod functions;
mod keys;
mod members;
mod trips;
mod world;
