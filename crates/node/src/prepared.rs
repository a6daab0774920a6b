//! A node type with a document's parameters: what the engine holds and runs.

use std::sync::Arc;

use expr::{Scope, Template};
use futures::future::BoxFuture;
use kernel::{Item, Items, Object, Problem, Value, json};

use crate::about::{About, EffectClass, PortNames};
use crate::context::NodeContext;
use crate::error::NodeError;
use crate::shape::{Directive, ItemOutcome, TriggerKind};

/// A node ready to run. Which of the `run_*` and `steer` applies is said by [`PreparedNode::shape`].
pub trait PreparedNode: Send + Sync {
    /// The type's declaration.
    fn about(&self) -> &'static About;
    /// Which of the methods below applies.
    fn shape(&self) -> Shape;
    /// Input ports.
    fn inputs(&self) -> PortNames;
    /// Whether a join runs only with items on every connected input port.
    fn needs_every_input(&self) -> bool {
        false
    }
    /// Output ports, without the error port.
    fn outputs(&self) -> PortNames;
    /// Parameters with every expression replaced by its value for this item: what an intent stores
    /// and what `run_item` and `run_all` take. `Value::Null` for nodes that resolve expressions
    /// themselves: pure [`Shape::All`], [`Shape::Steer`].
    fn resolve(&self, _scope: &Scope, _item: usize) -> Result<Value, Problem> {
        Ok(Value::Null)
    }
    /// What running it with these resolved parameters does.
    fn effect(&self, resolved: &Value) -> EffectClass;
    /// [`Shape::Each`]: the outputs for one item, not yet paired.
    fn run_item<'a>(
        &'a self,
        _cx: &'a NodeContext,
        _resolved: Value,
        _item: &'a Item,
    ) -> BoxFuture<'a, Result<Vec<Item>, NodeError>> {
        Box::pin(async { Err(wrong_shape(self.about())) })
    }
    /// [`Shape::All`]: the outputs of all ports.
    fn run_all<'a>(
        &'a self,
        _cx: &'a NodeContext,
        _resolved: Value,
        _inputs: &'a [Items],
    ) -> BoxFuture<'a, Result<Vec<Items>, NodeError>> {
        Box::pin(async { Err(wrong_shape(self.about())) })
    }
    /// Whether items do not depend on each other, so that [`PreparedNode::run_apart`] may be asked.
    fn itemwise(&self) -> bool {
        self.about().itemwise
    }
    /// [`Shape::All`], itemwise: the outputs of each item of the first input by itself.
    fn run_apart<'a>(
        &'a self,
        _cx: &'a NodeContext,
        _inputs: &'a [Items],
    ) -> BoxFuture<'a, Result<Vec<ItemOutcome>, NodeError>> {
        Box::pin(async { Err(wrong_shape(self.about())) })
    }
    /// [`Shape::Steer`]: what the engine shall do.
    fn steer(&self, _cx: &NodeContext, _inputs: &[Items]) -> Result<Directive, NodeError> {
        Err(wrong_shape(self.about()))
    }
    /// [`Shape::Trigger`]: what to listen to.
    fn trigger(&self) -> Option<TriggerKind> {
        None
    }
}

/// What a node answers when it is asked as another shape: the engine has a fault.
fn wrong_shape(about: &About) -> NodeError {
    tracing::error!(node.kind = about.name, "a node was run as another shape than its own");
    NodeError::Fatal(Problem::internal())
}

/// The shape of a node type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// [`crate::EachItem`]
    Each,
    /// [`crate::AllItems`]
    All,
    /// [`crate::Steer`]
    Steer,
    /// [`crate::Trigger`]
    Trigger,
}

/// A parameter tree with its templates parsed once.
#[derive(Clone, Debug)]
pub enum Raw {
    /// No expression anywhere below.
    Literal(Value),
    /// An expression.
    Template(Template),
    /// A list with an expression somewhere in it.
    Array(Vec<Raw>),
    /// An object with an expression somewhere in it.
    Object(Vec<(String, Raw)>),
}

impl Raw {
    /// Parses every string that begins with `=`. The error's pointer is relative to `value`.
    pub fn parse(value: &Value) -> Result<Self, Problem> {
        parse_at(value, &mut String::new())
    }

    /// The tree with every template evaluated for this item.
    pub fn resolve(&self, scope: &Scope, item: usize) -> Result<Value, Problem> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Template(template) => template.evaluate(scope, item),
            Self::Array(list) => list
                .iter()
                .map(|raw| raw.resolve(scope, item))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            Self::Object(fields) => {
                let mut object = Object::new();
                for (name, raw) in fields {
                    object.insert(name.clone(), raw.resolve(scope, item)?);
                }
                Ok(Value::Object(object))
            }
        }
    }

    /// The tree as it was written.
    pub fn source(&self) -> Value {
        match self {
            Self::Literal(value) => value.clone(),
            Self::Template(template) => Value::String(template.source().to_owned()),
            Self::Array(list) => list.iter().map(Self::source).collect(),
            Self::Object(fields) => {
                fields.iter().map(|(name, raw)| (name.clone(), raw.source())).collect()
            }
        }
    }

    /// Every template in the tree.
    pub fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Literal(_) => Vec::new(),
            Self::Template(template) => vec![template],
            Self::Array(list) => list.iter().flat_map(Self::templates).collect(),
            Self::Object(fields) => fields.iter().flat_map(|(_, raw)| raw.templates()).collect(),
        }
    }
}

fn parse_at(value: &Value, pointer: &mut String) -> Result<Raw, Problem> {
    let below = |pointer: &mut String, key: &str, value: &Value| {
        let length = pointer.len();
        json::push_key(pointer, key);
        let raw = parse_at(value, pointer);
        pointer.truncate(length);
        raw
    };
    match value {
        Value::String(text) if text.starts_with('=') => {
            Template::parse(text).map(Raw::Template).map_err(|problem| {
                let (code, detail) = (problem.code, problem.detail.clone());
                problem.at(pointer.clone(), code, detail)
            })
        }
        Value::Array(list) => {
            let mut parsed = Vec::with_capacity(list.len());
            for (index, value) in list.iter().enumerate() {
                parsed.push(below(pointer, &index.to_string(), value)?);
            }
            let literal = parsed.iter().all(|raw| matches!(raw, Raw::Literal(_)));
            Ok(if literal { Raw::Literal(value.clone()) } else { Raw::Array(parsed) })
        }
        Value::Object(object) => {
            let mut parsed = Vec::with_capacity(object.len());
            for (name, value) in object {
                parsed.push((name.clone(), below(pointer, name, value)?));
            }
            let literal = parsed.iter().all(|(_, raw)| matches!(raw, Raw::Literal(_)));
            Ok(if literal { Raw::Literal(value.clone()) } else { Raw::Object(parsed) })
        }
        value => Ok(Raw::Literal(value.clone())),
    }
}

/// Shared by everything that runs the same version of a workflow.
pub type SharedNode = Arc<dyn PreparedNode>;
