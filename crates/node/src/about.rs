//! What is known of a node type without its parameters.

use serde::{Deserialize, Serialize};

/// What running a node may do to the world. The order is that of caution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectClass {
    /// Nothing but its output: may run again at will, needs no durable write before its successors.
    Pure,
    /// Looks at the outside without changing it (HTTP GET, read a file): may run again.
    Read,
    /// Changes the outside (POST, mail, write a file): runs only after everything before it in its
    /// run is durable, and its intent too.
    External,
    /// Writes to FlowForge's own tables, in the same transaction as its result.
    Platform,
}

/// What to do when a crash left an effect's intent without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MayHaveRun {
    /// Do it again: the service recognises the idempotency key, or twice does no harm.
    Retry,
    /// Park the run until a person says.
    Ask,
    /// Fail the activation with `run.may_have_run`.
    Fail,
}

/// Names of a node's ports, in order.
pub type PortNames = Vec<String>;

/// The fixed part of a node type's declaration.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// `service.noun.verb`, or `core.noun`.
    pub name: &'static str,
    /// Version; a published version never changes its meaning.
    pub version: u32,
    /// Group in the node creator: `trigger`, `flow`, `data`, `http`, `file`, `code`.
    pub group: &'static str,
    /// Upper bound of what it may do; see [`crate::EachItem::effect`].
    pub effect: EffectClass,
    /// Default for [`MayHaveRun`] of external effects.
    pub may_have_run: MayHaveRun,
    /// Whether each item's outputs depend on that item alone, so that one item's failure need not be
    /// the others'. For pure [`crate::AllItems`] with one input.
    pub itemwise: bool,
    /// Output of the items that fail where failures neither stop the run nor have an output of their
    /// own: they go there as they came. `None`: the first output, as `{error}`.
    pub failed_output: Option<usize>,
    /// Input port names; empty for triggers. A node with several joins them.
    pub inputs: &'static [&'static str],
    /// Output port names unless the parameters say otherwise.
    pub outputs: &'static [&'static str],
    /// Node types of other products an importer maps to it.
    pub imports: &'static [&'static str],
    /// An example of its parameters, as JSON; the conformance suite runs it through the schema.
    pub example: &'static str,
    /// Examples with their items, as a JSON list of [`crate::Example`]; the conformance suite runs
    /// each.
    pub examples: &'static str,
    /// Other words by which it is searched for.
    pub synonyms: &'static [&'static str],
}

impl About {
    /// A pure node with one input and one output, both called `main`.
    pub const fn new(name: &'static str, version: u32) -> Self {
        Self {
            name,
            version,
            group: "data",
            effect: EffectClass::Pure,
            may_have_run: MayHaveRun::Ask,
            itemwise: false,
            failed_output: None,
            inputs: &["main"],
            outputs: &["main"],
            imports: &[],
            example: "{}",
            examples: "[]",
            synonyms: &[],
        }
    }
    /// Sets the group.
    pub const fn group(mut self, group: &'static str) -> Self {
        self.group = group;
        self
    }
    /// Sets the effect class.
    pub const fn effect(mut self, effect: EffectClass) -> Self {
        self.effect = effect;
        self
    }
    /// Sets what happens to an effect that may have run.
    pub const fn may_have_run(mut self, policy: MayHaveRun) -> Self {
        self.may_have_run = policy;
        self
    }
    /// Says that items do not depend on each other.
    pub const fn itemwise(mut self) -> Self {
        self.itemwise = true;
        self
    }
    /// Sets the output that takes failed items as they came.
    pub const fn failed_output(mut self, output: usize) -> Self {
        self.failed_output = Some(output);
        self
    }
    /// Sets the input ports.
    pub const fn inputs(mut self, inputs: &'static [&'static str]) -> Self {
        self.inputs = inputs;
        self
    }
    /// Sets the output ports.
    pub const fn outputs(mut self, outputs: &'static [&'static str]) -> Self {
        self.outputs = outputs;
        self
    }
    /// Sets the foreign node types it stands for.
    pub const fn imports(mut self, imports: &'static [&'static str]) -> Self {
        self.imports = imports;
        self
    }
    /// Sets the example parameters (JSON).
    pub const fn example(mut self, example: &'static str) -> Self {
        self.example = example;
        self
    }
    /// Sets the examples (a JSON list of [`crate::Example`]).
    pub const fn examples(mut self, examples: &'static str) -> Self {
        self.examples = examples;
        self
    }
    /// Sets other words by which it is searched for.
    pub const fn synonyms(mut self, synonyms: &'static [&'static str]) -> Self {
        self.synonyms = synonyms;
        self
    }
}
