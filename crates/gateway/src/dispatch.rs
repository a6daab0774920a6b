//! One request: names it, sends it where it belongs, and finishes the response.

use std::panic::AssertUnwindSafe;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use futures::FutureExt;
use hyper::body::Incoming;
use kernel::Problem;
use tower::Service;
use tracing::Instrument;

use crate::request::{About, Peer};
use crate::shared::Shared;
use crate::{compress, cors, hooks, problem, secure};

/// Answers a request, whatever happens to it.
pub(crate) async fn dispatch(
    shared: &Shared,
    router: Router,
    peer: Peer,
    request: Request<Incoming>,
) -> Response<Body> {
    let about = About::read(request.headers(), request.uri().path(), peer, &*shared.dice);
    let work = AssertUnwindSafe(route(shared, router, request, &about)).catch_unwind();
    let mut response = work.await.unwrap_or_else(|_| {
        // The panic hook has written where it happened.
        tracing::error!(request.id = about.id(), http.path = about.path(), "a request panicked");
        problem::respond(&Problem::internal(), &about)
    });
    about.sign(&mut response);
    response
}

async fn route(
    shared: &Shared,
    mut router: Router,
    request: Request<Incoming>,
    about: &About,
) -> Response<Body> {
    let wish = compress::Wish::of(request.headers());
    if hooks::split(request.uri().path()).is_some() {
        let began = shared.clock.monotonic();
        // Only at `debug`: what is called ten thousand times a second must not allocate a span.
        let span = tracing::debug_span!(
            "hook",
            request.id = about.id(),
            trace.id = about.trace_id(),
            http.path = about.path()
        );
        let response = hooks::respond(shared, request, about).instrument(span).await;
        let took = shared.clock.monotonic().saturating_sub(began);
        shared.hook_meter.count(response.status(), took);
        return compress::respond(response, &wish).await;
    }
    let origin = cors::Origin::of(&shared.settings.cors, request.headers());
    let mut response = match cors::preflight(&shared.settings.cors, &origin, &request) {
        Some(response) => response,
        None => {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(about.clone());
            match router.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
    };
    cors::allow(&shared.settings.cors, &origin, &mut response);
    secure::harden(&mut response, about);
    compress::respond(response, &wish).await
}
