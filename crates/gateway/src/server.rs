//! The listener: accepts connections within their limit, and drains them at the end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use kernel::room::Room;
use kernel::{Problem, codes};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::acme::Keeper;
use crate::admission::Admission;
use crate::cache::Cache;
use crate::health::Health;
use crate::meter::Meter;
use crate::parts::Parts;
use crate::shared::Shared;
use crate::tls::Tls;
use crate::{api, connection, raw};

/// How often the metrics are folded.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// How often the files of the certificate are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long accepting pauses when the process has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An HTTP server, ready to be run. States: built → running → draining → ended.
pub struct Server {
    shared: Arc<Shared>,
    router: Router,
}

impl Server {
    /// A server of these parts; nothing but what holds its certificate is opened yet.
    ///
    /// # Errors
    /// `config.invalid` when the certificate or its key cannot be used, `file.unavailable` when one that
    /// is fetched could not be kept.
    pub fn new(parts: Parts) -> Result<Self, Problem> {
        let openapi = raw::document(&parts.functions, parts.version);
        let open = |source| Tls::open(source, &parts.clock, &parts.dice);
        let tls = parts.settings.tls.clone().map(open).transpose()?;
        let keeper = tls.as_ref().and_then(Tls::keeper);
        let checks = parts.checks.into_iter().chain(keeper.map(Keeper::check)).collect();
        let shared = Arc::new(Shared {
            admission: Admission::new(parts.settings.calls),
            cache: Cache::new(parts.settings.cache, Arc::clone(&parts.clock)),
            bodies: Room::new(parts.settings.bodies_bytes_max),
            rates: parts.rates,
            tls,
            openapi_3_0: function::openapi::older(&openapi).to_string().into(),
            openapi: openapi.to_string().into(),
            settings: parts.settings,
            host: parts.host,
            authenticator: parts.authenticator,
            hooks: parts.hooks,
            hook_meter: Meter::new("hook"),
            metrics: parts.metrics,
            health: Health::new(checks, Arc::clone(&parts.clock), parts.version),
            clock: parts.clock,
            dice: parts.dice,
        });
        let router = api::router(&shared, &parts.functions);
        Ok(Self { shared, router })
    }

    /// Opens a listener.
    ///
    /// # Errors
    /// `server.address_in_use`, `config.invalid` when the address cannot be listened on.
    pub async fn bind(address: SocketAddr) -> Result<TcpListener, Problem> {
        TcpListener::bind(address).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => Problem::new(
                codes::SERVER_ADDRESS_IN_USE,
                format!(
                    "Something else listens on {address}; choose another address with --listen."
                ),
            ),
            _ => Problem::new(
                codes::CONFIG_INVALID,
                format!("The server cannot listen on {address}: {error}."),
            ),
        })
    }

    /// Serves until `stop` fires, then stops accepting, lets responses under way finish within the
    /// drain time and returns.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken) {
        let connections = TaskTracker::new();
        let settings = &self.shared.settings;
        let places = Arc::new(Semaphore::new(settings.connections_max.max(1)));
        let mut upkeep = tokio::time::interval(UPKEEP_EVERY);
        let mut look = tokio::time::interval(LOOK_EVERY);
        let mut keeping = pin!(keep(&self.shared));
        loop {
            // The place is taken before the connection: who finds none waits in the backlog.
            let accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (listener.accept().await, place)
            };
            tokio::select! {
                () = stop.cancelled() => break,
                _ = upkeep.tick() => self.shared.metrics.upkeep(),
                _ = look.tick() => if let Some(tls) = &self.shared.tls {
                    tls.follow();
                },
                never = &mut keeping => match never {},
                (accepted, place) = accepted => match accepted {
                    Ok((stream, peer)) => {
                        let served = self.serve(stream, peer, stop.clone());
                        connections.spawn(async move {
                            served.await;
                            drop(place);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(error = %error, "a connection could not be accepted");
                        let _ = tokio::time::timeout(ACCEPT_PAUSE, stop.cancelled()).await;
                    }
                },
            }
        }
        self.shared.health.stop();
        drop(listener);
        connections.close();
        if tokio::time::timeout(settings.drain_timeout, connections.wait()).await.is_err() {
            tracing::warn!(
                connections = connections.len(),
                "some responses were not done when the drain time was over"
            );
        }
    }

    fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + use<> {
        // A reply is one small packet that must not wait for another.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(error = %error, "TCP_NODELAY was refused");
        }
        connection::serve(Arc::clone(&self.shared), self.router.clone(), stream, peer, stop)
    }
}

/// Keeps the certificate, if that is ours to do.
async fn keep(shared: &Shared) -> Infallible {
    match shared.tls.as_ref().and_then(Tls::keeper) {
        Some(keeper) => keeper.run().await,
        None => std::future::pending().await,
    }
}
