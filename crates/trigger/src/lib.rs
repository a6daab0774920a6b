//! Triggers from outside: HTTP requests that start runs.
//!
//! A published workflow with a webhook trigger is answered under `/hooks/{workspace}/{path}`, a
//! draft under `/hooks-test/{workspace}/{path}`. [`Hooks`] finds the address in a table it holds in
//! memory, makes the request the trigger's item, starts the run at the engine's door and turns its
//! answer into a [`HookAnswer`]. [`HookObserver`] derives the table's rows from documents as they
//! are saved and published, in the same transaction.
//!
//! Invariants: a request costs no round trip of its own but for one look per workspace and second;
//! an address of one workspace is never found under another's slug; what is answered was durable
//! before. Deliberately absent: sockets and HTTP framing (crate `gateway`), schedules.

mod address;
mod answer;
mod form;
mod hooks;
mod item;
mod observer;
mod store;
mod table;

pub use address::Stage;
pub use answer::{HookAnswer, HookError};
pub use hooks::{Found, HookParts, HookSettings, Hooks};
pub use item::HookRequest;
pub use observer::HookObserver;
pub use store::STATEMENTS;
