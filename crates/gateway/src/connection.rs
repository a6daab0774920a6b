//! One connection: reads requests, sends each where it belongs, ends when asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use futures::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use kernel::Problem;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::Service;
use tracing::Instrument;

use crate::hooks;
use crate::problem;
use crate::request::About;
use crate::shared::Shared;

/// Serves a connection until it closes; after `stop` the response under way is its last.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    router: Router,
    stream: TcpStream,
    peer: SocketAddr,
    stop: CancellationToken,
) {
    let header_timeout = shared.settings.header_timeout;
    let service = service_fn(move |request| {
        let (shared, router) = (Arc::clone(&shared), router.clone());
        async move { Ok::<_, Infallible>(dispatch(&shared, router, peer, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Callers go away all the time; nobody has to act on it.
        tracing::debug!(error = %error, "a connection ended early");
    }
}

async fn dispatch(
    shared: &Shared,
    router: Router,
    peer: SocketAddr,
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
        return response;
    }
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(about.clone());
    match router.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
