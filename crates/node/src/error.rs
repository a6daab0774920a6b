//! Why a node failed; the engine decides from the kind what to do, never from a text.

use std::time::Duration;

use kernel::{Code, Problem};

/// A node's failure.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NodeError {
    /// It may work later: retried under the node's retry policy, not before `after`.
    #[error("{problem}")]
    Retry {
        /// What went wrong.
        problem: Problem,
        /// How long the other side asked to wait.
        after: Option<Duration>,
    },
    /// It will fail again in the same way.
    #[error("{0}")]
    Fatal(Problem),
    /// The credential is missing, refused or expired.
    #[error("{0}")]
    Credential(Problem),
    /// The run was cancelled or the node's time ran out while it worked.
    #[error("cancelled")]
    Cancelled,
}

impl NodeError {
    /// A fatal error with this code.
    pub fn fatal(code: Code, detail: impl Into<String>) -> Self {
        Self::Fatal(Problem::new(code, detail))
    }

    /// A passing error with this code.
    pub fn retry(code: Code, detail: impl Into<String>) -> Self {
        Self::Retry { problem: Problem::new(code, detail), after: None }
    }

    /// What to tell the user.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Retry { problem, .. } | Self::Fatal(problem) | Self::Credential(problem) => {
                problem.clone()
            }
            Self::Cancelled => {
                Problem::new(kernel::codes::RUN_CANCELLED, "The node was cancelled.")
            }
        }
    }
}

impl From<Problem> for NodeError {
    /// Retryable codes of the table become [`NodeError::Retry`], the others [`NodeError::Fatal`].
    fn from(problem: Problem) -> Self {
        if problem.code.0.retryable {
            let after = problem.retry_after_ms.map(Duration::from_millis);
            Self::Retry { problem, after }
        } else {
            Self::Fatal(problem)
        }
    }
}
