//! The engine: how runs are executed, recorded and survive.
//!
//! A run is owned by one member and executed in memory as a graph of activations.
//! [`decide::decide`] is its mind, without I/O, clock or chance; what happened is written as
//! [`record::Record`]s and made durable by the [`flusher`] for all runs of the member at once;
//! actors run the nodes' code. Nothing becomes visible outside before the journal it depends on is
//! durable. Recovery reads the journal and goes on.
//!
//! Run states: `queued running waiting succeeded failed cancelled`. Activation states: `ready
//! running waiting succeeded failed skipped cancelled`.
//!
//! Deliberately absent: a row per step, determinism demanded of user code, HTTP.

pub mod decide;
mod door;
pub mod flusher;
pub mod outcome;
pub mod plan;
pub mod record;
pub mod state;
pub mod store;
pub mod wire;

pub use door::{Answer, AnswerWhen, RunStatus, StartRun, Started};
