//! Settings of what stands between callers and functions: how many at once, how often, from where,
//! and by which certificate.

use std::path::PathBuf;
use std::time::Duration;

use kernel::duration::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Functions: everything the API can do.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Function {
    /// Functions that run at once.
    pub(crate) max_concurrent: usize,
    /// Calls that may wait for their turn; more are refused with `server.overloaded`.
    pub(crate) queue_max: usize,
    /// How long a call may wait for its turn.
    #[schemars(with = "String")]
    pub(crate) queue_timeout: Span,
    /// How long a query or mutation may take. Actions have times of their own.
    #[schemars(with = "String")]
    pub(crate) timeout: Span,
    /// How long the answer of a query is given out again to the same key. What was changed through
    /// the same process is always seen at once, what was changed through another one after this time.
    /// `0ms`: nothing is kept.
    #[schemars(with = "String")]
    pub(crate) cache_ttl: Span,
    /// Bytes of the answers that are kept.
    pub(crate) cache_bytes_max: usize,
}

impl Default for Function {
    fn default() -> Self {
        let (calls, cache) = (gateway::Calls::default(), gateway::CacheSettings::default());
        Self {
            max_concurrent: calls.concurrent_max,
            queue_max: calls.queue_max,
            queue_timeout: Span(calls.queue_timeout),
            timeout: Span(calls.timeout),
            cache_ttl: Span(cache.ttl),
            cache_bytes_max: cache.bytes_max,
        }
    }
}

/// Who may call, from where, how often.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Gateway {
    /// Networks of proxies before this server, such as `10.0.0.0/8`: what they say in
    /// `X-Forwarded-For` is taken for the caller's address.
    pub(crate) proxies: Vec<String>,
    /// Pages of other origins that may call the API from a browser.
    pub(crate) cors: Cors,
    /// How often somebody may call. Servers on one database share the budgets.
    pub(crate) rates: Rates,
    /// TLS on the listener. Callers on the machine itself may go on without.
    pub(crate) tls: Tls,
}

/// Pages of other origins that may call the API from a browser.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Cors {
    /// Origins such as `https://app.example.com`, or `*` for any. Empty: none.
    pub(crate) origins: Vec<String>,
    /// Whether cookies may be sent along; not together with `*`.
    pub(crate) credentials: bool,
    /// How long a browser may remember what is allowed.
    #[schemars(with = "String")]
    pub(crate) max_age: Span,
}

impl Default for Cors {
    fn default() -> Self {
        let max_age = Span(Duration::from_secs(600));
        Self { origins: Vec::new(), credentials: false, max_age }
    }
}

/// How often somebody may call. Servers on one database share the budgets.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rates {
    /// Calls of functions a minute with one API key; 0: as many as come.
    pub(crate) key_per_minute: u32,
    /// Requests a minute from one address, to functions and to webhooks; 0: as many as come. An
    /// address of IPv6 stands for its network of 64 bits.
    pub(crate) address_per_minute: u32,
    /// Calls of functions a minute in one workspace; 0: as many as come.
    pub(crate) workspace_per_minute: u32,
    /// How much of a budget may be saved up and used at once.
    #[schemars(with = "String")]
    pub(crate) burst: Span,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            key_per_minute: 0,
            address_per_minute: 0,
            workspace_per_minute: 0,
            burst: Span(Duration::from_secs(5)),
        }
    }
}

/// TLS on the listener. Callers on the machine itself may go on without.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tls {
    /// File with the certificate and those above it (PEM), the server's own first. Read again within
    /// seconds after it changed.
    pub(crate) certificate: Option<PathBuf>,
    /// File with its private key (PEM).
    pub(crate) key: Option<PathBuf>,
    /// A certificate that the server orders by ACME (RFC 8555) and renews by itself, instead of one in
    /// files. The directory checks every name at its port 443 (`tls-alpn-01`), which must lead to the
    /// listener. Account and certificate are kept in the folder `acme` of `data_dir`.
    pub(crate) acme: Acme,
}

/// A certificate that the server orders by ACME (RFC 8555) and renews by itself, instead of one in files.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Acme {
    /// The names the certificate is for, such as `flows.example.com`; without wildcards. Empty: none is
    /// ordered.
    pub(crate) domains: Vec<String>,
    /// Mail addresses the directory may write to. They are told once, with the account.
    pub(crate) contact: Vec<String>,
    /// The directory: where certificates are ordered.
    pub(crate) directory: String,
    /// Whether you agree to the directory's terms of service; nothing is ordered unless you do.
    pub(crate) agree_to_terms: bool,
    /// File with authorities (PEM) to trust besides the system's when the directory is called.
    pub(crate) ca: Option<PathBuf>,
}

impl Default for Acme {
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            contact: Vec::new(),
            directory: gateway::AcmeSettings::LETS_ENCRYPT.to_owned(),
            agree_to_terms: false,
            ca: None,
        }
    }
}

/// Names that fit into one certificate of the usual directories.
const DOMAINS_MAX: usize = 100;

impl Tls {
    /// Whether callers are served by TLS.
    pub(crate) fn is_on(&self) -> bool {
        self.certificate.is_some() || !self.acme.domains.is_empty()
    }

    /// Checks what a single setting cannot know.
    pub(super) fn check(&self, fault: &mut impl FnMut(&str, &str)) {
        let Acme { domains, contact, directory, agree_to_terms, ca: _ } = &self.acme;
        if self.certificate.is_some() != self.key.is_some() {
            fault("/gateway/tls", "needs both certificate and key");
        }
        if domains.is_empty() {
            return;
        }
        if self.certificate.is_some() || self.key.is_some() {
            let what = "cannot be given together with gateway.tls.certificate and key; choose one";
            fault("/gateway/tls/acme/domains", what);
        }
        if domains.len() > DOMAINS_MAX {
            let what = format!("has {} names, at most {DOMAINS_MAX} fit", domains.len());
            fault("/gateway/tls/acme/domains", &what);
        }
        for domain in domains.iter().filter(|domain| !is_domain(domain)) {
            let what = format!("\"{domain}\" is no name such as flows.example.com");
            fault("/gateway/tls/acme/domains", &what);
        }
        for address in contact.iter().filter(|address| !is_mail_address(address)) {
            let what = format!("\"{address}\" is no mail address such as ops@example.com");
            fault("/gateway/tls/acme/contact", &what);
        }
        if !directory.starts_with("https://") {
            fault("/gateway/tls/acme/directory", "must begin with https://");
        }
        if !agree_to_terms {
            let what = "must be true: read the directory's terms of service, then say so here";
            fault("/gateway/tls/acme/agree_to_terms", what);
        }
    }
}

/// A name that can be proven by a connection to it: no wildcard, no address, nothing around it.
fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        let fits = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label) && text.parse::<std::net::IpAddr>().is_err()
}

fn is_mail_address(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(user, host)| !user.is_empty() && !user.contains(':') && is_domain(host))
}
