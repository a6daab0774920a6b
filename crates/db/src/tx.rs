//! One transaction as `forge_app` under an identity, on a connection of the pool.
//!
//! States: fresh (nothing sent) → open (BEGIN, role and identity rode in front of the first
//! statement) → committed or ended. Dropping a fresh one costs nothing; dropping an open one sends
//! ROLLBACK ahead of whoever uses the connection next; dropping it while a statement is under way, or
//! after an answer that never came, discards the connection.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::Object;
use futures::FutureExt;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::connect::{Connector, within};
use crate::error::Error;
use crate::{Identity, Settings, Statement};

/// Parameters of a statement, in order.
pub type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    Write,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh,
    Open,
    /// A statement was sent and its answer not yet read.
    Waiting,
    Done,
}

/// A failed transaction answers COMMIT with the tag ROLLBACK and no error, and the driver drops the
/// tag. A statement that a failed transaction refuses goes ahead in the same message: when it is
/// refused the server skips the COMMIT behind it.
const COMMIT: &str = "SELECT; COMMIT";

/// What became of a transaction, readable after it was moved away.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    met_another: AtomicBool,
    abandoned: AtomicBool,
}

impl Outcome {
    pub(crate) fn met_another(&self) -> bool {
        self.0.met_another.load(Ordering::Acquire)
    }

    pub(crate) fn was_abandoned(&self) -> bool {
        self.0.abandoned.load(Ordering::Acquire)
    }

    fn note(&self, error: &Error) {
        if error.is_conflict() {
            self.0.met_another.store(true, Ordering::Release);
        }
    }
}

/// A transaction. Commit it, or it never happened.
pub struct Tx {
    /// `None` once given back.
    connection: Option<Object>,
    connector: Arc<Connector>,
    state: State,
    begin: String,
    outcome: Outcome,
    /// How long an answer is waited for.
    patience: Duration,
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Tx {
    /// `begin` is the message of [`begin_text`]; an answer that takes longer than `patience` does not
    /// come any more.
    pub(crate) fn new(
        connection: Object,
        connector: Arc<Connector>,
        begin: String,
        patience: Duration,
    ) -> Self {
        Self {
            connection: Some(connection),
            connector,
            state: State::Fresh,
            begin,
            outcome: Outcome::default(),
            patience,
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome.clone()
    }

    /// All rows.
    pub async fn query(
        &mut self,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, Error> {
        let typed = typed(statement, parameters)?;
        let fresh = self.enter()?;
        let client = self.client()?;
        let begin = fresh.then(|| client.batch_execute(&self.begin));
        let answer = burst(begin, client.query_typed(statement.text, &typed));
        let answer = within(self.patience, answer).await?;
        self.leave(statement.name, answer)
    }

    /// The row, or none; an internal error when there are several.
    pub async fn query_opt(
        &mut self,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> Result<Option<Row>, Error> {
        let mut rows = self.query(statement, parameters).await?;
        match rows.len() {
            0 | 1 => Ok(rows.pop()),
            count => Err(Error::Internal(format!("{}: {count} rows for one", statement.name))),
        }
    }

    /// The row; an internal error when there is none or several.
    pub async fn query_one(
        &mut self,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> Result<Row, Error> {
        self.query_opt(statement, parameters)
            .await?
            .ok_or_else(|| Error::Internal(format!("{}: no row", statement.name)))
    }

    /// How many rows were changed.
    pub async fn execute(
        &mut self,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> Result<u64, Error> {
        let typed = typed(statement, parameters)?;
        let fresh = self.enter()?;
        let client = self.client()?;
        let begin = fresh.then(|| client.batch_execute(&self.begin));
        let answer = burst(begin, client.execute_typed(statement.text, &typed));
        let answer = within(self.patience, answer).await?;
        self.leave(statement.name, answer)
    }

    /// Makes it happen; the transaction of a body that sent nothing costs nothing.
    ///
    /// [`Error::RolledBack`] when an earlier statement had failed. When the connection is lost while
    /// waiting ([`Error::Unavailable`]) the outcome is unknown.
    pub async fn commit(mut self) -> Result<(), Error> {
        if self.enter()? {
            self.state = State::Done;
            return Ok(());
        }
        let answer = within(self.patience, self.client()?.batch_execute(COMMIT)).await?;
        self.ended(answer)
    }

    /// Executes a last statement and makes it all happen, in one round trip: the statement and
    /// COMMIT (and BEGIN, if nothing was sent yet) go out in one burst. Answers the statement's rows.
    ///
    /// A statement that fails undoes the transaction. Otherwise as [`Tx::commit`].
    pub async fn commit_with(
        mut self,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, Error> {
        let typed = typed(statement, parameters)?;
        let fresh = self.enter()?;
        let client = self.client()?;
        let begin = fresh.then(|| client.batch_execute(&self.begin));
        let last = burst(begin, client.query_typed(statement.text, &typed));
        // When the statement fails, the server refuses what stands in front of this COMMIT.
        let both = futures::future::join(last, client.batch_execute(COMMIT));
        let (rows, ended) = within(self.patience, both).await?;
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => return self.leave(statement.name, Err(error)),
        };
        self.ended(ended).map(|()| rows)
    }

    /// What COMMIT answered.
    fn ended(&mut self, answer: Result<(), tokio_postgres::Error>) -> Result<(), Error> {
        let refused = matches!(&answer, Err(error) if error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION));
        let answer = self.leave("commit", answer);
        if refused {
            return Err(Error::RolledBack);
        }
        // Any other failure of COMMIT (a deferred constraint, a conflict) ended the transaction.
        self.state = State::Done;
        answer
    }

    /// Ends it without effect, and waits until the server has done so.
    pub async fn rollback(mut self) -> Result<(), Error> {
        if !self.enter()? {
            let answer = within(self.patience, self.client()?.batch_execute("ROLLBACK")).await?;
            self.leave("rollback", answer)?;
        }
        self.state = State::Done;
        Ok(())
    }

    /// Notes that a statement is under way; true when BEGIN has to go in front of it.
    fn enter(&mut self) -> Result<bool, Error> {
        match std::mem::replace(&mut self.state, State::Waiting) {
            State::Fresh => Ok(true),
            State::Open => Ok(false),
            State::Waiting | State::Done => Err(Error::Internal(
                "a transaction was used after one of its statements was dropped midway".into(),
            )),
        }
    }

    /// Notes that the answer was read to its end.
    fn leave<T>(
        &mut self,
        name: &str,
        answer: Result<T, tokio_postgres::Error>,
    ) -> Result<T, Error> {
        self.state = State::Open;
        answer.map_err(|error| {
            let error = Error::from(error).in_statement(name);
            self.outcome.note(&error);
            error
        })
    }

    fn client(&self) -> Result<&Client, Error> {
        match &self.connection {
            Some(connection) => Ok(connection),
            None => Err(Error::Internal("the transaction has no connection".into())),
        }
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        match self.state {
            State::Fresh | State::Done => {}
            State::Open => {
                self.outcome.0.abandoned.store(true, Ordering::Release);
                // The first poll puts ROLLBACK into the connection's queue, ahead of whatever its
                // next user sends; nobody needs to wait for the answer.
                let _ = connection.batch_execute("ROLLBACK").now_or_never();
            }
            State::Waiting => {
                self.outcome.0.abandoned.store(true, Ordering::Release);
                discard(connection, Arc::clone(&self.connector));
            }
        }
    }
}

/// Takes a connection with a statement under way out of the pool and cancels the statement, so that
/// its locks do not outlive whoever asked.
fn discard(connection: Object, connector: Arc<Connector>) {
    let cancel = connection.cancel_token();
    drop(Object::take(connection));
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            if let Err(error) = connector.cancel(cancel).await {
                tracing::debug!(error.cause = %error, "a dropped statement was not cancelled");
            }
        });
    }
}

/// Sends BEGIN (if any) and the statement in one burst. `join` polls in order, and each future puts
/// its message into the queue when it is first polled. When BEGIN's message fails the transaction is
/// a failed one, so the statement behind it is refused by the server.
async fn burst<T>(
    begin: Option<impl Future<Output = Result<(), tokio_postgres::Error>>>,
    statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, tokio_postgres::Error> {
    match begin {
        None => statement.await,
        Some(begin) => {
            let (begun, answer) = futures::future::join(begin, statement).await;
            begun.and(answer)
        }
    }
}

fn typed<'a>(
    statement: &Statement,
    parameters: Parameters<'a>,
) -> Result<Vec<(&'a (dyn ToSql + Sync), Type)>, Error> {
    if statement.parameters.len() != parameters.len() {
        return Err(Error::Internal(format!(
            "{}: {} parameters for {}",
            statement.name,
            parameters.len(),
            statement.parameters.len()
        )));
    }
    Ok(parameters.iter().copied().zip(statement.parameters.iter().cloned()).collect())
}

/// One message: BEGIN first, so that a failure behind it leaves a failed transaction and no
/// statement can run outside one.
pub(crate) fn begin_text(mode: Mode, identity: Option<Identity>, settings: &Settings) -> String {
    let access = match mode {
        Mode::Read => "READ ONLY",
        Mode::Write => "READ WRITE",
    };
    let mut text = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ {access}; SET LOCAL ROLE forge_app; \
         SET LOCAL statement_timeout = {}; SET LOCAL idle_in_transaction_session_timeout = {}",
        settings.statement_timeout.as_millis(),
        settings.idle_timeout.as_millis(),
    );
    if let Some(identity) = identity {
        text.push_str(&format!("; SET LOCAL forge.workspace = '{}'", identity.workspace));
        if let Some(principal) = identity.principal {
            text.push_str(&format!("; SET LOCAL forge.principal = '{principal}'"));
        }
    }
    text
}
