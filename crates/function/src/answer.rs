//! What a function answers: a status and a body, ready to be sent.

use kernel::Problem;
use serde::Serialize;

/// An answer; problems travel as `Err` beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Media type of the body.
    pub content_type: &'static str,
    /// The body; empty with 204.
    pub body: Vec<u8>,
}

impl Answer {
    /// This value as JSON.
    pub fn json<T: Serialize>(status: u16, value: &T) -> Result<Self, Problem> {
        let body = serde_json::to_vec(value).map_err(|error| {
            tracing::error!(error = %error, "an output cannot be written as JSON");
            Problem::internal()
        })?;
        Ok(Self { status, content_type: "application/json", body })
    }

    /// Nothing but the status 204.
    pub const fn empty() -> Self {
        Self { status: 204, content_type: "", body: Vec::new() }
    }
}
