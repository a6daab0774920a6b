//! Dedicated connections past any pooler, under one role for their whole life.

use std::ops::Deref;

use jiff::Timestamp;
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
}

impl Session {
    /// Sets role and settings on a fresh connection.
    pub(crate) async fn open(
        client: Client,
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
        Ok(Self { client, backend })
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
