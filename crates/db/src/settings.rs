//! What is needed to reach a database, with the budgets of its handles.

use std::time::Duration;

use kernel::Secret;

/// How to reach a database and how much of it to use.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `postgres://…` or `host=… user=…`; may lead through PgBouncer in transaction mode.
    pub url: Secret<String>,
    /// A second address for lanes, listener and owner that leads past any pooler; `None`: `url`.
    pub direct_url: Option<Secret<String>>,
    /// Connections the pool may open.
    pub pool_max: usize,
    /// How long a transaction waits for a free connection before the answer is "overloaded".
    pub acquire_timeout: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long one statement of a transaction may take on the server.
    pub statement_timeout: Duration,
    /// How long a transaction may stand open without a statement.
    pub idle_timeout: Duration,
    /// Shown in `pg_stat_activity`.
    pub application_name: String,
}

impl Settings {
    /// Defaults for a URL: 16 connections, 5 s to get one, 5 s to connect, 30 s a statement, 60 s idle.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: Secret::new(url.into()),
            direct_url: None,
            pool_max: 16,
            acquire_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            application_name: "flowforge".to_owned(),
        }
    }
}
