//! A node type for measuring: it does nothing, with the effect class it is told to have.

use kernel::Item;
use node::{About, EachItem, EffectClass, MayHaveRun, NodeContext, NodeError, NodeType, params};

/// Passes each item on. As `external` it is recorded as if it had changed the outside.
#[params]
pub(crate) struct Step {
    /// Effect class.
    class: Class,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Class {
    /// Recorded with intent and result.
    External,
    /// Not recorded by itself.
    Pure,
}

pub(crate) const NODE: NodeType = NodeType::each::<Step>();

impl EachItem for Step {
    const ABOUT: About = About::new("bench.step", 1)
        .group("flow")
        .effect(EffectClass::External)
        .may_have_run(MayHaveRun::Retry)
        .example(r#"{ "class": "external" }"#);

    fn effect(&self) -> EffectClass {
        match self.class {
            Class::External => EffectClass::External,
            Class::Pure => EffectClass::Pure,
        }
    }

    async fn item(&self, _: &NodeContext, item: &Item) -> Result<Vec<Item>, NodeError> {
        Ok(vec![item.clone()])
    }
}
