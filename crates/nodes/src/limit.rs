//! `core.limit`: the first or the last few.

use kernel::Items;
use node::{About, AllItems, Expr, NodeContext, NodeError, NodeType, params};
use serde::Serialize;

use crate::passing::{first, passed};

/// Keeps the first or the last items, and drops the others.
#[params]
pub(crate) struct Limit {
    /// How many items to keep.
    #[serde(default = "one")]
    count: Expr<u64>,
    /// Which end to keep.
    #[serde(default)]
    keep: End,
}

/// An end of the list of items.
#[params]
#[derive(Copy, Default, Serialize)]
#[serde(rename_all = "snake_case")]
enum End {
    /// The items that came first.
    #[default]
    First,
    /// The items that came last, in the order they came.
    Last,
}

fn one() -> Expr<u64> {
    Expr::literal(1)
}

pub(crate) const NODE: NodeType = NodeType::all::<Limit>();

impl AllItems for Limit {
    const ABOUT: About = About::new("core.limit", 1)
        .synonyms(&["first", "last", "top", "take", "head"])
        .examples(include_str!("../cases/limit.json"))
        .imports(&["n8n-nodes-base.limit"])
        .example(r#"{"count": 10, "keep": "first"}"#);

    async fn all(&self, cx: &NodeContext, inputs: &[Items]) -> Result<Vec<Items>, NodeError> {
        let items = first(inputs);
        if items.is_empty() {
            return Ok(vec![Items::default()]);
        }
        let count = usize::try_from(self.count.get(&cx.scope, 0)?).unwrap_or(usize::MAX);
        let skip = match self.keep {
            End::First => 0,
            End::Last => items.len().saturating_sub(count),
        };
        Ok(vec![passed(items.iter().enumerate().skip(skip).take(count), 0)])
    }
}
