//! `core.wait`: goes on later.

use kernel::Items;
use kernel::duration::Span;
use node::{About, Directive, Expr, NodeContext, NodeError, NodeType, Steer, params};

/// Waits, then passes the items on. A waiting run takes no memory and survives restarts.
#[params(default(mode = "interval"))]
#[serde(tag = "mode", rename_all = "snake_case")]
pub(crate) enum Wait {
    /// For a length of time.
    Interval {
        /// How long: a whole number and `ms`, `s`, `m`, `h` or `d`.
        duration: Expr<Span>,
    },
}

pub(crate) const NODE: NodeType = NodeType::steer::<Wait>();

impl Steer for Wait {
    const ABOUT: About = About::new("core.wait", 1)
        .synonyms(&["sleep", "delay", "pause"])
        .examples(include_str!("../cases/wait.json"))
        .group("flow")
        .imports(&["n8n-nodes-base.wait"])
        .example(r#"{"duration": "5m"}"#);

    fn steer(&self, cx: &NodeContext, _: &[Items]) -> Result<Directive, NodeError> {
        match self {
            Self::Interval { duration } => Ok(Directive::Wait(duration.get(&cx.scope, 0)?.0)),
        }
    }
}
