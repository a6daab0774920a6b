//! What operators see: structured logs, request ids, trace context, metrics.
//!
//! - [`log`] sets up `tracing` for the process: one event per line, as text or JSON, with dotted
//!   field names (`run.id`, `http.status`).
//! - [`RequestId`] names one request everywhere: accepted from the caller when it is well formed,
//!   else made; returned as `x-request-id`.
//! - [`TraceContext`] is the W3C `traceparent` of a request, continued to whoever is called next.
//! - [`Metrics`] is the registry behind `/metrics`; every name begins with `flowforge_` and the
//!   noun of its crate.
//!
//! Invariants: secrets and bodies are never fields. Deliberately absent: storing any of it, and
//! sending it anywhere by itself.

pub mod log;
mod metrics;
mod request_id;
mod trace;

pub use crate::metrics::Metrics;
pub use request_id::RequestId;
pub use trace::TraceContext;
