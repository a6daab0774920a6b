//! Functions: everything a client may ask of FlowForge, each declared once.
//!
//! A function is an `async fn` with an attribute: [`query`] reads in a read-only transaction,
//! [`mutation`] writes in one transaction that is retried on serialization failure, [`action`] has
//! no transaction and may use services. The attribute leaves the body alone and emits
//! `FUNCTION: `[`Function`] beside it: name, summary, method, path, permission, kind, schemas and
//! an erased handler. A domain crate lists its `FUNCTION`s in `api/mod.rs`; the gateway makes
//! routes of the lists, [`openapi`] makes the document.
//!
//! ```ignore
//! /// The caller's workspace.
//! #[query(GET "/v1/workspace", permission = crate::READ)]
//! pub(super) async fn get_workspace(cx: &QueryContext) -> Result<WorkspaceView, Problem> { … }
//!
//! /// Makes an API key and shows it once.
//! #[mutation(POST "/v1/api-keys", permission = crate::MANAGE, audit = "api_key.created", status = 201)]
//! pub(super) async fn create_api_key(cx: &MutationContext, body: NewKey) -> Result<KeyOnce, Problem> { … }
//! ```
//!
//! Arguments are known by their names, in any order after the context: `path` (a struct of the
//! path's parameters), `query` (a struct of the query string), `body` (a JSON body) or `raw` (a
//! [`RawBody`], with `accepts = "…"` naming its media types). They are checked against the schemas of
//! their types before the function runs, so that every fault is told at once. The order of refusal is
//! fixed: 401, 403, 404 for a path that cannot be, 415 and 400 for a body that cannot be read, 422 for
//! what does not fit.
//!
//! What a mutation leaves (its audit row, jobs, events, and the answer to its idempotency key) commits
//! with its rows in one statement, or not at all. Reads have strong entity tags; changes of what has
//! versions ask [`MutationContext::require_version`]. Lists are declared with [`list_query!`] and paged
//! by [`QueryContext::page`].
//!
//! Invariants: no transaction is opened before permission and arguments are checked; a handler
//! never sees another workspace; what [`MutationContext::after_commit`] was given runs after the
//! commit or not at all; a mutation without an audit row cannot be declared; a cursor is only good
//! where it was given out. Deliberately absent: HTTP servers, sockets, product words.

// The attributes emit paths that begin with the name of this crate.
extern crate self as function;

mod action;
mod answer;
mod api;
mod audit;
mod call;
mod caller;
mod check;
mod context;
mod cursor;
mod declaration;
mod host;
mod idempotency;
mod job;
mod list;
mod mutation;
pub mod openapi;
mod outbox;
mod request;
mod services;
mod store;
mod turn;
mod version;

pub use answer::{Answer, WithStatus};
pub use api::FUNCTIONS;
pub use audit::{AuditView, READ_AUDIT};
pub use caller::{Caller, Permission, Scopes};
pub use check::{Arguments, Checks};
pub use context::{ActionContext, MutationContext, QueryContext, Transaction};
pub use declaration::{
    Answering, BodyArgument, Function, Handler, Kind, Method, SchemaOf, schema_of,
};
pub use host::Host;
#[doc(hidden)]
pub use job::payload_of;
pub use job::{Doing, Job, JobContext, JobHandler, JobSurroundings, LANE};
pub use kernel::Problem;
pub use list::{ListQuery, Page, PageLimit, PageQuery, Paging};
pub use macros::{action, job, mutation, query};
pub use outbox::{Event, Operation};
pub use queue::{NewJob, Priority};
pub use request::{RawBody, Request, check_encoding, idempotency_key};
pub use services::{Services, ServicesBuilder};
pub use store::{EXPIRE_KEYS, STATEMENTS};
pub use turn::Turn;
pub use version::Version;
