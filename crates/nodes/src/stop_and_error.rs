//! `core.stop_and_error`: the workflow says itself that it failed.

use kernel::{Items, Object, Value, codes};
use node::{About, AllItems, Expr, NodeContext, NodeError, NodeType, params};

use crate::values::text;

/// Stops the run as failed, with a message or an error object of your own.
#[params]
#[serde(rename_all = "snake_case")]
pub(crate) enum StopAndError {
    /// What went wrong, as a text.
    Message(Expr<String>),
    /// What went wrong, as an object; its field `message` is the text.
    Error(Expr<Object>),
}

pub(crate) const NODE: NodeType = NodeType::all::<StopAndError>();

impl AllItems for StopAndError {
    const ABOUT: About = About::new("core.stop_and_error", 1)
        .synonyms(&["fail", "throw", "abort", "raise"])
        .examples(include_str!("../cases/stop_and_error.json"))
        .group("flow")
        .outputs(&[])
        .imports(&["n8n-nodes-base.stopAndError"])
        .example(r#"{"message": "=No customer {{ $json.id }}"}"#);

    async fn all(&self, cx: &NodeContext, _: &[Items]) -> Result<Vec<Items>, NodeError> {
        let detail = match self {
            Self::Message(message) => message.get(&cx.scope, 0)?,
            Self::Error(error) => {
                let error = error.get(&cx.scope, 0)?;
                match error.get("message") {
                    Some(message) => text(message),
                    None => Value::Object(error).to_string(),
                }
            }
        };
        Err(NodeError::fatal(codes::RUN_STOPPED, detail))
    }
}
