//! The handle everybody holds: transactions from the pool, sessions past it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Object, Pool, Runtime};
use kernel::Problem;
use tokio_postgres::types::{ToSql, Type};

use crate::connect::{self, ANSWER_MARGIN, Connector, check_version, within};
use crate::error::Error;
use crate::tx::{Mode, Tx, begin_text};
use crate::{Backend, Identity, LaneSettings, Session, Settings, roles};

/// How often a transaction that met another one is run in all.
const ATTEMPTS_MAX: u32 = 5;

/// A database. Cloning is cheap and shares the pool.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Pool,
    pooled: Arc<Connector>,
    direct: Connector,
    settings: Settings,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

impl Database {
    /// Connects, refuses a server older than 15, and makes the three roles where they are missing.
    /// The schema is not touched: see [`crate::migrate`].
    ///
    /// # Errors
    /// `config.invalid` (the URL), `database.unavailable`, `database.unsupported`,
    /// `database.permission` (the login is refused, or the roles are missing and may not be made).
    pub async fn connect(settings: Settings) -> Result<Self, Problem> {
        let database = Self::lazy(settings)?;
        let (client, _driver) = database
            .inner
            .direct
            .connect()
            .await
            .map_err(|error| first_contact(error, &database.inner.direct.address()))?;
        let version = client
            .query_typed_one("SELECT current_setting('server_version_num')::int4", &[])
            .await
            .and_then(|row| row.try_get::<_, i32>(0))
            .map_err(Error::from)?;
        check_version(version)?;
        roles::ensure(&client).await?;
        Ok(database)
    }

    /// A handle that connects when it is first used and checks nothing.
    pub fn lazy(settings: Settings) -> Result<Self, Problem> {
        let pooled = Connector::read(&settings.url, &settings)?;
        let direct = match &settings.direct_url {
            Some(url) => Connector::read(url, &settings)?,
            None => pooled.clone(),
        };
        let pool = Pool::builder(pooled.manager())
            .max_size(settings.pool_max.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(settings.acquire_timeout))
            .create_timeout(Some(settings.connect_timeout))
            .build()
            .map_err(|error| {
                tracing::error!(error.cause = %error, "the pool cannot be built");
                Problem::internal()
            })?;
        let pooled = Arc::new(pooled);
        Ok(Self { inner: Arc::new(Inner { pool, pooled, direct, settings }) })
    }

    /// A READ ONLY transaction with one snapshot for all its statements.
    pub async fn read(&self, identity: Identity) -> Result<Tx, Error> {
        self.begin(Mode::Read, Some(identity)).await
    }

    /// A REPEATABLE READ transaction. Prefer [`Database::transact`], which runs it again when it met
    /// another one.
    pub async fn write(&self, identity: Identity) -> Result<Tx, Error> {
        self.begin(Mode::Write, Some(identity)).await
    }

    /// For look-ups before the workspace is known: READ ONLY, role `forge_app`, no workspace, so that
    /// only SECURITY DEFINER functions find rows.
    pub async fn lookup(&self) -> Result<Tx, Error> {
        self.begin(Mode::Read, None).await
    }

    async fn begin(&self, mode: Mode, identity: Option<Identity>) -> Result<Tx, Error> {
        let connection = self.inner.pool.get().await.map_err(pool_error)?;
        let begin = begin_text(mode, identity, &self.inner.settings);
        let patience = connect::patience(self.inner.settings.statement_timeout);
        Ok(Tx::new(connection, Arc::clone(&self.inner.pooled), begin, patience))
    }

    /// Runs a write transaction, again from its start when it met another one (40001, 40P01), five
    /// times in all. The body commits itself, as its last step:
    ///
    /// ```ignore
    /// database.transact(identity, |mut tx| async move {
    ///     tx.execute(&store::ADD, &[&name]).await?;
    ///     tx.commit().await?;
    ///     Ok(())
    /// }).await
    /// ```
    /// A body that answers `Ok` without having committed what it began is a defect and fails.
    pub async fn transact<T, E, Body, Run>(
        &self,
        identity: Identity,
        mut body: Body,
    ) -> Result<T, E>
    where
        E: From<Error>,
        Body: FnMut(Tx) -> Run,
        Run: Future<Output = Result<T, E>>,
    {
        let mut attempt = 1;
        loop {
            let tx = self.write(identity).await?;
            let outcome = tx.outcome();
            match body(tx).await {
                Ok(_) if outcome.was_abandoned() => {
                    return Err(Error::Internal("a transaction was not committed".into()).into());
                }
                Err(_) if outcome.met_another() && attempt < ATTEMPTS_MAX => attempt += 1,
                result => return result,
            }
        }
    }

    /// A dedicated connection as `forge_engine`, past any pooler. It lives on the runtime that asks: the
    /// engine's threads shall depend on nobody else's.
    pub async fn engine_lane(&self, lane: &LaneSettings) -> Result<Session, Error> {
        let direct = self.inner.direct.here();
        self.session(&direct, "forge_engine", &lane.name, &lane.settings).await
    }

    /// A dedicated connection as `forge_owner`, for migrations and partitions.
    pub async fn owner(&self) -> Result<Session, Error> {
        // That a thing is there already is no news to whoever makes it if it is not.
        let quiet = [("client_min_messages", "warning".to_owned())];
        self.session(&self.inner.direct, "forge_owner", "owner", &quiet).await
    }

    async fn session(
        &self,
        direct: &Connector,
        role: &str,
        name: &str,
        settings: &[(&'static str, String)],
    ) -> Result<Session, Error> {
        let connection = match name {
            "" => direct.connect().await?,
            name => {
                let whole = format!("{} {name}", self.inner.settings.application_name);
                direct.named(whole).connect().await?
            }
        };
        let driver = connection.1.clone();
        let opening = Session::open(connection, role, settings);
        within(direct.connect_timeout(), opening).await.inspect_err(|_| driver.abort())?
    }

    /// Ends another connection of ours and waits until its server process is gone, at most `within`.
    /// True when it is gone (or was before).
    pub async fn terminate(&self, backend: Backend, within: Duration) -> Result<bool, Error> {
        let (client, driver) = self.inner.direct.here().connect().await?;
        let within_ms = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
        let parameters: [(&(dyn ToSql + Sync), Type); 3] = [
            (&backend.pid, Type::INT4),
            (&backend.started_at, Type::TIMESTAMPTZ),
            (&within_ms, Type::INT8),
        ];
        let ended = client.query_typed(
            "SELECT pg_terminate_backend(pid, $3) FROM pg_stat_get_activity($1) \
             WHERE backend_start = $2",
            &parameters,
        );
        let limit = within.saturating_add(ANSWER_MARGIN);
        let ended = connect::within(limit, ended).await.inspect_err(|_| driver.abort());
        let rows = ended??;
        rows.first().map_or(Ok(true), |row| row.try_get(0).map_err(Error::from))
    }

    /// Whether the database answers now: one trivial statement through the pool.
    pub async fn ping(&self) -> Result<(), Error> {
        let connection = self.inner.pool.get().await.map_err(pool_error)?;
        match connect::within(ANSWER_MARGIN, connection.query_typed("SELECT 1", &[])).await {
            Ok(answer) => Ok(answer.map(drop)?),
            Err(silent) => {
                // The next one shall not get it from the pool.
                drop(Object::take(connection));
                Err(silent)
            }
        }
    }

    /// The settings this handle was made from.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Connections open and transactions waiting for one.
    pub fn pool_status(&self) -> (usize, usize) {
        let status = self.inner.pool.status();
        (status.size, status.waiting)
    }

    /// Closes the pool: later transactions fail, those under way go on.
    pub fn close(&self) {
        self.inner.pool.close();
    }
}

/// At the start somebody reads the answer and can mend the address, so it holds the cause.
fn first_contact(error: Error, address: &str) -> Problem {
    let cause = match &error {
        Error::Unavailable(cause) => cause.clone(),
        _ => return error.into(),
    };
    let mut problem = Problem::from(error);
    problem.detail = format!(
        "The database cannot be reached at {address} ({cause}); check its URL and that the server \
         runs, then try again."
    );
    problem
}

fn pool_error(error: deadpool_postgres::PoolError) -> Error {
    use deadpool_postgres::{PoolError, TimeoutType};
    match error {
        PoolError::Timeout(TimeoutType::Wait) => Error::Overloaded,
        PoolError::Backend(error) => Error::from(error),
        PoolError::Timeout(_) => Error::Unavailable("connecting took too long".into()),
        PoolError::Closed => Error::Unavailable("the pool is closed".into()),
        other => Error::Internal(other.to_string()),
    }
}
