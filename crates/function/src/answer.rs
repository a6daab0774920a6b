//! What a function answers: a status and a body, ready to be sent.

use std::borrow::Cow;

use kernel::Problem;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

/// An answer; problems travel as `Err` beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Media type of the body; empty without one.
    pub content_type: Cow<'static, str>,
    /// Headers besides that one: lower-case names and values fit for HTTP.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body; empty with 204 and 304.
    pub body: Vec<u8>,
}

/// An output with one of the two statuses its function has: the declared one, or `also`.
#[derive(Clone, Debug)]
pub struct WithStatus<T> {
    /// HTTP status.
    pub status: u16,
    /// What is answered.
    pub output: T,
}

impl<T: JsonSchema> JsonSchema for WithStatus<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// An answer without its body, as it is stored.
#[derive(Serialize, Deserialize)]
struct Head {
    status: u16,
    content_type: String,
    headers: Vec<(String, String)>,
}

impl Answer {
    /// This value as JSON.
    pub fn json<T: Serialize>(status: u16, value: &T) -> Result<Self, Problem> {
        let body = serde_json::to_vec(value).map_err(|error| {
            tracing::error!(error = %error, "an output cannot be written as JSON");
            Problem::internal()
        })?;
        Ok(Self { status, content_type: "application/json".into(), headers: Vec::new(), body })
    }

    /// Nothing but the status 204.
    pub const fn empty() -> Self {
        let content_type = Cow::Borrowed("");
        Self { status: 204, content_type, headers: Vec::new(), body: Vec::new() }
    }

    /// The same answer with one more header.
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// As it is stored: a line of JSON, then the body.
    pub(crate) fn to_stored(&self) -> Vec<u8> {
        let own = |(name, value): &(Cow<'static, str>, String)| (name.to_string(), value.clone());
        let head = Head {
            status: self.status,
            content_type: self.content_type.to_string(),
            headers: self.headers.iter().map(own).collect(),
        };
        let mut stored = serde_json::to_vec(&head).unwrap_or_default();
        stored.push(b'\n');
        stored.extend_from_slice(&self.body);
        stored
    }

    /// What [`Answer::to_stored`] made; `None` when it is something else.
    pub(crate) fn from_stored(stored: &[u8]) -> Option<Self> {
        let line = stored.iter().position(|byte| *byte == b'\n')?;
        let head = kernel::json::parse_own(stored.get(..line)?).ok()?.value;
        let head: Head = kernel::json::from_value(head).ok()?;
        Some(Self {
            status: head.status,
            content_type: head.content_type.into(),
            headers: head.headers.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            body: stored.get(line + 1..)?.to_vec(),
        })
    }
}
