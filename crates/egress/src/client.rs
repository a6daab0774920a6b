//! The client: one request, its redirects, its bounded body.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kernel::Problem;
use reqwest::header::HeaderMap;
use reqwest::{Certificate, Method, StatusCode, Url};

use crate::error;
use crate::redirect;
use crate::resolve::GuardedResolver;
use crate::rules::{Rules, Verdict};
use crate::settings::EgressSettings;

/// The guarded client. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    settings: EgressSettings,
    rules: Arc<Rules>,
    /// For ports that no rule denies at an address.
    usual: Transports,
    /// For each port that a rule denies at an address: a resolver is not told the port, so these have
    /// one of their own.
    by_port: BTreeMap<u16, Transports>,
}

/// What carries requests, by what is known of their targets.
struct Transports {
    /// For targets whose address decides.
    guarded: reqwest::Client,
    /// For targets that a rule or their literal address has settled. Its own pool, so that no
    /// connection made for a trusted `host:port` is ever used for an unsettled one.
    trusted: reqwest::Client,
}

impl Transports {
    fn new(
        settings: &EgressSettings,
        rules: &Arc<Rules>,
        port: Option<u16>,
    ) -> Result<Self, Problem> {
        let of = |verdict| transport(settings, rules, verdict, port);
        Ok(Self { guarded: of(Verdict::Guarded)?, trusted: of(Verdict::Trusted)? })
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Where to; http or https. User and password in it become basic authentication.
    pub url: Url,
    /// Headers. Values marked sensitive are dropped when a redirect leads to another origin.
    pub headers: HeaderMap,
    /// Body; empty for none.
    pub body: Bytes,
    /// Whether to follow redirects.
    pub redirects: Redirects,
    /// All the time it may take, if less than the settings say.
    pub timeout: Option<Duration>,
}

/// Whether redirects are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redirects {
    /// Up to the settings' limit, each one checked.
    #[default]
    Follow,
    /// The redirect itself is the response.
    Stop,
}

/// An answer, complete.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status; any, errors included.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, decompressed.
    pub body: Bytes,
    /// Where the answer came from, after redirects.
    pub url: Url,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            redirects: Redirects::Follow,
            timeout: None,
        }
    }
}

impl Client {
    /// A client with these rules and limits. Errors: `config.invalid` when a rule or certificate
    /// cannot be read.
    pub fn new(settings: EgressSettings) -> Result<Self, Problem> {
        let rules = Arc::new(Rules::parse(&settings)?);
        let usual = Transports::new(&settings, &rules, None)?;
        let ports = rules.denied_ports().into_iter();
        let by_port = ports
            .map(|port| Ok((port, Transports::new(&settings, &rules, Some(port))?)))
            .collect::<Result<_, Problem>>()?;
        Ok(Self { inner: Arc::new(Inner { settings, rules, usual, by_port }) })
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// Errors: `http.not_allowed` (the guard refuses the target or one it redirects to),
    /// `http.timeout`, `http.failed` (no connection, broken answer, too many redirects, body or
    /// headers above the limits).
    pub async fn send(&self, request: Request) -> Result<Response, Problem> {
        let limit = self.inner.settings.timeout;
        let timeout = request.timeout.map_or(limit, |wanted| wanted.min(limit));
        let url = request.url.clone();
        match tokio::time::timeout(timeout, self.follow(request)).await {
            Ok(result) => result,
            Err(_) => Err(error::timed_out(&url, timeout)),
        }
    }

    async fn follow(&self, mut request: Request) -> Result<Response, Problem> {
        let mut hops = 0;
        loop {
            let response = self.once(&request).await?;
            if request.redirects == Redirects::Stop {
                return self.read(response).await;
            }
            match redirect::next(&request, response.status(), response.headers()) {
                None => return self.read(response).await,
                Some(Err(reason)) => return Err(error::failed(&request.url, &reason)),
                Some(Ok(_)) if hops == self.inner.settings.redirects_max => {
                    let reason = format!(
                        "it redirected more than {hops} times ([egress] redirects_max); perhaps \
                         it redirects in a circle."
                    );
                    return Err(error::failed(&request.url, &reason));
                }
                Some(Ok(next)) => request = next,
            }
            hops += 1;
        }
    }

    /// One request to one target, checked.
    async fn once(&self, request: &Request) -> Result<reqwest::Response, Problem> {
        let url = &request.url;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(error::scheme(url));
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(error::scheme(url));
        };
        let transports = self.inner.by_port.get(&port).unwrap_or(&self.inner.usual);
        let client = match self.inner.rules.target(&host, port) {
            Verdict::Refused => return Err(error::not_allowed(url)),
            Verdict::Trusted => &transports.trusted,
            Verdict::Guarded => &transports.guarded,
        };
        let mut builder =
            client.request(request.method.clone(), url.clone()).headers(request.headers.clone());
        if !request.body.is_empty() {
            builder = builder.body(request.body.clone());
        }
        let connect = self.inner.settings.connect_timeout;
        let response =
            builder.send().await.map_err(|error| error::transport(url, &error, connect))?;
        let bytes =
            response.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
        if bytes.sum::<usize>() > self.inner.settings.header_bytes_max {
            let reason = "its headers are longer than [egress] header_bytes_max allows.";
            return Err(error::failed(url, reason));
        }
        Ok(response)
    }

    /// The body, at most as long as allowed: counted after decompression, whatever was announced.
    async fn read(&self, mut response: reqwest::Response) -> Result<Response, Problem> {
        let max = self.inner.settings.response_bytes_max;
        let url = response.url().clone();
        let too_long = || {
            let reason = format!(
                "its body is longer than {max} bytes ([egress] response_bytes_max). Ask for less, \
                 or raise the limit."
            );
            Problem::new(kernel::codes::NODE_LIMIT, format!("{}: {reason}", error::place(&url)))
        };
        if response.content_length().is_some_and(|announced| announced > max) {
            return Err(too_long());
        }
        let connect = self.inner.settings.connect_timeout;
        let mut body = BytesMut::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| error::transport(&url, &error, connect))?
        {
            if (body.len() + chunk.len()) as u64 > max {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Response { status, headers, body: body.freeze(), url })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("rules", &self.inner.rules).finish_non_exhaustive()
    }
}

fn transport(
    settings: &EgressSettings,
    rules: &Arc<Rules>,
    verdict: Verdict,
    port: Option<u16>,
) -> Result<reqwest::Client, Problem> {
    let invalid = |what: &str| Problem::new(kernel::codes::CONFIG_INVALID, what.to_owned());
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("FlowForge/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(32)
        .http1_max_headers(256)
        .http2_max_header_list_size(u32::try_from(settings.header_bytes_max).unwrap_or(u32::MAX))
        .dns_resolver(GuardedResolver { rules: rules.clone(), verdict, port });
    for pem in &settings.certificates {
        let bundle = Certificate::from_pem_bundle(pem.as_bytes()).unwrap_or_default();
        if bundle.is_empty() {
            return Err(invalid(
                "[egress] certificates names a file that holds no certificate in PEM form.",
            ));
        }
        builder = builder.tls_certs_merge(bundle);
    }
    builder.build().map_err(|_| {
        invalid(
            "Outbound HTTP cannot start: the system's certificate authorities could not be read \
             (install the package ca-certificates), or [egress] certificates holds an invalid one.",
        )
    })
}
