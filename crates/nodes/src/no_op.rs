//! `core.no_op`: passes its items on.

use kernel::Items;
use node::{About, AllItems, NodeContext, NodeError, NodeType, params};

use crate::passing::{first, passed};

/// Does nothing: the items pass through as they are. Good for joining branches and for notes.
#[params]
pub(crate) struct NoOp {}

pub(crate) const NODE: NodeType = NodeType::all::<NoOp>();

impl AllItems for NoOp {
    const ABOUT: About = About::new("core.no_op", 1)
        .synonyms(&["nothing", "placeholder", "pass", "noop"])
        .examples(include_str!("../cases/no_op.json"))
        .group("flow")
        .imports(&["n8n-nodes-base.noOp"])
        .example("{}");

    async fn all(&self, _: &NodeContext, inputs: &[Items]) -> Result<Vec<Items>, NodeError> {
        Ok(vec![passed(first(inputs).iter().enumerate(), 0)])
    }
}
