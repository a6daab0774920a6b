//! The gateway: the HTTP server. It composes routes of the domains' functions and has no product
//! logic of its own.
//!
//! Every function of [`functions`] is a route; raw routes are the hooks, `/live`, `/ready`,
//! `/health`, `/metrics`, `/v1/openapi.json`, `/errors/{code}` and the page at `/`. Hooks are served
//! before the router sees the request, because they are what is called most.
//!
//! The order of refusal of a function: 404 or 405 for the address, 401, 403, 413, then what the
//! function says (see [`function`]). Every refusal is RFC 9457 `application/problem+json`.
//!
//! Invariants: no body is held beyond its limit; a panic answers 500 and ends nothing else; every
//! response carries `x-request-id`; [`Server::run`] returns after the last response was sent or
//! the drain time is over. Deliberately absent: TLS, HTTP/2, compression, CORS, rate limits.

mod api;
mod body;
mod connection;
mod health;
mod hooks;
mod meter;
mod pages;
mod parts;
mod problem;
mod request;
mod server;
mod shared;

use function::Function;

pub use health::{Check, Probe};
pub use parts::{Parts, Settings};
pub use server::Server;

/// Every function of the program, sorted by path and method.
pub fn functions() -> Vec<Function> {
    let lists = [engine::FUNCTIONS, function::FUNCTIONS, identity::FUNCTIONS, workflow::FUNCTIONS];
    let mut functions: Vec<_> = lists.into_iter().flatten().copied().collect();
    functions.sort_by_key(|function| (function.path, function.method));
    functions
}
