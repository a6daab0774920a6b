//! Opening connections: reading the URL, refusing what is not supported, driving the socket.

use std::future::Future;
use std::str::FromStr;
use std::time::Duration;

use deadpool_postgres::{Connect, Manager, ManagerConfig, RecyclingMethod};
use futures::future::BoxFuture;
use kernel::{Problem, Secret, codes};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{CancelToken, Client, Config, Connection, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{Error, with_causes};
use crate::{Settings, tls};

/// The oldest PostgreSQL that works, as `server_version_num`.
pub(crate) const VERSION_MIN: i32 = 150_000;

/// After so long without a word from the server its machine is asked whether the connection is there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
/// How long after an unanswered question the next one is sent.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// So many unanswered questions end the connection: 25 s after its last word at the latest.
const KEEPALIVE_RETRIES: u32 = 3;
/// What was sent and not acknowledged for so long ends the connection. Without it the kernel sends
/// again for a quarter of an hour, and asks nothing meanwhile.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(20);
/// How much longer than the server's `statement_timeout` an answer is waited for: a server that lives
/// has ended the statement by then, so the way to it is gone, without a word.
pub(crate) const ANSWER_MARGIN: Duration = Duration::from_secs(5);

/// One address of a database and the way to it.
///
/// Connections live on the runtime the connector was made on, whichever runtime asks for them: a
/// pooled connection made for a short-lived or busy runtime would die or starve with it.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Config,
    /// How long a connection may take until the server has let us in.
    connect_timeout: Duration,
    /// `None`: the connection is not encrypted.
    tls: Option<MakeRustlsConnect>,
    /// `None`: made outside of any runtime; each connection lives where it was asked for.
    home: Option<Handle>,
}

impl Connector {
    /// Reads a URL. Errors never show it: it may hold a password.
    pub(crate) fn read(url: &Secret<String>, settings: &Settings) -> Result<Self, Problem> {
        let (plain, wish) = tls::split(url.expose());
        let mut config = Config::from_str(&plain).map_err(|error| {
            Problem::new(
                codes::CONFIG_INVALID,
                format!(
                    "The database URL cannot be read ({}); write it as \
                     postgres://user:password@host:5432/database.",
                    with_causes(&error)
                ),
            )
        })?;
        let tls = wish.connector()?;
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        config.connect_timeout(settings.connect_timeout);
        config.keepalives_idle(KEEPALIVE_IDLE);
        config.keepalives_interval(KEEPALIVE_INTERVAL);
        config.keepalives_retries(KEEPALIVE_RETRIES);
        config.tcp_user_timeout(UNACKNOWLEDGED_MAX);
        if config.get_application_name().is_none() {
            config.application_name(&settings.application_name);
        }
        let (connect_timeout, home) = (settings.connect_timeout, Handle::try_current().ok());
        Ok(Self { config, connect_timeout, tls, home })
    }

    /// Where it leads, such as `db:5432` or a socket's directory; never a user or a password.
    pub(crate) fn address(&self) -> String {
        let ports = self.config.get_ports();
        let places = self.config.get_hosts().iter().enumerate().map(|(index, host)| {
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5_432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                #[cfg(unix)]
                Host::Unix(path) => path.display().to_string(),
            }
        });
        places.collect::<Vec<_>>().join(", ")
    }

    /// The same address under another name in `pg_stat_activity`.
    pub(crate) fn named(&self, application_name: String) -> Self {
        let mut named = self.clone();
        named.config.application_name(application_name);
        named
    }

    /// The same address for connections that live where they are asked for.
    pub(crate) fn here(&self) -> Self {
        Self { home: None, ..self.clone() }
    }

    /// Connects, and drives the connection in a task until the client is dropped and everything it
    /// was sent is answered; aborting the task ends it at once.
    pub(crate) async fn connect(&self) -> Result<(Client, AbortHandle), Error> {
        let (client, driver) = self.open().await??;
        Ok((client, driver.abort_handle()))
    }

    /// How long a connection may take until the server has let us in.
    pub(crate) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// Connections for a pool.
    pub(crate) fn manager(&self) -> Manager {
        let how = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        Manager::from_connect(self.config.clone(), self.clone(), how)
    }

    /// An error of the outer kind: the server has not let us in within [`Self::connect_timeout`].
    async fn open(&self) -> Result<Opened, Error> {
        let limit = self.connect_timeout;
        if let Some(home) = &self.home {
            let connector = self.clone();
            let opening = home.spawn(async move { within(limit, connector.open_here()).await });
            // An error: the home runtime ended.
            if let Ok(opened) = opening.await {
                return opened;
            }
        }
        within(limit, self.open_here()).await
    }

    async fn open_here(&self) -> Opened {
        match &self.tls {
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                Ok((client, drive(connection)))
            }
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                Ok((client, drive(connection)))
            }
        }
    }

    /// Asks the server to stop what a connection is doing.
    pub(crate) async fn cancel(&self, token: CancelToken) -> Result<(), Error> {
        let sent = async {
            match &self.tls {
                None => token.cancel_query(NoTls).await,
                Some(tls) => token.cancel_query(tls.clone()).await,
            }
        };
        Ok(within(self.connect_timeout, sent).await??)
    }
}

/// A connection and the task that drives it.
type Opened = Result<(Client, JoinHandle<()>), tokio_postgres::Error>;

/// What is not there in time is [`Error::Unavailable`].
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, Error> {
    tokio::time::timeout(limit, work).await.map_err(|_| silent(limit))
}

/// How long the answer to a statement is waited for that the server ends after `timeout` (zero: never).
pub(crate) fn patience(timeout: Duration) -> Duration {
    if timeout.is_zero() { Duration::MAX } else { timeout.saturating_add(ANSWER_MARGIN) }
}

/// The database did not answer in time.
pub(crate) fn silent(limit: Duration) -> Error {
    Error::Unavailable(format!("no answer within {} ms", limit.as_millis()))
}

impl Connect for Connector {
    fn connect(
        &self,
        _config: &Config,
    ) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        Box::pin(async {
            match self.open().await {
                Ok(opened) => opened,
                // The pool's own limit for this is over, too.
                Err(_) => std::future::pending().await,
            }
        })
    }
}

/// Connects over a socket of this machine.
pub(crate) async fn connect(config: &Config) -> Result<Client, Error> {
    let (client, connection) = config.connect(NoTls).await?;
    drive(connection);
    Ok(client)
}

#[expect(clippy::disallowed_methods, reason = "the task ends with its client or its connection")]
fn drive<S, T>(connection: Connection<S, T>) -> JoinHandle<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error.cause = %with_causes(&error), "database connection ended");
        }
    })
}

/// Refuses a server older than [`VERSION_MIN`]. Takes `server_version_num`.
pub(crate) fn check_version(version_num: i32) -> Result<(), Problem> {
    if version_num >= VERSION_MIN {
        return Ok(());
    }
    let (major, minor) = match version_num {
        100_000.. => (version_num / 10_000, version_num % 10_000),
        _ => (version_num / 10_000, version_num / 100 % 100),
    };
    Err(Problem::new(
        codes::DATABASE_UNSUPPORTED,
        format!(
            "The database is PostgreSQL {major}.{minor}; FlowForge needs 15 or newer. Upgrade the \
             server, or give the URL of a newer one."
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_older_than_fifteen_is_refused_with_its_version() {
        let problem = check_version(140_011).unwrap_err();
        assert_eq!(problem.code, codes::DATABASE_UNSUPPORTED);
        assert!(problem.detail.contains("PostgreSQL 14.11"), "{}", problem.detail);
        assert!(check_version(90_624).unwrap_err().detail.contains("PostgreSQL 9.6"));
        assert!(check_version(150_000).is_ok());
        assert!(check_version(180_004).is_ok());
    }

    #[test]
    fn a_url_that_cannot_be_read_is_not_repeated_in_the_error() {
        let settings = Settings::new("postgres://ada:hunter2@[broken");
        let Err(problem) = Connector::read(&settings.url, &settings) else { panic!("it was read") };
        assert_eq!(problem.code, codes::CONFIG_INVALID);
        assert!(!problem.detail.contains("hunter2"), "{}", problem.detail);
    }
}
