//! `core.manual`: a person, the command line or an API call starts the run.

use node::{About, EffectClass, NodeType, Trigger, TriggerKind, params};

/// Starts the workflow by hand, by the command line or by the API, with the items given there.
#[params]
pub(crate) struct Manual {}

pub(crate) const NODE: NodeType = NodeType::trigger::<Manual>();

impl Trigger for Manual {
    const ABOUT: About = About::new("core.manual", 1)
        .synonyms(&["start", "trigger", "test", "button", "click"])
        .examples(include_str!("../cases/manual.json"))
        .group("trigger")
        .effect(EffectClass::Pure)
        .inputs(&[])
        .imports(&["n8n-nodes-base.manualTrigger", "n8n-nodes-base.start"])
        .example("{}");

    fn kind(&self) -> TriggerKind {
        TriggerKind::Manual
    }
}
