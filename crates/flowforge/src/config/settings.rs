//! Every setting, with its unit, default and meaning: the manual is made from here.
//!
//! Sizes are bytes, durations are texts such as `250ms 30s 5m 2h 7d`.

use std::net::SocketAddr;
use std::path::PathBuf;

use kernel::Secret;
use kernel::duration::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::gateway::{Function, Gateway};

const MIB: u64 = 1024 * 1024;

/// The configuration of one FlowForge process.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder for the private PostgreSQL, the lock and the owner's first API key.
    pub(crate) data_dir: PathBuf,
    /// The HTTP listener.
    pub(crate) server: Server,
    /// Functions: everything the API can do.
    pub(crate) function: Function,
    /// Who may call, from where, how often.
    pub(crate) gateway: Gateway,
    /// PostgreSQL. Without a URL a private one is kept in `data_dir`.
    pub(crate) database: Database,
    /// The engine: how much runs at once, and how far a run may go.
    pub(crate) engine: Engine,
    /// Background jobs.
    pub(crate) worker: Worker,
    /// Expressions in the parameters of nodes.
    pub(crate) expression: Expression,
    /// The processes in which code nodes run.
    pub(crate) code: Code,
    /// Requests that workflows send to other servers.
    pub(crate) egress: Egress,
    /// Files that workflows may read and write.
    pub(crate) files: Files,
    /// Secrets that workflows name, such as keys of signatures.
    pub(crate) secrets: Secrets,
    /// What the process says on standard error.
    pub(crate) log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from(".flowforge"),
            server: Server::default(),
            function: Function::default(),
            gateway: Gateway::default(),
            database: Database::default(),
            engine: Engine::default(),
            worker: Worker::default(),
            expression: Expression::default(),
            code: Code::default(),
            egress: Egress::default(),
            files: Files::default(),
            secrets: Secrets::default(),
            log: Log::default(),
        }
    }
}

/// The HTTP listener.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    /// Address and port; port 0 takes any free one.
    #[serde(deserialize_with = "address")]
    pub(crate) listen: SocketAddr,
    /// How the outside reaches this server, such as `https://flows.example.com`; shown to workflows
    /// as the address of their webhooks. Without it: `http://` and the caller's `host`.
    pub(crate) public_url: Option<String>,
    /// Bytes of a body sent to the API.
    pub(crate) body_bytes_max: usize,
    /// Bytes of a body sent to a webhook, as far as it is held in memory: JSON, forms, text, and
    /// everything that is signed.
    pub(crate) hook_body_bytes_max: usize,
    /// Bytes of a body with files sent to a webhook; they are stored while they come in.
    pub(crate) hook_upload_bytes_max: u64,
    /// Bytes that the bodies of all requests under way may take in memory together, unpacked and
    /// parsed; requests beyond are refused with `server.overloaded`.
    pub(crate) bodies_bytes_max: usize,
    /// Bytes of a request's headers together; more are refused, as are more than 100.
    pub(crate) header_bytes_max: usize,
    /// How long the headers of a request may take to arrive, and how long an idle connection stays.
    #[schemars(with = "String")]
    pub(crate) header_timeout: Span,
    /// How long the body of a request may take to arrive, and how long a caller may read nothing of
    /// its answer.
    #[schemars(with = "String")]
    pub(crate) body_timeout: Span,
    /// How long the caller of a webhook waits for the workflow's answer; the run goes on.
    #[schemars(with = "String")]
    pub(crate) answer_timeout: Span,
    /// Connections open at once; more wait to be accepted.
    pub(crate) connections_max: usize,
    /// Requests at once on one HTTP/2 connection.
    pub(crate) streams_max: u32,
    /// How long a shutdown waits for responses under way, and then for effects that are being sent.
    #[schemars(with = "String")]
    pub(crate) drain_timeout: Span,
}

impl Default for Server {
    fn default() -> Self {
        let settings = gateway::Settings::default();
        let hooks = trigger::HookSettings::default();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            body_bytes_max: settings.api_body_bytes_max,
            hook_body_bytes_max: hooks.bodies.whole_bytes_max,
            hook_upload_bytes_max: hooks.bodies.upload_bytes_max,
            bodies_bytes_max: settings.bodies_bytes_max,
            header_bytes_max: settings.header_bytes_max,
            header_timeout: Span(settings.header_timeout),
            body_timeout: Span(settings.body_timeout),
            answer_timeout: Span(hooks.answer_within),
            connections_max: settings.connections_max,
            streams_max: settings.streams_max,
            drain_timeout: Span(settings.drain_timeout),
        }
    }
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(from)?;
    let numeric = text.replacen("localhost:", "127.0.0.1:", 1);
    numeric.parse().map_err(|_| {
        let what = "write an IP address and a port, such as 127.0.0.1:8080 or 0.0.0.0:8080";
        serde::de::Error::custom(what)
    })
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
    /// How long one statement of a transaction may take. When the server has not answered 5 s after
    /// that, the connection is given up as lost.
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
        let settings = db::Settings::new("");
        Self {
            url: None,
            direct_url: None,
            connections_max: settings.pool_max,
            acquire_timeout: Span(settings.acquire_timeout),
            connect_timeout: Span(settings.connect_timeout),
            statement_timeout: Span(settings.statement_timeout),
            idle_timeout: Span(settings.idle_timeout),
            programs: None,
        }
    }
}

/// Background jobs.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Worker {
    /// Jobs that run at once; 0: this process runs none.
    pub(crate) max_concurrent_jobs: usize,
}

impl Default for Worker {
    fn default() -> Self {
        Self { max_concurrent_jobs: 16 }
    }
}

/// The engine: how much runs at once, and how far a run may go.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Engine {
    /// Threads that own runs; 0: one per core, at most 8.
    pub(crate) workers: usize,
    /// Runs in memory at once; more are refused with `server.overloaded`.
    pub(crate) runs_max: usize,
    /// Bytes of JSON that all runs in memory may hold; with more, new ones are refused with
    /// `server.overloaded`. The memory it takes is several times that.
    pub(crate) memory_bytes_max: usize,
    /// Bytes of JSON that one run may hold, all its steps together.
    pub(crate) run_bytes_max: usize,
    /// Bytes of JSON that one execution of a node may put out anew. Items that it passes on and files
    /// do not count.
    pub(crate) step_bytes_max: usize,
    /// Activations of one run.
    pub(crate) activations_max: u64,
    /// Depth of workflows calling workflows.
    pub(crate) call_depth_max: u32,
    /// Items on one output of one activation.
    pub(crate) items_per_output_max: usize,
    /// Time one attempt of a node may take, unless its document says otherwise.
    #[schemars(with = "String")]
    pub(crate) node_timeout: Span,
    /// Time a run may take, unless its document says otherwise.
    #[schemars(with = "String")]
    pub(crate) run_timeout: Span,
    /// A run that is not finished after this long is written, so that it can be seen and cancelled.
    #[schemars(with = "String")]
    pub(crate) visible_after: Span,
    /// A run that only waits for a time, and at least so long, leaves the memory until then.
    #[schemars(with = "String")]
    pub(crate) park_after: Span,
    /// Effects of one activation that are under way at once.
    pub(crate) effects_at_once: usize,
    /// Called runs of one activation that are under way at once; those that only wait for a time or a
    /// person do not count.
    pub(crate) calls_at_once: usize,
    /// Called runs of this member that are under way at once; those that only wait do not count.
    pub(crate) calls_max: usize,
    /// Work without effects on more items than this leaves the thread that owns the run.
    pub(crate) slow_from_items: usize,
    /// Threads for work on many items; 0: one per core.
    pub(crate) slow_threads: usize,
    /// Operations in one flush. Beyond 100 the cost of each hardly falls and latency grows.
    pub(crate) flush_records_max: usize,
    /// Bytes in one flush, unless a single operation is larger.
    pub(crate) flush_bytes_max: usize,
    /// With so many operations waiting for a flush no new runs are let in.
    pub(crate) queue_records_max: usize,
    /// With so many bytes waiting for a flush no new runs are let in.
    pub(crate) queue_bytes_max: usize,
    /// How long a flush may go unanswered before its connection is taken for dead.
    #[schemars(with = "String")]
    pub(crate) flush_patience: Span,
}

impl Default for Engine {
    fn default() -> Self {
        let engine = engine::Settings::default();
        let flusher = engine::flusher::Settings::default();
        Self {
            workers: 0,
            runs_max: engine.runs_max,
            memory_bytes_max: engine.memory_bytes_max,
            run_bytes_max: engine.run_bytes_max,
            step_bytes_max: engine.step_bytes_max,
            activations_max: engine.activations_max,
            call_depth_max: engine.call_depth_max,
            items_per_output_max: engine.items_per_output_max,
            node_timeout: Span(engine.node_timeout),
            run_timeout: Span(engine.run_timeout),
            visible_after: Span(engine.visible_after),
            park_after: Span(engine.park_after),
            effects_at_once: engine.effects_at_once,
            calls_at_once: engine.calls_at_once,
            calls_max: engine.calls_max,
            slow_from_items: engine.slow_from_items,
            slow_threads: 0,
            flush_records_max: flusher.records_max,
            flush_bytes_max: flusher.bytes_max,
            queue_records_max: flusher.queue_records_max,
            queue_bytes_max: flusher.queue_bytes_max,
            flush_patience: Span(flusher.patience),
        }
    }
}

/// Expressions in the parameters of nodes.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Expression {
    /// How long an expression may take before it is begun again where it disturbs nobody.
    #[schemars(with = "String")]
    pub(crate) inline: Span,
    /// How long it may take there.
    #[schemars(with = "String")]
    pub(crate) deadline: Span,
    /// Bytes that the expressions of one thread and workspace may hold; at least 8 MiB.
    pub(crate) memory_bytes_max: usize,
    /// Workspaces whose scripts a thread keeps compiled; the one used longest ago goes.
    pub(crate) runtimes_max: usize,
    /// Compiled expressions that a thread keeps for each of them.
    pub(crate) functions_max: usize,
}

impl Default for Expression {
    fn default() -> Self {
        let limits = expr::Limits::default();
        Self {
            inline: Span(limits.inline),
            deadline: Span(limits.deadline),
            memory_bytes_max: limits.memory_bytes,
            runtimes_max: limits.runtimes_max,
            functions_max: limits.functions_max,
        }
    }
}

/// The processes in which code nodes run.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Code {
    /// Processes, busy and idle ones together; further scripts wait.
    pub(crate) processes_max: usize,
    /// Scripts after which a process is replaced.
    pub(crate) runs_per_process: u32,
    /// How long a process without work is kept.
    #[schemars(with = "String")]
    pub(crate) idle: Span,
    /// Bytes that a script may use.
    pub(crate) memory_bytes_max: u64,
    /// Bytes of what a script returns and prints.
    pub(crate) outcome_bytes_max: u64,
    /// How long a process may go on after its deadline before it is killed.
    #[schemars(with = "String")]
    pub(crate) grace: Span,
}

impl Default for Code {
    fn default() -> Self {
        let sandbox = sandbox::SandboxSettings::new(PathBuf::new(), Vec::new());
        Self {
            processes_max: sandbox.children_max,
            runs_per_process: sandbox.runs_per_child,
            idle: Span(sandbox.idle),
            memory_bytes_max: sandbox.memory_bytes,
            outcome_bytes_max: sandbox.outcome_bytes_max,
            grace: Span(sandbox.grace),
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
        let settings = egress::EgressSettings::default();
        Self {
            reach: Reach::Public,
            allow: Vec::new(),
            deny: Vec::new(),
            response_bytes_max: settings.response_bytes_max,
            header_bytes_max: settings.header_bytes_max,
            redirects_max: settings.redirects_max,
            connect_timeout: Span(settings.connect_timeout),
            timeout: Span(settings.timeout),
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

/// Secrets that workflows name, such as keys of signatures.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Secrets {
    /// The key they are sealed with: 32 random bytes as 64 hexadecimal digits or base64; also
    /// `FLOWFORGE_SECRET_KEY`. Every member of a cluster needs the same. Without it one is made in the
    /// file `secret-key` of `data_dir`: keep a copy, nothing opens the secrets without it.
    #[schemars(with = "Option<String>")]
    #[serde(serialize_with = "hidden")]
    pub(crate) key: Option<Secret>,
}

fn hidden<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| "•••").serialize(serializer)
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
