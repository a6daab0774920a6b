//! Templates: literal text with `{{ … }}` in it.

use kernel::{Problem, Value};

use crate::Scope;

/// A parsed `=…` parameter.
#[derive(Clone, Debug)]
pub struct Template {
    source: std::sync::Arc<str>,
}

impl Template {
    /// Parses the text after and including its leading `=`.
    ///
    /// Errors: `expression.invalid` with the place, when a `{{` has no end or the script in it
    /// does not parse.
    pub fn parse(source: &str) -> Result<Self, Problem> {
        Ok(Self { source: source.into() })
    }

    /// The text as written, with its leading `=`.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Names of the nodes it certainly refers to: `$('X')` and `$node["X"]` with literal names.
    pub fn references(&self) -> &[std::sync::Arc<str>] {
        &[]
    }

    /// Evaluates for the item at index `item` of the first connected input.
    ///
    /// A lone `{{ … }}` keeps its type (`undefined` becomes null); mixed text gives a string.
    /// Errors: `expression.failed|deadline|memory`.
    pub fn evaluate(&self, _scope: &Scope, _item: usize) -> Result<Value, Problem> {
        Ok(Value::String(self.source.to_string()))
    }
}
