//! One connection: finds out what is spoken on it (HTTP/1, HTTP/2, TLS), reads requests, and ends
//! when asked or when nothing comes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use kernel::{Problem, codes};
use observe::RequestId;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::dispatch::dispatch;
use crate::pace::{Pace, Paced};
use crate::problem;
use crate::request::Peer;
use crate::shared::Shared;
use crate::wire::{Wire, Words};

/// What the first bytes of a connection are the beginning of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    Http1,
    /// HTTP/2 with prior knowledge: `PRI * HTTP/2.0`, sent in one piece by everybody who speaks it.
    Http2,
    Tls,
}

/// Serves a connection until it closes; after `stop` the responses under way are its last.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    router: Router,
    stream: TcpStream,
    peer: SocketAddr,
    stop: CancellationToken,
) {
    let patience = shared.settings.header_timeout;
    let opening = tokio::select! {
        opening = tokio::time::timeout(patience, look(&stream)) => opening,
        () = stop.cancelled() => return,
    };
    // Who says nothing is not answered.
    let Ok(Some(opening)) = opening else { return };
    let connection =
        Connection { shared, router, peer: Peer { address: peer, secure: false }, stop };
    match (connection.shared.tls.as_ref(), opening) {
        (Some(tls), Opening::Tls) => {
            let stream = match tokio::time::timeout(patience, tls.accept(stream)).await {
                Ok(Ok(Some(stream))) => stream,
                Ok(Ok(None)) => {
                    tracing::info!(client.address = %peer, "a name was checked by ACME");
                    return;
                }
                Ok(Err(error)) => {
                    tracing::debug!(error = %error, "a TLS handshake did not succeed");
                    return;
                }
                Err(_) => {
                    tracing::debug!("a TLS handshake took too long");
                    return;
                }
            };
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let peer = Peer { secure: true, ..connection.peer };
            let connection = Connection { peer, ..connection };
            match http2 {
                true => connection.http2(stream).await,
                false => connection.http1(stream).await,
            }
        }
        // The machine itself may come without TLS: its own commands and probes do.
        (Some(_), _) if !peer.ip().to_canonical().is_loopback() => connection.refuse(stream).await,
        (_, Opening::Http2) => connection.http2(stream).await,
        (_, Opening::Http1 | Opening::Tls) => connection.http1(stream).await,
    }
}

/// Looks at the first bytes without taking them; `None`: the peer left.
async fn look(stream: &TcpStream) -> Option<Opening> {
    const HANDSHAKE: u8 = 0x16;
    let mut first = [0; 4];
    let length = stream.peek(&mut first).await.ok()?;
    match &first[..length] {
        [] => None,
        [HANDSHAKE, ..] => Some(Opening::Tls),
        b"PRI " => Some(Opening::Http2),
        _ => Some(Opening::Http1),
    }
}

struct Connection {
    shared: Arc<Shared>,
    router: Router,
    peer: Peer,
    stop: CancellationToken,
}

impl Connection {
    async fn http1<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let Self { shared, router, peer, stop } = self;
        let settings = &shared.settings;
        let pace = Pace::new(settings.body_timeout);
        let words = Words { dice: Arc::clone(&shared.dice), pace: Arc::clone(&pace) };
        let wire = Wire::new(stream, settings.body_timeout, Some(words));
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(settings.header_timeout)
            .max_header_size(settings.header_bytes_max);
        let answers = Arc::clone(&pace);
        let service = service_fn(move |request| {
            let (shared, router) = (Arc::clone(&shared), router.clone());
            let pace = Arc::clone(&answers);
            pace.asked();
            async move {
                let response = dispatch(&shared, router, peer, request).await;
                // What is short is written at once, and watched there.
                let paced = |body: Paced<()>| if body.is_long() { body.timed() } else { body };
                Ok::<_, Infallible>(pace.over(response, ()).map(paced))
            }
        });
        let connection = builder.serve_connection(TokioIo::new(wire), service);
        let mut connection = std::pin::pin!(connection);
        let ends = async {
            tokio::select! {
                ended = connection.as_mut() => return ended,
                () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
            }
            connection.await
        };
        tokio::select! {
            ended = ends => note(ended),
            () = pace.overdue() => tracing::debug!("an answer was taken too slowly"),
        }
    }

    async fn http2<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let Self { shared, router, peer, stop } = self;
        let settings = &shared.settings;
        let patience = settings.body_timeout;
        let wire = Wire::new(stream, patience, None);
        let (idle, streams) = (Arc::new(Idle::default()), TaskTracker::new());
        let mut builder = http2::Builder::new(Streams { tasks: streams.clone(), patience });
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(settings.streams_max)
            .max_header_list_size(u32::try_from(settings.header_bytes_max).unwrap_or(u32::MAX))
            .keep_alive_interval(settings.header_timeout)
            .keep_alive_timeout(settings.header_timeout);
        let quiet = idle.clone().lasts(settings.header_timeout);
        let service = service_fn(move |request: Request<Incoming>| {
            let (shared, router) = (Arc::clone(&shared), router.clone());
            let busy = idle.busy();
            async move {
                let response: Response<Body> = dispatch(&shared, router, peer, request).await;
                // The stream is busy until its answer was taken.
                let pace = PACE.try_with(Arc::clone).unwrap_or_else(|_| Pace::new(patience));
                Ok::<_, Infallible>(pace.over(response, busy).map(Paced::timed))
            }
        });
        let connection = builder.serve_connection(TokioIo::new(wire), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => note(ended),
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                note(connection.await);
            }
            () = quiet => {
                connection.as_mut().graceful_shutdown();
                // All there can be left are ends of answers for which the peer opens no window.
                if let Ok(ended) = tokio::time::timeout(patience, connection).await {
                    note(ended);
                }
            }
        }
        streams.close();
        streams.wait().await;
    }

    /// Says that TLS is spoken here to somebody who does not.
    async fn refuse(self, mut stream: TcpStream) {
        let detail = "This address speaks HTTPS: call it by https://.";
        let problem = Problem::new(codes::REQUEST_MALFORMED, detail);
        let id = RequestId::accept(None, &*self.shared.dice);
        let words = problem::unread(&problem, id.as_str());
        let said = stream.write_all(&words);
        if tokio::time::timeout(self.shared.settings.body_timeout, said).await.is_ok() {
            let _ = stream.shutdown().await;
        }
    }
}

fn note(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        // Callers go away all the time; nobody has to act on it.
        tracing::debug!(error = %error, "a connection ended early");
    }
}

tokio::task_local! {
    /// The pace of the HTTP/2 stream that the task runs.
    static PACE: Arc<Pace>;
}

/// Runs the streams of one HTTP/2 connection, which waits for them. One whose answer is taken too
/// slowly is reset; the others go on.
#[derive(Clone)]
struct Streams {
    tasks: TaskTracker,
    patience: Duration,
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let pace = Pace::new(self.patience);
        let stream = PACE.scope(Arc::clone(&pace), stream);
        self.tasks.spawn(async move {
            tokio::select! {
                _ = stream => {}
                () = pace.overdue() => tracing::debug!("an answer was taken too slowly"),
            }
        });
    }
}

/// Whether an HTTP/2 connection has had no request for a while; HTTP/1 knows that by itself.
#[derive(Default)]
struct Idle {
    busy: AtomicUsize,
    requests: AtomicU64,
}

struct Busy(Arc<Idle>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Idle {
    fn busy(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// Returns when there was no request for at least this long, at most twice as long.
    async fn lasts(self: Arc<Self>, within: Duration) {
        let mut seen = self.requests.load(Ordering::Relaxed);
        let mut look = tokio::time::interval(within.max(Duration::from_millis(1)));
        look.tick().await;
        loop {
            look.tick().await;
            let now = self.requests.load(Ordering::Relaxed);
            if now == seen && self.busy.load(Ordering::Relaxed) == 0 {
                return;
            }
            seen = now;
        }
    }
}
