//! `flowforge up` and `serve`: start everything, say where it is, and stop it when asked.

use db::private::Lock;
use kernel::{Problem, codes};
use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;
use crate::config::Config;
use crate::keys::Shown;
use crate::system::{Store, System, Use, bring_up};
use crate::terminal;

/// Starts, serves until SIGTERM or SIGINT, and stops. A second signal ends it at once.
///
/// # Errors
/// Whatever keeps the start from succeeding; nothing is left running then.
pub(crate) async fn up(config: &Config, uses: Use) -> Result<(), Problem> {
    let mut asked = Asked::listen()?;
    let system = tokio::select! {
        started = System::start(config, uses) => started?,
        () = asked.signalled() => return Ok(()),
    };
    let secured = config.gateway.tls.is_on();
    announce(&system, if secured { "https" } else { "http" });
    tokio::select! {
        () = asked.signalled() => tracing::info!("stopping"),
        () = system.database_ended() => {
            system.stop().await;
            let detail = "The private PostgreSQL ended by itself; its log is in the data directory.";
            return Err(Problem::new(codes::DATABASE_UNAVAILABLE, detail));
        }
    }
    tokio::select! {
        () = system.stop() => {}
        () = asked.signalled() => tracing::warn!("asked twice: ending at once"),
    }
    Ok(())
}

/// Brings the database to this program's schema and stops.
///
/// # Errors
/// Those of the database and of the migrations.
pub(crate) async fn migrate(config: &Config, app: &App) -> Result<(), Problem> {
    let lock = Lock::acquire(&config.data_dir)?;
    let store = Store::open(config, lock, true).await?;
    let report = bring_up(&store.database, app).await;
    store.close().await;
    let applied = report?.applied.len();
    match applied {
        0 => terminal::say("The schema is up to date."),
        count => terminal::say(format_args!("{count} migrations applied.")),
    }
    Ok(())
}

/// The signals that ask a process to stop.
struct Asked {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Asked {
    fn listen() -> Result<Self, Problem> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                tracing::error!(error.cause = %error, "signals cannot be listened for");
                Problem::internal()
            })
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn signalled(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Says where everything is. The first line is what scripts wait for.
fn announce(system: &System, scheme: &str) {
    let (version, address) = (env!("CARGO_PKG_VERSION"), system.address());
    let mut text = format!("FlowForge {version} listens on {scheme}://{address}\n");
    if let Some(psql) = system.psql() {
        text.push_str(&format!("  look into the database   {psql}\n"));
    }
    match system.first_key() {
        Shown::Nothing => {}
        Shown::Key(key) => text.push_str(&format!(
            "  the owner's API key      {}\n  It is shown this once: keep it.\n",
            key.expose()
        )),
        Shown::File(path) => {
            text.push_str(&format!("  the owner's API key      in {}\n", path.display()));
        }
    }
    terminal::put(&text);
}
