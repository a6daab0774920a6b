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

mod actor;
mod api;
mod backoff;
pub mod blobs;
pub mod breadcrumb;
mod calls;
mod cell;
pub mod codec;
mod command;
mod compare;
pub mod decide;
mod door;
mod engine;
pub mod entry;
mod excess;
pub mod fence;
pub mod flusher;
mod input;
mod inspect;
mod keeping;
mod load;
pub mod maintenance;
pub mod member;
pub mod outcome;
mod past;
pub mod plan;
pub mod record;
mod redact;
mod repeat;
pub mod replay;
mod scope;
pub mod settings;
pub mod state;
mod statistics;
pub mod store;
mod timers;
mod view;
mod watch;
pub mod wire;
mod worker;

use function::Permission;

pub use api::FUNCTIONS;
pub use door::{Answer, AnswerWhen, RunStatus, StartRun, Started};
pub use engine::{Engine, Graphs, Parts, Threads};
pub use scope::Place;
pub use settings::Settings;
pub use store::STATEMENTS;
pub use view::{ActivationView, ErrorView, RunLine, RunView, Shown};

/// Look at runs.
pub const READ: Permission = Permission("run.read");
/// Start, cancel and answer runs.
pub const WRITE: Permission = Permission("run.write");
