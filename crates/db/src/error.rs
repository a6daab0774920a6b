//! What a statement can fail with, as kinds the rest of the program can act on.

use kernel::{Problem, codes};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::FromSql;

/// Why a statement or a transaction failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached, is shutting down or starting; the same may succeed later.
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    /// The server does not let this login in, or has no such database.
    #[error("the database refused the login: {0}")]
    Refused(String),
    /// No connection of the pool became free in time.
    #[error("no database connection became free in time")]
    Overloaded,
    /// The server's disk is full.
    #[error("the database's disk is full")]
    StorageFull,
    /// Somebody else's transaction was in the way (40001, 40P01); run it again from its start.
    #[error("the transaction met another one")]
    Conflict,
    /// A named constraint refused the row. Domains map the name to a code of their own.
    #[error("constraint {name} refused the row")]
    Constraint {
        /// The constraint's name in the schema.
        name: String,
        /// The SQLSTATE: 23505 unique, 23503 foreign key, 23514 check, 23502 not null.
        state: String,
    },
    /// A statement ran longer than its limit or was cancelled.
    #[error("a statement ran longer than allowed")]
    Timeout,
    /// The value itself is wrong for the database (classes 22 and 54): sending it again is useless.
    #[error("the database refused a value: {0}")]
    Data(String),
    /// COMMIT was answered with ROLLBACK: an earlier statement had failed and was overlooked.
    #[error("the transaction was rolled back at commit")]
    RolledBack,
    /// Anything else: a defect of ours. The text is for the log only.
    #[error("the database answered unexpectedly: {0}")]
    Internal(String),
}

impl Error {
    /// The name of the constraint that refused the row.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Constraint { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Whether the whole transaction may succeed when it is run again at once.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict)
    }

    /// The same error naming the statement, where the text goes to the log.
    pub(crate) fn in_statement(self, name: &str) -> Self {
        match self {
            Self::Internal(text) => Self::Internal(format!("{name}: {text}")),
            Self::Data(text) => Self::Data(format!("{name}: {text}")),
            other => other,
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(db) => from_server(db),
            None if is_connection_loss(&error) => Self::Unavailable(with_causes(&error)),
            None => Self::Internal(with_causes(&error)),
        }
    }
}

fn from_server(db: &tokio_postgres::error::DbError) -> Error {
    let state = db.code().code();
    match state {
        "40001" | "40P01" => Error::Conflict,
        "53100" => Error::StorageFull,
        "3D000" => Error::Refused(db.message().to_owned()),
        "57014" | "55P03" => Error::Timeout,
        "53300" | "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => {
            Error::Unavailable(db.message().to_owned())
        }
        _ => match (&state[..2], db.constraint()) {
            ("28", _) => Error::Refused(db.message().to_owned()),
            ("08", _) => Error::Unavailable(db.message().to_owned()),
            ("23", Some(name)) => {
                Error::Constraint { name: name.to_owned(), state: state.to_owned() }
            }
            ("22" | "54", _) => Error::Data(format!("{state} {}", db.message())),
            _ => Error::Internal(describe(db)),
        },
    }
}

/// Server text for the log: never the row's values, which PostgreSQL puts into `detail`.
fn describe(db: &tokio_postgres::error::DbError) -> String {
    let place = [db.schema(), db.table(), db.column()].into_iter().flatten().collect::<Vec<_>>();
    match place.is_empty() {
        true => format!("{} {}", db.code().code(), db.message()),
        false => format!("{} {} ({})", db.code().code(), db.message(), place.join(".")),
    }
}

fn is_connection_loss(error: &tokio_postgres::Error) -> bool {
    use std::error::Error as _;
    error.is_closed()
        || error.code() == Some(&SqlState::CONNECTION_EXCEPTION)
        || error.source().is_some_and(|cause| cause.is::<std::io::Error>())
        || error.to_string().starts_with("error connecting")
        || error.to_string().starts_with("timeout")
}

pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

impl From<Error> for Problem {
    /// Says what the caller can do; the cause of an internal error is logged here.
    fn from(error: Error) -> Self {
        match &error {
            Error::Unavailable(cause) => {
                tracing::warn!(error.cause = cause, "database unavailable");
                later(
                    codes::DATABASE_UNAVAILABLE,
                    "The database does not answer; try again in a few seconds.",
                )
            }
            Error::Refused(cause) => Problem::new(
                codes::DATABASE_PERMISSION,
                format!(
                    "The database refused the login ({cause}); check user, password and database \
                     name in its URL."
                ),
            ),
            Error::Overloaded => later(
                codes::SERVER_OVERLOADED,
                "All database connections are busy; try again, or raise [database] connections_max.",
            ),
            Error::StorageFull => later(
                codes::STORAGE_FULL,
                "The database's disk is full; free space on it, then try again.",
            ),
            Error::Conflict => later(
                codes::REQUEST_CONFLICT,
                "Somebody else changed the same thing at the same moment; read it and try again.",
            ),
            Error::Timeout => later(
                codes::DATABASE_UNAVAILABLE,
                "The database took too long; try again in a few seconds.",
            ),
            Error::Constraint { .. } | Error::Data(_) | Error::RolledBack | Error::Internal(_) => {
                tracing::error!(error.cause = %error, "database error");
                Problem::internal()
            }
        }
    }
}

fn later(code: kernel::Code, detail: &str) -> Problem {
    let mut problem = Problem::new(code, detail);
    problem.retry_after_ms = Some(1_000);
    problem
}

/// Reading columns by name with errors of this crate.
pub trait Columns {
    /// The column's value; fails with the column's name when it is missing or of another type.
    fn column<'a, T: FromSql<'a>>(&'a self, name: &str) -> Result<T, Error>;
}

impl Columns for Row {
    fn column<'a, T: FromSql<'a>>(&'a self, name: &str) -> Result<T, Error> {
        self.try_get(name)
            .map_err(|error| Error::Internal(format!("column {name}: {}", with_causes(&error))))
    }
}
