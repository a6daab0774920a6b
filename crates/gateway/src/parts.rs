//! What a gateway is made of.

use std::sync::Arc;
use std::time::Duration;

use function::{Function, Host};
use identity::Authenticator;
use ipnet::IpNet;
use kernel::{Clock, Dice};
use observe::Metrics;
use rate::Rates;
use trigger::Hooks;

use crate::admission::Calls;
use crate::cache::CacheSettings;
use crate::cors::Cors;
use crate::health::Check;
use crate::tls::TlsSource;

/// Settings of the listener.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How the outside reaches this server, such as `https://flows.example.com`; `None`: `http://`
    /// and the request's `host`.
    pub public_url: Option<String>,
    /// Bytes of a body sent to the API.
    pub api_body_bytes_max: usize,
    /// Bytes of the bodies of all requests under way together, unpacked and parsed.
    pub bodies_bytes_max: usize,
    /// Bytes of a request's headers together.
    pub header_bytes_max: usize,
    /// How long the headers of a request may take to arrive, and an idle connection may stay.
    pub header_timeout: Duration,
    /// How long the body of a request may take to arrive.
    pub body_timeout: Duration,
    /// Connections open at once; more wait to be accepted.
    pub connections_max: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams_max: u32,
    /// Networks of proxies whose `x-forwarded-for` is believed.
    pub proxies: Vec<IpNet>,
    /// How many functions run at once, and how long.
    pub calls: Calls,
    /// How long answers of queries are kept.
    pub cache: CacheSettings,
    /// Which pages of other origins may call the API.
    pub cors: Cors,
    /// TLS on the listener; `None`: plain HTTP.
    pub tls: Option<TlsSource>,
    /// How long a shutdown waits for responses under way.
    pub drain_timeout: Duration,
}

impl Default for Settings {
    /// 16 MiB for a body and 512 MiB for all, 64 KiB and 30 s for headers, 60 s for bodies, 10 000 connections with 200
    /// streams each, 25 s to drain; no CORS, no TLS.
    fn default() -> Self {
        Self {
            public_url: None,
            api_body_bytes_max: kernel::limits::BODY_BYTES_MAX,
            bodies_bytes_max: kernel::limits::BODIES_BYTES_MAX,
            header_bytes_max: 64 * 1_024,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            connections_max: 10_000,
            streams_max: 200,
            proxies: Vec::new(),
            calls: Calls::default(),
            cache: CacheSettings::default(),
            cors: Cors::default(),
            tls: None,
            drain_timeout: Duration::from_secs(25),
        }
    }
}

/// What a gateway works with.
pub struct Parts {
    /// Settings.
    pub settings: Settings,
    /// The functions it serves; see [`crate::functions`].
    pub functions: Vec<Function>,
    /// Runs them.
    pub host: Host,
    /// Checks keys.
    pub authenticator: Authenticator,
    /// How often somebody may call.
    pub rates: Rates,
    /// Answers hooks.
    pub hooks: Hooks,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// What `/health` and `/ready` ask.
    pub checks: Vec<Check>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub dice: Arc<dyn Dice>,
    /// Version of the program.
    pub version: &'static str,
}
