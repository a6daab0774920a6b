//! `core.filter`: keeps what fits.

use kernel::{FieldProblem, Items};
use node::{About, AllItems, NodeContext, NodeError, NodeType, params};

use crate::conditions::Conditions;
use crate::passing::{chosen, pass};

/// Keeps the items on which the conditions hold, and drops the others.
#[params(check = Filter::faults)]
pub(crate) struct Filter {
    /// What must hold for an item to be kept.
    conditions: Conditions,
}

pub(crate) const NODE: NodeType = NodeType::all::<Filter>();

impl Filter {
    fn faults(&self) -> Vec<FieldProblem> {
        self.conditions.check("/conditions")
    }
}

impl AllItems for Filter {
    const ABOUT: About =
        About::new("core.filter", 1)
        .synonyms(&["where", "keep", "remove", "conditions"])
        .examples(include_str!("../cases/filter.json")).itemwise().group("flow").imports(&["n8n-nodes-base.filter"]).example(
            r#"{"conditions": {"any": [
                {"left": "={{ $json.email }}", "operator": "string.ends_with", "right": "@example.com"},
                {"left": "={{ $json.tags }}", "operator": "array.contains", "right": "vip"}
            ], "case_sensitive": false}}"#,
        );

    async fn all(&self, cx: &NodeContext, inputs: &[Items]) -> Result<Vec<Items>, NodeError> {
        let mut kept = Vec::new();
        for (index, item) in chosen(cx, inputs) {
            if self.conditions.hold(&cx.scope, index)? {
                kept.push(pass(item, index, 0));
            }
        }
        Ok(vec![kept.into()])
    }
}
