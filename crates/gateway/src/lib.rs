//! The gateway: the HTTP server. It composes routes of the domains' functions and has no product
//! logic of its own.
//!
//! Every function of [`functions`] is a route; the routes that are no functions are the table [`raw`].
//! Hooks are served before the router sees the request, because they are what is called most.
//!
//! The order of refusal of a function: 404 or 405 for the address, 429 for it and its caller, 401,
//! 403, 406, 413, 503 when too much is under way, then what the function says (see [`function`]).
//! Every refusal is RFC 9457 `application/problem+json`, those of the HTTP/1 parser included. Only the
//! HTTP/2 parser speaks for itself: larger headers get a bare 431, broken frames its error codes.
//!
//! Invariants: no body is held beyond its limit; at most `concurrent_max` functions run at once; a
//! panic answers 500 and ends nothing else; every response carries `x-request-id`; [`Server::run`]
//! returns after the last response was sent or the drain time is over. Deliberately absent:
//! WebSockets.

mod accept;
mod acme;
mod admission;
mod api;
mod body;
mod cache;
mod compress;
mod connection;
mod cors;
mod dispatch;
mod health;
mod hooks;
mod limits;
mod markdown;
mod meter;
mod pace;
mod pages;
mod parts;
mod problem;
mod raw;
mod request;
mod secure;
mod server;
mod shared;
mod tls;
mod upload;
mod wire;

use function::{Function, Permission};

pub use acme::AcmeSettings;
pub use admission::Calls;
pub use cache::CacheSettings;
pub use cors::Cors;
pub use health::{Check, Probe};
pub use parts::{Parts, Settings};
pub use raw::document;
pub use server::Server;
pub use tls::{TlsFiles, TlsSource};

/// See what the server counts and depends on, with a key of the first workspace.
pub const READ_SERVER: Permission = Permission("server.read");

/// Every function of the program, sorted by path and method.
pub fn functions() -> Vec<Function> {
    let lists = [
        engine::FUNCTIONS,
        function::FUNCTIONS,
        identity::FUNCTIONS,
        trigger::FUNCTIONS,
        vault::FUNCTIONS,
        workflow::FUNCTIONS,
    ];
    let mut functions: Vec<_> = lists.into_iter().flatten().copied().collect();
    functions.sort_by_key(|function| (function.path, function.method));
    functions
}
