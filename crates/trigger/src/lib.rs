//! Triggers from outside: HTTP requests that start runs.
//!
//! A published workflow with a webhook trigger is answered under `/hooks/{workspace}/{path}`, a
//! draft under `/hooks-test/{workspace}/{path}`. [`Hooks`] finds the address in a table it holds in
//! memory, makes the request the trigger's item, starts the run at the engine's door and turns its
//! answer into a [`HookAnswer`]. [`HookObserver`] derives the table's rows from documents as they
//! are saved and published, in the same transaction. Who may call is judged twice: before the body
//! is read (networks, headers), and over the body (signatures).
//!
//! Invariants: a request costs no round trip of its own but for one look per slug and second (also of a
//! workspace that is not there: who makes up another slug each time is bounded by the rate of addresses
//! alone); an address of one workspace is never found under another's slug; what is answered was durable
//! before; of a body that is not JSON, a form or text only pieces are in memory; secrets are opened when
//! a hook is loaded and stand neither in items nor in the log of calls. Deliberately absent: sockets and
//! HTTP framing (crate `gateway`), schedules.

mod address;
mod answer;
mod api;
mod calls;
mod cors;
mod form;
mod guard;
mod gunzip;
mod hooks;
mod intake;
mod item;
mod key;
mod listening;
mod multipart;
mod observer;
mod signature;
mod signatures;
mod store;
mod table;

use function::Permission;

pub use address::Stage;
pub use answer::{AnswerBody, HookAnswer, HookError};
pub use api::FUNCTIONS;
pub use calls::CallEnd;
pub use cors::ExtraHeaders;
pub use hooks::{Found, HookParts, HookSettings, Hooks, Reception};
pub use intake::{Body, BodyLimits, Intake};
pub use item::{HookBody, HookHead, HookRequest};
pub use observer::HookObserver;
pub use store::STATEMENTS;

/// See what listens where, and what was called.
pub const READ: Permission = Permission("hook.read");
/// Wait for calls of drafts.
pub const WRITE: Permission = Permission("hook.write");
