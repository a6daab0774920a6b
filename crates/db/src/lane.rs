//! A session of the engine that opens itself again, for statements that may simply be asked again.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio_postgres::Row;

use crate::connect::{patience, silent};
use crate::{Backend, Database, Error, LaneSettings, Parameters, Session, Statement};

/// How long one attempt to end a backend waits for it to be gone.
const END_WITHIN: Duration = Duration::from_secs(2);
/// How often within its patience a statement that waits looks whether the connection gave any answer.
const LOOKS: u32 = 7;

/// A dedicated connection as `forge_engine` for single autocommit statements, prepared once and
/// pipelined. After a loss the next statement opens a new one. Cloning shares the connection. It may
/// be used from any runtime; the one it was made on drives it.
///
/// A statement that fails with [`Error::Unavailable`] may have been executed, and may still be: use it
/// for reads and for statements that may be executed twice (see [`Lane::ending_lost`]).
///
/// A connection that says nothing for longer than any of its statements may take on the server (with
/// a `statement_timeout` among the settings; 5 s longer) is given up.
#[derive(Clone, Debug)]
pub struct Lane {
    database: Database,
    settings: Arc<LaneSettings>,
    runtime: Handle,
    slot: Arc<Mutex<Slot>>,
    ends_lost: bool,
    patience: Duration,
}

/// The connection of the moment.
#[derive(Debug, Default)]
struct Slot {
    open: Option<Arc<Open>>,
    /// Behind the connection before: it may still execute what it was sent.
    lost: Option<Backend>,
}

#[derive(Debug)]
struct Open {
    session: Session,
    prepared: Mutex<HashMap<&'static str, tokio_postgres::Statement>>,
    /// How often it answered.
    answers: AtomicU64,
}

impl Lane {
    /// A lane that connects when it is first used.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new(database: Database, settings: LaneSettings) -> Self {
        Self {
            database,
            patience: patience(settings.statement_timeout()),
            settings: Arc::new(settings),
            runtime: Handle::current(),
            slot: Arc::default(),
            ends_lost: false,
        }
    }

    /// Ends the backend of a connection that was lost before it opens the next one. So a statement
    /// whose answer did not come has either been executed when the next one is, or never will be.
    #[must_use]
    pub fn ending_lost(self) -> Self {
        Self { ends_lost: true, ..self }
    }

    /// The rows of a statement.
    pub async fn query(
        &self,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, Error> {
        let open = self.session().await?;
        let prepared = self.hear(&open, statement, open.prepare(statement)).await?;
        self.hear(&open, statement, open.session.query(&prepared, parameters)).await
    }

    /// The first row of a statement, if any.
    pub async fn query_opt(
        &self,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> Result<Option<Row>, Error> {
        Ok(self.query(statement, parameters).await?.into_iter().next())
    }

    /// How many rows a statement changed.
    pub async fn execute(
        &self,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> Result<u64, Error> {
        let open = self.session().await?;
        let prepared = self.hear(&open, statement, open.prepare(statement)).await?;
        self.hear(&open, statement, open.session.execute(&prepared, parameters)).await
    }

    /// Waits for an answer as long as the connection gives any. Names the statement in an error, and
    /// gives up a session that the error says is lost: the driver notices the end of a connection
    /// only a moment later.
    async fn hear<T>(
        &self,
        open: &Arc<Open>,
        statement: &Statement,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Error> {
        let error = match open.hear(self.patience, answer).await {
            Some(Ok(value)) => return Ok(value),
            Some(Err(error)) => Error::from(error),
            None => {
                tracing::warn!(lane = self.settings.name, "the database fell silent");
                open.session.abandon();
                silent(self.patience)
            }
        };
        if matches!(error, Error::Unavailable(_)) {
            let mut slot = self.slot.lock().await;
            if slot.open.as_ref().is_some_and(|current| Arc::ptr_eq(current, open)) {
                slot.give_up();
            }
        }
        Err(error.in_statement(statement.name))
    }

    async fn session(&self) -> Result<Arc<Open>, Error> {
        let mut slot = self.slot.lock().await;
        if let Some(open) = slot.open.as_ref().filter(|open| !open.session.is_closed()) {
            return Ok(open.clone());
        }
        slot.give_up();
        if let Some(lost) = slot.lost.filter(|_| self.ends_lost) {
            let database = self.database.clone();
            let ending =
                self.runtime.spawn(async move { database.terminate(lost, END_WITHIN).await });
            if !ending.await.map_err(|_| runtime_ended())?? {
                let what = format!("the lost backend {} does not end", lost.pid);
                return Err(Error::Unavailable(what));
            }
        }
        slot.lost = None;
        let (database, settings) = (self.database.clone(), self.settings.clone());
        let opening = self.runtime.spawn(async move { database.engine_lane(&settings).await });
        let session = opening.await.map_err(|_| runtime_ended())??;
        let (prepared, answers) = (Mutex::default(), AtomicU64::new(0));
        let open = Arc::new(Open { session, prepared, answers });
        slot.open = Some(open.clone());
        Ok(open)
    }
}

fn runtime_ended() -> Error {
    Error::Unavailable("the runtime ended".into())
}

impl Slot {
    fn give_up(&mut self) {
        if let Some(open) = self.open.take() {
            self.lost = Some(open.session.backend());
        }
    }
}

impl Open {
    /// The answer; `None` when the connection gave none at all for so long. Statements wait for each
    /// other on the server, so another one's answer is a sign of life.
    async fn hear<T>(&self, patience: Duration, answer: impl Future<Output = T>) -> Option<T> {
        let mut answer = std::pin::pin!(answer);
        let (mut heard, mut looks) = (self.answers.load(Ordering::Relaxed), 0);
        while looks < LOOKS {
            let look = tokio::time::timeout(patience / LOOKS, answer.as_mut()).await;
            if let Ok(answer) = look {
                self.answers.fetch_add(1, Ordering::Relaxed);
                return Some(answer);
            }
            let now = self.answers.load(Ordering::Relaxed);
            looks = if now == heard { looks + 1 } else { 0 };
            heard = now;
        }
        None
    }

    async fn prepare(
        &self,
        statement: &Statement,
    ) -> Result<tokio_postgres::Statement, tokio_postgres::Error> {
        let mut prepared = self.prepared.lock().await;
        if let Some(known) = prepared.get(statement.name) {
            return Ok(known.clone());
        }
        let made = self.session.prepare_typed(statement.text, statement.parameters).await?;
        prepared.insert(statement.name, made.clone());
        Ok(made)
    }
}
