//! The configuration as the settings of each part.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kernel::{Problem, codes};

use crate::config::{self, Config, Reach};

/// The database's settings: what the private server says, or the configured URL.
pub(super) fn database(config: &Config, private: Option<db::Settings>) -> db::Settings {
    let database = &config.database;
    let mut settings = private.unwrap_or_else(|| {
        let url = database.url.as_ref().map(|url| url.expose().clone()).unwrap_or_default();
        let mut settings = db::Settings::new(url);
        settings.direct_url = database.direct_url.clone();
        settings
    });
    settings.pool_max = database.connections_max;
    settings.acquire_timeout = database.acquire_timeout.0;
    settings.connect_timeout = database.connect_timeout.0;
    settings.statement_timeout = database.statement_timeout.0;
    settings.idle_timeout = database.idle_timeout.0;
    settings
}

/// The engine's settings; 0 threads means one per core.
pub(super) fn engine(config: &config::Engine) -> engine::Settings {
    let default = engine::Settings::default();
    let threads = |configured: usize, default: usize| match configured {
        0 => default,
        count => count,
    };
    engine::Settings {
        workers: threads(config.workers, default.workers),
        runs_max: config.runs_max,
        memory_bytes_max: config.memory_bytes_max,
        run_bytes_max: config.run_bytes_max,
        step_bytes_max: config.step_bytes_max,
        activations_max: config.activations_max,
        call_depth_max: config.call_depth_max,
        items_per_output_max: config.items_per_output_max,
        node_timeout: config.node_timeout.0,
        run_timeout: config.run_timeout.0,
        visible_after: config.visible_after.0,
        park_after: config.park_after.0,
        effects_at_once: config.effects_at_once,
        calls_at_once: config.calls_at_once,
        calls_max: config.calls_max,
        slow_from_items: config.slow_from_items,
        slow_threads: threads(config.slow_threads, default.slow_threads),
    }
}

/// The flusher's settings.
pub(super) fn flusher(config: &config::Engine) -> engine::flusher::Settings {
    engine::flusher::Settings {
        records_max: config.flush_records_max,
        bytes_max: config.flush_bytes_max,
        queue_records_max: config.queue_records_max,
        queue_bytes_max: config.queue_bytes_max,
        patience: config.flush_patience.0,
    }
}

/// The limits of expressions.
pub(super) fn expressions(config: &config::Expression) -> expr::Limits {
    expr::Limits {
        inline: config.inline.0,
        deadline: config.deadline.0,
        memory_bytes: config.memory_bytes_max,
        runtimes_max: config.runtimes_max,
        functions_max: config.functions_max,
        ..expr::Limits::default()
    }
}

/// The code processes: this program, started with its hidden subcommand, unless `host` is another.
pub(super) fn code(
    config: &config::Code,
    host: Option<(PathBuf, Vec<String>)>,
) -> Result<sandbox::SandboxSettings, Problem> {
    let this = || -> Result<_, Problem> {
        let program = std::env::current_exe().map_err(|error| {
            tracing::error!(error.cause = %error, "this program does not know where it is");
            Problem::internal()
        })?;
        Ok((program, vec!["code-host".to_owned()]))
    };
    let (program, arguments) = host.map_or_else(this, Ok)?;
    let mut settings = sandbox::SandboxSettings::new(program, arguments);
    settings.children_max = config.processes_max;
    settings.runs_per_child = config.runs_per_process;
    settings.idle = config.idle.0;
    settings.memory_bytes = config.memory_bytes_max;
    settings.outcome_bytes_max = config.outcome_bytes_max;
    settings.grace = config.grace.0;
    Ok(settings)
}

/// The guard of outbound requests; reads the files of certificates.
pub(super) fn egress(config: &config::Egress) -> Result<egress::EgressSettings, Problem> {
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path).map_err(|error| {
            let detail = format!("egress.certificates: {}: {error}.", path.display());
            Problem::new(codes::CONFIG_INVALID, detail)
        })
    };
    Ok(egress::EgressSettings {
        reach: match config.reach {
            Reach::Public => egress::Reach::Public,
            Reach::AllowedOnly => egress::Reach::AllowedOnly,
        },
        allow: config.allow.clone(),
        deny: config.deny.clone(),
        response_bytes_max: config.response_bytes_max,
        header_bytes_max: config.header_bytes_max,
        redirects_max: config.redirects_max,
        connect_timeout: config.connect_timeout.0,
        timeout: config.timeout.0,
        certificates: config.certificates.iter().map(read).collect::<Result<_, _>>()?,
    })
}

/// The files workflows may touch.
pub(super) fn files(config: &config::Files) -> node::FileAccess {
    node::FileAccess {
        allow: config.allow.clone(),
        base: config.base.clone(),
        bytes_max: config.bytes_max,
    }
}

/// The listener's settings.
pub(super) fn gateway(config: &Config) -> gateway::Settings {
    let Config { server, function, gateway: door, .. } = config;
    gateway::Settings {
        public_url: server.public_url.clone(),
        api_body_bytes_max: server.body_bytes_max,
        bodies_bytes_max: server.bodies_bytes_max,
        header_bytes_max: server.header_bytes_max,
        header_timeout: server.header_timeout.0,
        body_timeout: server.body_timeout.0,
        connections_max: server.connections_max,
        streams_max: server.streams_max,
        proxies: door.proxies.iter().filter_map(|network| network.parse().ok()).collect(),
        calls: gateway::Calls {
            concurrent_max: function.max_concurrent,
            queue_max: function.queue_max,
            queue_timeout: function.queue_timeout.0,
            timeout: function.timeout.0,
        },
        cache: gateway::CacheSettings {
            ttl: function.cache_ttl.0,
            bytes_max: function.cache_bytes_max,
        },
        cors: gateway::Cors {
            origins: door.cors.origins.clone(),
            credentials: door.cors.credentials,
            max_age: door.cors.max_age.0,
        },
        tls: tls(&door.tls, &config.data_dir),
        drain_timeout: server.drain_timeout.0,
    }
}

/// Where the listener's certificate comes from; `None`: it speaks plain HTTP.
fn tls(config: &config::Tls, directory: &Path) -> Option<gateway::TlsSource> {
    let config::Tls { certificate, key, acme } = config;
    if let Some((certificate, key)) = certificate.clone().zip(key.clone()) {
        return Some(gateway::TlsSource::Files(gateway::TlsFiles { certificate, key }));
    }
    let settings = gateway::AcmeSettings {
        domains: acme.domains.iter().map(|domain| domain.to_ascii_lowercase()).collect(),
        contact: acme.contact.clone(),
        directory: acme.directory.clone(),
        ca: acme.ca.clone(),
        folder: directory.join(ACME_FOLDER),
    };
    (!acme.domains.is_empty()).then_some(gateway::TlsSource::Acme(settings))
}

/// Holds accounts at directories of certificates, and what they issued.
const ACME_FOLDER: &str = "acme";

/// The budgets of callers; 0 means none.
pub(super) fn rates(config: &config::Rates) -> rate::Settings {
    let budget = |per_minute: u32| {
        (per_minute > 0).then_some(rate::Budget { per_minute, burst: config.burst.0 })
    };
    rate::Settings {
        key: budget(config.key_per_minute),
        address: budget(config.address_per_minute),
        workspace: budget(config.workspace_per_minute),
    }
}

/// The hooks' settings; `address` is what is listened on.
pub(super) fn hooks(config: &config::Server, address: SocketAddr) -> trigger::HookSettings {
    let own = || format!("http://{address}");
    trigger::HookSettings {
        answer_within: config.answer_timeout.0,
        base_url: config.public_url.clone().unwrap_or_else(own),
        bodies: trigger::BodyLimits {
            whole_bytes_max: config.hook_body_bytes_max,
            upload_bytes_max: config.hook_upload_bytes_max,
        },
    }
}

/// The key of secrets: the configured one, else that of the data directory.
pub(super) fn sealing_key(
    config: &config::Secrets,
    directory: &Path,
) -> Result<vault::SealingKey, Problem> {
    match &config.key {
        Some(key) => vault::SealingKey::of_text(key),
        None => vault::SealingKey::in_file(&directory.join(SECRET_KEY_FILE)),
    }
}

/// Holds the key of secrets, unless it is configured.
const SECRET_KEY_FILE: &str = "secret-key";

/// How long blobs are kept after they were written; runs that are kept longer keep theirs longer.
pub(super) const BLOBS_KEPT: Duration = Duration::from_secs(366 * 86_400);
