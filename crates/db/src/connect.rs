//! Opening connections: reading the URL, refusing what is not supported, driving the socket.

use std::str::FromStr;

use kernel::{Problem, Secret, codes};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};

use crate::Settings;
use crate::error::{Error, with_causes};

/// The oldest PostgreSQL that works, as `server_version_num`.
pub(crate) const VERSION_MIN: i32 = 150_000;

/// Reads a URL. Errors never show it: it may hold a password.
pub(crate) fn config(url: &Secret<String>, settings: &Settings) -> Result<Config, Problem> {
    let mut config = Config::from_str(url.expose()).map_err(|error| {
        Problem::new(
            codes::CONFIG_INVALID,
            format!(
                "The database URL cannot be read ({}); write it as \
                 postgres://user:password@host:5432/database.",
                with_causes(&error)
            ),
        )
    })?;
    if config.get_ssl_mode() == SslMode::Require {
        return Err(Problem::new(
            codes::CONFIG_INVALID,
            "The database URL asks for TLS (sslmode=require), which is not available for the \
             database connection; connect over a unix socket, a private network or a local TLS \
             tunnel, and remove sslmode.",
        ));
    }
    config.ssl_mode(SslMode::Disable);
    config.connect_timeout(settings.connect_timeout);
    config.keepalives_idle(std::time::Duration::from_secs(30));
    if config.get_application_name().is_none() {
        config.application_name(&settings.application_name);
    }
    Ok(config)
}

/// Connects, and drives the connection in a task until the client is dropped.
#[expect(clippy::disallowed_methods, reason = "the task ends with its client or its connection")]
pub(crate) async fn connect(config: &Config) -> Result<Client, Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error.cause = %with_causes(&error), "database connection ended");
        }
    });
    Ok(client)
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
        let problem = config(&settings.url, &settings).unwrap_err();
        assert_eq!(problem.code, codes::CONFIG_INVALID);
        assert!(!problem.detail.contains("hunter2"), "{}", problem.detail);
    }
}
