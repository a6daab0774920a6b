//! Dedicated connections past any pooler, under one role for their whole life.

use std::ops::Deref;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::AbortHandle;
use tokio_postgres::Client;

use crate::error::Error;

/// How an engine lane's session is set.
#[derive(Debug, Clone, Default)]
pub struct LaneSettings {
    /// Shown in `pg_stat_activity` behind the program's name, such as `strict`.
    pub name: String,
    /// `SET name = 'value'` at connect, in order, such as `("synchronous_commit", "off")`.
    pub settings: Vec<(&'static str, String)>,
}

impl LaneSettings {
    /// Its `statement_timeout`; zero: none. A unit it does not know counts as none.
    pub(crate) fn statement_timeout(&self) -> Duration {
        let set = self.settings.iter().rev().find(|(name, _)| *name == "statement_timeout");
        let Some((_, value)) = set else { return Duration::ZERO };
        let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let count: u64 = digits.trim().parse().unwrap_or_default();
        match &value[digits.len()..] {
            "" | "ms" => Duration::from_millis(count),
            "s" => Duration::from_secs(count),
            "min" => Duration::from_secs(count.saturating_mul(60)),
            _ => Duration::ZERO,
        }
    }
}

/// One server process, named so that a reused pid is not mistaken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backend {
    /// Process id on the server.
    pub pid: i32,
    /// When that process began.
    pub started_at: Timestamp,
}

/// A connection of its own under a fixed role. Dereferences to the driver's client; prepared
/// statements and session state are allowed here. It does not reconnect: when [`Client::is_closed`]
/// says so, open another one.
#[derive(Debug)]
pub struct Session {
    client: Client,
    backend: Backend,
    driver: AbortHandle,
}

impl Session {
    /// Sets role and settings on a fresh connection.
    pub(crate) async fn open(
        (client, driver): (Client, AbortHandle),
        role: &str,
        settings: &[(&'static str, String)],
    ) -> Result<Self, Error> {
        // Before the role is set: the others may not see when the login's backends began.
        let row = client
            .query_typed_one(
                "SELECT pid, backend_start FROM pg_stat_get_activity(pg_backend_pid())",
                &[],
            )
            .await?;
        let backend = Backend { pid: row.try_get(0)?, started_at: row.try_get(1)? };
        let mut text = format!("SET ROLE {role}");
        for (name, value) in settings {
            text.push_str(&format!("; SET {name} = '{}'", value.replace('\'', "''")));
        }
        client.batch_execute(&text).await?;
        Ok(Self { client, backend, driver })
    }

    /// Closes the connection now, whatever is under way on it. Its statements fail.
    pub(crate) fn abandon(&self) {
        self.driver.abort();
    }

    /// The server process behind this connection, for terminating it from elsewhere.
    pub fn backend(&self) -> Backend {
        self.backend
    }
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_knows_how_long_its_statements_may_take() {
        let timeout = |value: &str| {
            let settings = vec![("jit", "off".to_owned()), ("statement_timeout", value.to_owned())];
            LaneSettings { name: String::new(), settings }.statement_timeout()
        };
        assert_eq!(timeout("30s"), Duration::from_secs(30));
        assert_eq!(timeout("250"), Duration::from_millis(250));
        assert_eq!(timeout("250ms"), Duration::from_millis(250));
        assert_eq!(timeout("2min"), Duration::from_secs(120));
        assert_eq!(timeout("0"), Duration::ZERO);
        assert_eq!(LaneSettings::default().statement_timeout(), Duration::ZERO);
    }
}
