//! Outbound HTTP: one client behind the guard against requests to private networks.
//!
//! Everything that FlowForge asks of other servers on a user's behalf goes through [`Client`]. The
//! guard looks at the address that is actually connected: names are resolved here, addresses that
//! are not allowed are dropped before connecting, and so a name that answers differently the second
//! time gains nothing. Each redirect is a new request under the same rules. Proxies named in the
//! environment are ignored, because behind a proxy nobody could check the address.
//!
//! What may be reached is said by [`EgressSettings`]: the public internet by default, plus what
//! `[egress] allow` names, minus what `[egress] deny` names.
//!
//! Deliberately absent: schemes other than http and https, cookies, a cache, retries (the engine
//! retries), and streaming (bodies are bounded and held in memory).

mod address;
mod client;
mod error;
mod redirect;
mod resolve;
mod rules;
mod settings;

pub use client::{Client, Redirects, Request, Response};
pub use reqwest::{Method, StatusCode, Url, header};
pub use settings::{EgressSettings, Reach};
