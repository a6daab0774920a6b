//! The four shapes a node type can have.

use std::future::Future;
use std::time::Duration;

use kernel::{FieldProblem, Item, Items, Object, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::about::{About, EffectClass, PortNames};
use crate::context::NodeContext;
use crate::error::NodeError;
use crate::hook::Hook;

/// Parameters of a node type; written by `#[params]`.
pub trait Params: DeserializeOwned + schemars::JsonSchema + Send + Sync + 'static {
    /// Tag and variant that are meant where an internally tagged enum's tag is absent.
    const DEFAULT_VARIANT: Option<(&'static str, &'static str)> = None;

    /// What the types cannot say; pointers are relative to the parameters.
    fn check(&self) -> Vec<FieldProblem> {
        Vec::new()
    }
}

/// A node that works on one item at a time. The engine resolves the parameters for each item, and
/// does pairing, windows, retries and continue-on-error.
pub trait EachItem: Params {
    /// The declaration.
    const ABOUT: About;

    /// What it does with these (resolved) parameters; at most [`About::effect`].
    fn effect(&self) -> EffectClass {
        Self::ABOUT.effect
    }

    /// The output items for one input item.
    fn item(
        &self,
        cx: &NodeContext,
        item: &Item,
    ) -> impl Future<Output = Result<Vec<Item>, NodeError>> + Send;
}

/// A node that sees all its inputs at once, and pairs its outputs itself.
///
/// A pure one is made once per workflow version from the raw parameters: whatever may be an
/// expression must be an [`crate::Expr`]. One that is not pure is made anew for each activation from
/// parameters resolved for item 0.
pub trait AllItems: Params {
    /// The declaration.
    const ABOUT: About;

    /// What it does with these parameters; at most [`About::effect`].
    fn effect(&self) -> EffectClass {
        Self::ABOUT.effect
    }

    /// Input ports with these parameters.
    fn inputs(&self) -> PortNames {
        Self::ABOUT.inputs.iter().map(ToString::to_string).collect()
    }

    /// Whether it runs only with items on every connected input port; else the items of one are
    /// enough.
    fn needs_every_input(&self) -> bool {
        false
    }

    /// Whether each item's outputs depend on that item alone; see [`About::itemwise`].
    fn itemwise(&self) -> bool {
        Self::ABOUT.itemwise
    }

    /// The outputs of each item of the first input by itself, in order. Asked of itemwise nodes when
    /// some item failed and failures do not stop the run. An error is that of all items.
    fn apart(
        &self,
        cx: &NodeContext,
        inputs: &[Items],
    ) -> impl Future<Output = Result<Vec<ItemOutcome>, NodeError>> + Send {
        async move {
            let count = inputs.first().map_or(0, |items| items.len());
            let mut outcomes = Vec::with_capacity(count);
            for index in 0..count {
                outcomes.push(self.all(&cx.only(index), inputs).await);
            }
            Ok(outcomes)
        }
    }

    /// Output ports with these parameters.
    fn outputs(&self) -> PortNames {
        Self::ABOUT.outputs.iter().map(ToString::to_string).collect()
    }

    /// The items of each output port.
    fn all(
        &self,
        cx: &NodeContext,
        inputs: &[Items],
    ) -> impl Future<Output = Result<Vec<Items>, NodeError>> + Send;
}

/// The items of each output port that came of one item, or why none did.
pub type ItemOutcome = Result<Vec<Items>, NodeError>;

/// A node that asks the engine for something. Parameters as for a pure [`AllItems`].
pub trait Steer: Params {
    /// The declaration.
    const ABOUT: About;

    /// What the engine shall do.
    fn steer(&self, cx: &NodeContext, inputs: &[Items]) -> Result<Directive, NodeError>;
}

/// A node that starts runs.
pub trait Trigger: Params {
    /// The declaration.
    const ABOUT: About;

    /// What to listen to.
    fn kind(&self) -> TriggerKind;
}

/// What a [`Steer`] node asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Directive {
    /// Nothing: these are the outputs.
    Outputs(Vec<Items>),
    /// Go on with the input items after this long.
    Wait(Duration),
    /// Answer the caller of a synchronous hook, then pass the input items on.
    Respond(Reply),
    /// Run another workflow and go on with its last node's items.
    Call {
        /// Id or name of the workflow: one for all runs, or one for each.
        workflow: Callee,
        /// One run for all items or one for each.
        mode: CallMode,
        /// Whether to wait for its end; otherwise the input items pass on.
        wait: bool,
    },
}

/// Which workflows a call runs, by id or name. The journal holds the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Callee {
    /// This one.
    Same(String),
    /// For each item its own.
    Each(Vec<String>),
}

impl From<String> for Callee {
    fn from(name: String) -> Self {
        Self::Same(name)
    }
}

impl From<&str> for Callee {
    fn from(name: &str) -> Self {
        Self::Same(name.to_owned())
    }
}

impl From<Vec<String>> for Callee {
    /// Names that are all the same are one.
    fn from(mut names: Vec<String>) -> Self {
        match names.iter().all(|name| *name == names[0]) {
            true if !names.is_empty() => Self::Same(names.swap_remove(0)),
            _ => Self::Each(names),
        }
    }
}

impl Callee {
    /// The workflow of the run at this place.
    pub fn of(&self, child: usize) -> &str {
        match self {
            Self::Same(name) => name,
            Self::Each(names) => names.get(child).map_or("", String::as_str),
        }
    }
}

/// How many runs a call makes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CallMode {
    /// One, with all items.
    #[default]
    Once,
    /// One per item.
    EachItem,
}

/// What triggers a run.
#[derive(Clone, Debug, PartialEq)]
pub enum TriggerKind {
    /// A person, the command line or an API call.
    Manual,
    /// An HTTP request.
    Webhook(Box<Hook>),
}

/// An answer to the caller of a hook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers, in order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: ReplyBody,
}

/// The body of a [`Reply`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyBody {
    /// None.
    Empty,
    /// JSON.
    Json(Value),
    /// Text as it is.
    Text(String),
    /// A binary property's bytes, by blob key.
    Blob(kernel::item::BinaryRef),
}

impl Reply {
    /// 200 with this JSON.
    pub fn json(value: Value) -> Self {
        Self { status: 200, headers: Vec::new(), body: ReplyBody::Json(value) }
    }

    /// 200 with the items' JSON as an array.
    pub fn all_items(items: &[Item]) -> Self {
        let list = items.iter().map(|item| Value::Object(Object::clone(&item.json))).collect();
        Self::json(Value::Array(list))
    }
}
