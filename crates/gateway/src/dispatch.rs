//! One request: names it, sends it where it belongs, and finishes the response.

use std::panic::AssertUnwindSafe;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderValue, Method, Request, Response, header};
use futures::FutureExt;
use hyper::body::Incoming;
use kernel::{Problem, codes};
use tower::Service;
use tracing::Instrument;

use crate::request::{About, Peer};
use crate::shared::Shared;
use crate::{compress, cors, hooks, problem, secure};

/// Headers of one request.
const HEADERS_MAX: usize = 100;

/// Answers a request, whatever happens to it.
pub(crate) async fn dispatch(
    shared: &Shared,
    router: Router,
    peer: Peer,
    request: Request<Incoming>,
) -> Response<Body> {
    let about = About::read(request.headers(), request.uri().path(), peer, &*shared.dice);
    let is_head = request.method() == Method::HEAD;
    let work = AssertUnwindSafe(route(shared, router, request, &about)).catch_unwind();
    let mut response = work.await.unwrap_or_else(|_| {
        // The panic hook has written where it happened.
        tracing::error!(request.id = about.id(), http.path = about.path(), "a request panicked");
        problem::respond(&Problem::internal(), &about)
    });
    about.sign(&mut response);
    if is_head { without_body(response) } else { response }
}

/// The answer to HEAD: HTTP/1 leaves the body out by itself, HTTP/2 does not.
fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
        head.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    Response::from_parts(head, Body::empty())
}

async fn route(
    shared: &Shared,
    mut router: Router,
    request: Request<Incoming>,
    about: &About,
) -> Response<Body> {
    // The parser of HTTP/1 refuses them by itself.
    if request.headers().len() > HEADERS_MAX {
        let detail = format!("The request has more than {HEADERS_MAX} headers.");
        let problem = Problem::new(codes::REQUEST_HEADERS_TOO_LARGE, detail);
        return problem::respond(&problem, about);
    }
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
        let mut response = hooks::respond(shared, request, about).instrument(span).await;
        let took = shared.clock.monotonic().saturating_sub(began);
        shared.hook_meter.count(response.status(), took);
        secure::harden_hook(&mut response, about);
        return compress::respond(response, &wish, compress::Tag::Weak).await;
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
    compress::respond(response, &wish, compress::Tag::Named).await
}
