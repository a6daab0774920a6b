//! What went wrong, for the one who asked: a code, a text with the mend, and the places.
//!
//! A [`Problem`] is rendered by the gateway as RFC 9457 `application/problem+json` and stored with
//! failed activations. It never carries causes, SQL or secrets: those go to the log.

use serde::{Deserialize, Serialize};

use crate::codes::{self, Code};

/// One wrong place in a document or request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldProblem {
    /// JSON pointer into the document or body, such as `/nodes/3/parameters/url`.
    pub pointer: String,
    /// A code of the table, as text.
    pub code: String,
    /// What is wrong there and how to mend it.
    pub detail: String,
}

/// An error with a stable code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Problem {
    /// A code of the table.
    #[serde(with = "code_text")]
    pub code: Code,
    /// What is wrong and how to mend it; for the user.
    pub detail: String,
    /// Every wrong place, when there are several or when the place matters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// Name of the node it happened in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Wait this long before trying again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// What is there now, where the request named another version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Box<Current>>,
}

/// What is there now. Boxed in its problem: few have one, and problems travel in every result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// Its version as an entity tag, quotes included.
    pub tag: String,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            node: None,
            retry_after_ms: None,
            current: None,
        }
    }

    /// Our fault, nothing to tell: the cause must have been logged by the caller.
    pub fn internal() -> Self {
        Self::new(codes::INTERNAL, "The cause is in the server's log, under this request's id.")
    }

    /// The same problem with one more place.
    pub fn at(mut self, pointer: impl Into<String>, code: Code, detail: impl Into<String>) -> Self {
        self.errors.push(FieldProblem {
            pointer: pointer.into(),
            code: code.to_string(),
            detail: detail.into(),
        });
        self
    }

    /// The same problem, naming the version that is there now.
    pub fn with_current(mut self, tag: impl Into<String>) -> Self {
        self.current = Some(Box::new(Current { tag: tag.into() }));
        self
    }

    /// The same problem, naming the node.
    pub fn in_node(mut self, node: impl Into<String>) -> Self {
        self.node = Some(node.into());
        self
    }
}

mod code_text {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::codes::{self, Code};

    pub(super) fn serialize<S: Serializer>(code: &Code, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(code)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Code, D::Error> {
        let text = String::deserialize(deserializer)?;
        // A code written by a newer version reads as `internal` rather than losing the run.
        Ok(Code::find(&text).unwrap_or(codes::INTERNAL))
    }
}
