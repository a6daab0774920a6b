//! `core.if`: two ways on.

use kernel::{FieldProblem, Items};
use node::{About, AllItems, NodeContext, NodeError, NodeType, params};

use crate::conditions::Conditions;
use crate::passing::{chosen, pass};

/// Sends each item to `true` or `false`, by conditions on it.
#[params(check = If::faults)]
pub(crate) struct If {
    /// What must hold for an item to go to `true`.
    conditions: Conditions,
}

pub(crate) const NODE: NodeType = NodeType::all::<If>();

impl If {
    fn faults(&self) -> Vec<FieldProblem> {
        self.conditions.check("/conditions")
    }
}

impl AllItems for If {
    const ABOUT: About = About::new("core.if", 1)
        .synonyms(&["condition", "branch", "true false", "else"])
        .examples(include_str!("../cases/if.json"))
        .itemwise()
        .failed_output(1)
        .group("flow")
        .outputs(&["true", "false"])
        .imports(&["n8n-nodes-base.if"])
        .example(
            r#"{"conditions": {"all": [
                {"left": "={{ $json.age }}", "operator": "number.gte", "right": 18}
            ]}}"#,
        );

    async fn all(&self, cx: &NodeContext, inputs: &[Items]) -> Result<Vec<Items>, NodeError> {
        let (mut yes, mut no) = (Vec::new(), Vec::new());
        for (index, item) in chosen(cx, inputs) {
            let side = if self.conditions.hold(&cx.scope, index)? { &mut yes } else { &mut no };
            side.push(pass(item, index, 0));
        }
        Ok(vec![yes.into(), no.into()])
    }
}
