//! Every setting, with its unit, default and meaning: the manual is made from here.
//!
//! Sizes are bytes, durations are texts such as `250ms 30s 5m 2h 7d`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use kernel::Secret;
use kernel::duration::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// The configuration of one FlowForge process.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Folder for the private PostgreSQL, the lock and the owner's first API key.
    pub(crate) data_dir: PathBuf,
    /// The HTTP listener.
    pub(crate) server: Server,
    /// PostgreSQL. Without a URL a private one is kept in `data_dir`.
    pub(crate) database: Database,
    /// Requests that workflows send to other servers.
    pub(crate) egress: Egress,
    /// Files that workflows may read and write.
    pub(crate) files: Files,
    /// What the process says on standard error.
    pub(crate) log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from(".flowforge"),
            server: Server::default(),
            database: Database::default(),
            egress: Egress::default(),
            files: Files::default(),
            log: Log::default(),
        }
    }
}

/// The HTTP listener.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    /// Address and port; port 0 takes any free one.
    pub(crate) listen: SocketAddr,
    /// How the outside reaches this server, such as `https://flows.example.com`; shown to workflows
    /// as the address of their webhooks. Without it: `http://` and the address listened on.
    pub(crate) public_url: Option<String>,
    /// Bytes of a request's body, webhooks included.
    pub(crate) body_bytes_max: u64,
    /// How long a request may take to arrive.
    #[schemars(with = "String")]
    pub(crate) request_timeout: Span,
    /// How long a caller of a webhook or of a synchronous start waits for the workflow's answer.
    #[schemars(with = "String")]
    pub(crate) answer_timeout: Span,
    /// How long a shutdown waits for replies in flight.
    #[schemars(with = "String")]
    pub(crate) drain_timeout: Span,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            body_bytes_max: kernel::limits::BODY_BYTES_MAX as u64,
            request_timeout: seconds(30),
            answer_timeout: seconds(120),
            drain_timeout: seconds(25),
        }
    }
}

/// PostgreSQL. Without a URL a private one is kept in `data_dir`.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Database {
    /// `postgres://user:password@host/database` of PostgreSQL 15 or newer; also `DATABASE_URL`. May
    /// lead through PgBouncer in transaction mode.
    #[schemars(with = "Option<String>")]
    #[serde(serialize_with = "without_password")]
    pub(crate) url: Option<Secret>,
    /// A URL that leads past any pooler, for the engine's own connections; also
    /// `FLOWFORGE_DIRECT_URL`. Without it: `url`.
    #[schemars(with = "Option<String>")]
    #[serde(serialize_with = "without_password")]
    pub(crate) direct_url: Option<Secret>,
    /// Connections for transactions; the engine's own lanes come on top.
    pub(crate) connections_max: usize,
    /// How long a transaction waits for a free connection before the answer is `server.overloaded`.
    #[schemars(with = "String")]
    pub(crate) acquire_timeout: Span,
    /// How long connecting may take.
    #[schemars(with = "String")]
    pub(crate) connect_timeout: Span,
    /// How long one statement of a transaction may take.
    #[schemars(with = "String")]
    pub(crate) statement_timeout: Span,
    /// How long a transaction may stand open without a statement.
    #[schemars(with = "String")]
    pub(crate) idle_timeout: Span,
    /// Folder of the programs `postgres` and `initdb` for the private server; also
    /// `FLOWFORGE_PG_BIN`. Without it they are looked for in the usual places.
    pub(crate) programs: Option<PathBuf>,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: None,
            direct_url: None,
            connections_max: 16,
            acquire_timeout: seconds(5),
            connect_timeout: seconds(5),
            statement_timeout: seconds(30),
            idle_timeout: seconds(60),
            programs: None,
        }
    }
}

/// What may be reached unless a rule says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reach {
    /// Every public address.
    Public,
    /// Nothing but what `allow` names.
    AllowedOnly,
}

/// Requests that workflows send to other servers.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Egress {
    /// What may be reached without being named in `allow`.
    pub(crate) reach: Reach,
    /// Targets that may be reached although they are private: `host`, `host:port`, `*.suffix`, an
    /// address, or a network such as `10.1.0.0/16`.
    pub(crate) allow: Vec<String>,
    /// Targets that may never be reached, in the same notation; wins over `allow`.
    pub(crate) deny: Vec<String>,
    /// Bytes of a response's body after decompression.
    pub(crate) response_bytes_max: u64,
    /// Bytes of a response's headers together.
    pub(crate) header_bytes_max: usize,
    /// Redirects followed for one request.
    pub(crate) redirects_max: usize,
    /// How long connecting (name, TCP, TLS) may take.
    #[schemars(with = "String")]
    pub(crate) connect_timeout: Span,
    /// How long a request may take, redirects and body included, unless its node says less.
    #[schemars(with = "String")]
    pub(crate) timeout: Span,
    /// Files with certificates (PEM) of authorities trusted besides the system's.
    pub(crate) certificates: Vec<PathBuf>,
}

impl Default for Egress {
    fn default() -> Self {
        Self {
            reach: Reach::Public,
            allow: Vec::new(),
            deny: Vec::new(),
            response_bytes_max: 64 * MIB,
            header_bytes_max: (64 * KIB) as usize,
            redirects_max: 10,
            connect_timeout: seconds(10),
            timeout: seconds(300),
            certificates: Vec::new(),
        }
    }
}

/// Files that workflows may read and write.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Files {
    /// Absolute folders that may be read and written, with everything in them. Empty: none.
    pub(crate) allow: Vec<PathBuf>,
    /// Folder in which relative paths start. Without it relative paths are refused.
    pub(crate) base: Option<PathBuf>,
    /// Bytes of a file that is read.
    pub(crate) bytes_max: u64,
}

impl Default for Files {
    fn default() -> Self {
        Self { allow: Vec::new(), base: None, bytes_max: 256 * MIB }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// What the process says on standard error.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// How lines are written.
    pub(crate) format: LogFormat,
    /// Which lines: `error`, `warn`, `info`, `debug`, `trace`, or per part such as
    /// `info,engine=debug`.
    pub(crate) filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Auto, filter: "info".to_owned() }
    }
}

fn seconds(count: u64) -> Span {
    Span(Duration::from_secs(count))
}

/// A database URL as it may be shown: with everything but the password.
pub(crate) fn shown_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "•••".to_owned();
    };
    let (authority, tail) = match rest.find(['/', '?']) {
        Some(end) => rest.split_at(end),
        None => (rest, ""),
    };
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:•••@{host}"),
            None => format!("{user}@{host}"),
        },
        None => authority.to_owned(),
    };
    // The query may carry a password, too.
    let path = tail.split('?').next().unwrap_or_default();
    let query = if tail.contains('?') { "?•••" } else { "" };
    format!("{scheme}://{authority}{path}{query}")
}

fn without_password<S: Serializer>(url: &Option<Secret>, to: S) -> Result<S::Ok, S::Error> {
    url.as_ref().map(|url| shown_url(url.expose())).serialize(to)
}
