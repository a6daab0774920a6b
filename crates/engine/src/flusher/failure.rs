//! What a failed flush means: whose fault it is and whether it may have been committed.

use kernel::{Problem, codes};

/// Why a flush gave no verdicts.
#[derive(Debug)]
pub(super) enum Failure {
    /// One of its operations can never be stored. Nothing was written.
    Refused(Problem),
    /// A key of one of its operations is there already: perhaps by an earlier attempt of ours.
    /// Nothing was written now.
    Exists,
    /// Not now: nothing was written, the same may succeed later.
    Later(Obstacle),
    /// The connection broke or fell silent: it may have been written.
    Unknown(String),
}

/// Why nothing can be written at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// The database is away, starting, stopping, or something is in the way there.
    Database,
    /// Its disk is full.
    DiskFull,
}

impl Failure {
    /// Reads a driver's error. `closed`: whether the connection is gone.
    pub(super) fn of(error: &tokio_postgres::Error, closed: bool) -> Self {
        let Some(server) = error.as_db_error() else {
            // Refused by the driver itself, before anything was sent.
            if !closed && error.to_string().starts_with("error serializing parameter") {
                return Self::Refused(unstorable("54000"));
            }
            return Self::Unknown(error.to_string());
        };
        let state = server.code().code();
        tracing::debug!(db.state = state, error.cause = server.message(), "flush failed");
        match (state, &state[..2]) {
            // FATAL: the answer to what was under way may have been lost with the connection.
            ("57P01" | "57P02" | "57P03" | "57P04" | "57P05", _) | (_, "08") => {
                Self::Unknown(server.message().to_owned())
            }
            _ if closed => Self::Unknown(server.message().to_owned()),
            ("53100", _) => Self::Later(Obstacle::DiskFull),
            ("23505", _) => Self::Exists,
            // A row that no partition takes has no constraint's name.
            ("23514", _) if server.constraint().is_none() => {
                tracing::error!(error.cause = server.message(), "a partition is missing");
                Self::Later(Obstacle::Database)
            }
            (_, "22" | "23" | "54") => Self::Refused(unstorable(state)),
            _ => {
                tracing::warn!(db.state = state, error.cause = server.message(), "flush put off");
                Self::Later(Obstacle::Database)
            }
        }
    }
}

impl Obstacle {
    /// What to tell whoever wants to start a run.
    pub(super) fn problem(self) -> Problem {
        let (code, detail) = match self {
            Self::Database => (
                codes::DATABASE_UNAVAILABLE,
                "The database does not take records at the moment; try again in a few seconds.",
            ),
            Self::DiskFull => (
                codes::STORAGE_FULL,
                "The database's disk is full; free space on it, then try again.",
            ),
        };
        let mut problem = Problem::new(code, detail);
        problem.retry_after_ms = Some(1_000);
        problem
    }
}

/// Says of an operation that the database will never take it.
pub(super) fn unstorable(state: &str) -> Problem {
    Problem::new(
        codes::RUN_UNSTORABLE,
        format!(
            "The database refuses the run's record (SQLSTATE {state}); look for a NUL character or \
             an overlong text in its key, or for a record of more than 1 GB."
        ),
    )
}
