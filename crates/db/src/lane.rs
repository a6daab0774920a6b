//! A session of the engine that opens itself again, for statements that may simply be asked again.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio_postgres::Row;

use crate::{Database, Error, LaneSettings, Parameters, Session, Statement};

/// A dedicated connection as `forge_engine` for single autocommit statements, prepared once and
/// pipelined. After a loss the next statement opens a new one. Cloning shares the connection. It may
/// be used from any runtime; the one it was made on drives it.
///
/// A statement that fails with [`Error::Unavailable`] may have been executed: use it for reads and
/// for statements that may be executed twice.
#[derive(Clone, Debug)]
pub struct Lane {
    database: Database,
    settings: Arc<LaneSettings>,
    runtime: Handle,
    open: Arc<Mutex<Option<Arc<Open>>>>,
}

#[derive(Debug)]
struct Open {
    session: Session,
    prepared: Mutex<HashMap<&'static str, tokio_postgres::Statement>>,
}

impl Lane {
    /// A lane that connects when it is first used.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new(database: Database, settings: LaneSettings) -> Self {
        Self {
            database,
            settings: Arc::new(settings),
            runtime: Handle::current(),
            open: Arc::default(),
        }
    }

    /// The rows of a statement.
    pub async fn query(
        &self,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, Error> {
        let open = self.session().await?;
        let prepared = open.prepare(statement).await;
        let prepared = self.judge(&open, statement, prepared).await?;
        let result = open.session.query(&prepared, parameters).await;
        self.judge(&open, statement, result).await
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
        let prepared = open.prepare(statement).await;
        let prepared = self.judge(&open, statement, prepared).await?;
        let result = open.session.execute(&prepared, parameters).await;
        self.judge(&open, statement, result).await
    }

    /// Names the statement in an error, and gives up a session that the error says is lost: the driver
    /// notices the end of a connection only a moment later.
    async fn judge<T>(
        &self,
        open: &Arc<Open>,
        statement: &Statement,
        result: Result<T, tokio_postgres::Error>,
    ) -> Result<T, Error> {
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error) => Error::from(error),
        };
        if matches!(error, Error::Unavailable(_)) {
            let mut slot = self.open.lock().await;
            if slot.as_ref().is_some_and(|current| Arc::ptr_eq(current, open)) {
                *slot = None;
            }
        }
        Err(error.in_statement(statement.name))
    }

    async fn session(&self) -> Result<Arc<Open>, Error> {
        let mut slot = self.open.lock().await;
        if let Some(open) = slot.as_ref().filter(|open| !open.session.is_closed()) {
            return Ok(open.clone());
        }
        let (database, settings) = (self.database.clone(), self.settings.clone());
        let opening = self.runtime.spawn(async move { database.engine_lane(&settings).await });
        let session =
            opening.await.map_err(|_| Error::Unavailable("the runtime ended".into()))??;
        let open = Arc::new(Open { session, prepared: Mutex::default() });
        *slot = Some(open.clone());
        Ok(open)
    }
}

impl Open {
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
