//! Makes a [`NodeType`] of each of the four shapes.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use expr::Scope;
use futures::future::BoxFuture;
use kernel::{FieldProblem, Item, Items, Object, Problem, Value, codes};

use crate::about::{About, EffectClass, PortNames};
use crate::check::{Templates, check};
use crate::context::NodeContext;
use crate::error::NodeError;
use crate::prepared::{PreparedNode, Raw, Shape};
use crate::registry::NodeType;
use crate::shape::{
    AllItems, Directive, EachItem, ItemOutcome, Params, Steer, Trigger, TriggerKind,
};

impl NodeType {
    /// The type of an [`EachItem`] node.
    pub const fn each<T: EachItem>() -> Self {
        Self {
            about: const { &T::ABOUT },
            shape: Shape::Each,
            schema: || Value::clone(&schema_of::<T>()),
            prepare: |parameters| {
                let source = Source::<T>::of(parameters, Templates::Everywhere)?;
                Ok(Arc::new(EachNode(source)))
            },
        }
    }

    /// The type of an [`AllItems`] node.
    pub const fn all<T: AllItems>() -> Self {
        Self {
            about: const { &T::ABOUT },
            shape: Shape::All,
            schema: || Value::clone(&schema_of::<T>()),
            prepare: |parameters| {
                let source = Source::<T>::of(parameters, all_templates::<T>())?;
                Ok(Arc::new(AllNode(source)))
            },
        }
    }

    /// The type of a [`Steer`] node.
    pub const fn steer<T: Steer>() -> Self {
        Self {
            about: const { &T::ABOUT },
            shape: Shape::Steer,
            schema: || Value::clone(&schema_of::<T>()),
            prepare: |parameters| {
                let node = made::<T>(parameters, Templates::WhereDeclared)?;
                Ok(Arc::new(SteerNode(node)))
            },
        }
    }

    /// The type of a [`Trigger`] node.
    pub const fn trigger<T: Trigger>() -> Self {
        Self {
            about: const { &T::ABOUT },
            shape: Shape::Trigger,
            schema: || Value::clone(&schema_of::<T>()),
            prepare: |parameters| {
                let node = made::<T>(parameters, Templates::WhereDeclared)?;
                Ok(Arc::new(TriggerNode(node)))
            },
        }
    }
}

/// Made once for each node type: a document may have thousands of nodes.
static SCHEMAS: LazyLock<Mutex<HashMap<TypeId, Arc<Value>>>> = LazyLock::new(Mutex::default);

fn schema_of<T: Params>() -> Arc<Value> {
    let mut schemas = SCHEMAS.lock().unwrap_or_else(PoisonError::into_inner);
    let schema = schemas.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(make_schema::<T>()));
    Arc::clone(schema)
}

/// JSON Schema of the parameters; the tag of a default variant is not required.
fn make_schema<T: Params>() -> Value {
    let mut schema = schemars::schema_for!(T).to_value();
    if let Some((tag, default)) = T::DEFAULT_VARIANT
        && let Some(variants) = schema.get_mut("oneOf").and_then(Value::as_array_mut)
    {
        for variant in variants {
            if variant["properties"][tag]["const"] == default {
                variant["properties"][tag]["default"] = default.into();
                if let Some(required) = variant.get_mut("required").and_then(Value::as_array_mut) {
                    required.retain(|name| name != tag);
                }
            }
        }
    }
    schema
}

/// Checks parameters without expressions to resolve and makes the node.
fn made<T: Params>(parameters: &Object, templates: Templates) -> Result<T, Vec<FieldProblem>> {
    let value = Value::Object(parameters.clone());
    let faults = check(&schema_of::<T>(), &value, templates);
    if !faults.is_empty() {
        return Err(faults);
    }
    let node: T = deserialized(parameters.clone()).map_err(|detail| vec![whole(detail)])?;
    let faults = node.check();
    if faults.is_empty() { Ok(node) } else { Err(faults) }
}

fn deserialized<T: Params>(mut parameters: Object) -> Result<T, String> {
    if let Some((tag, default)) = T::DEFAULT_VARIANT
        && !parameters.contains_key(tag)
    {
        parameters.insert(tag.to_owned(), default.into());
    }
    T::deserialize(Value::Object(parameters)).map_err(|error| format!("{error}."))
}

/// A fault for which no better place is known.
fn whole(detail: String) -> FieldProblem {
    FieldProblem { pointer: String::new(), code: codes::NODE_PARAMETER.to_string(), detail }
}

/// Makes a node of parameters whose expressions have been evaluated.
fn resolved<T: Params>(parameters: Value) -> Result<T, NodeError> {
    let wrong = |faults: Vec<FieldProblem>| {
        let detail = faults.iter().map(|fault| format!("{}: {}", fault.pointer, fault.detail));
        let detail = detail.collect::<Vec<_>>().join(" ");
        let mut problem = Problem::new(codes::NODE_PARAMETER, detail);
        problem.errors = faults;
        NodeError::Fatal(problem)
    };
    let Value::Object(object) = parameters else {
        return Err(wrong(vec![whole("Parameters must be an object.".to_owned())]));
    };
    // The schema is walked only to say where the fault is: not for every item.
    let node: T = deserialized(object.clone()).map_err(|detail| {
        let faults = check(&schema_of::<T>(), &Value::Object(object), Templates::Resolved);
        wrong(if faults.is_empty() { vec![whole(detail)] } else { faults })
    })?;
    let faults = node.check();
    if faults.is_empty() { Ok(node) } else { Err(wrong(faults)) }
}

/// Parameters as a document gives them.
enum Source<T> {
    /// Complete: made once.
    Made(T, Value),
    /// With expressions to evaluate first.
    Raw(Raw),
}

impl<T: Params> Source<T> {
    fn of(parameters: &Object, templates: Templates) -> Result<Self, Vec<FieldProblem>> {
        let value = Value::Object(parameters.clone());
        if templates != Templates::Everywhere {
            return made(parameters, templates).map(|node| Self::Made(node, Value::Null));
        }
        let faults = check(&schema_of::<T>(), &value, templates);
        if !faults.is_empty() {
            return Err(faults);
        }
        match Raw::parse(&value) {
            Ok(Raw::Literal(value)) => made(parameters, templates).map(|n| Self::Made(n, value)),
            Ok(raw) => Ok(Self::Raw(raw)),
            Err(problem) => Err(vec![whole(problem.detail)]),
        }
    }

    fn resolve(&self, scope: &Scope, item: usize) -> Result<Value, Problem> {
        match self {
            Self::Made(_, value) => Ok(value.clone()),
            Self::Raw(raw) => raw.resolve(scope, item),
        }
    }

    /// The class with these resolved parameters; `bound` if they make no node.
    fn effect(
        &self,
        parameters: &Value,
        bound: EffectClass,
        of: fn(&T) -> EffectClass,
    ) -> EffectClass {
        match self {
            Self::Made(node, _) => of(node),
            Self::Raw(_) => resolved(parameters.clone()).map_or(bound, |node| of(&node)),
        }
    }
}

/// Ends the work when the run is cancelled or the time is up.
async fn until_cancelled<R: Send>(
    cx: &NodeContext,
    work: impl Future<Output = Result<R, NodeError>> + Send,
) -> Result<R, NodeError> {
    tokio::select! {
        biased;
        () = cx.cancel.cancelled() => Err(NodeError::Cancelled),
        result = work => result,
    }
}

fn names(ports: &[&str]) -> PortNames {
    ports.iter().map(ToString::to_string).collect()
}

struct EachNode<T>(Source<T>);

impl<T: EachItem> PreparedNode for EachNode<T> {
    fn about(&self) -> &'static About {
        const { &T::ABOUT }
    }
    fn shape(&self) -> Shape {
        Shape::Each
    }
    fn inputs(&self) -> PortNames {
        names(T::ABOUT.inputs)
    }
    fn outputs(&self) -> PortNames {
        names(T::ABOUT.outputs)
    }
    fn resolve(&self, scope: &Scope, item: usize) -> Result<Value, Problem> {
        self.0.resolve(scope, item)
    }
    fn effect(&self, parameters: &Value) -> EffectClass {
        self.0.effect(parameters, T::ABOUT.effect, T::effect)
    }
    fn run_item<'a>(
        &'a self,
        cx: &'a NodeContext,
        parameters: Value,
        item: &'a Item,
    ) -> BoxFuture<'a, Result<Vec<Item>, NodeError>> {
        Box::pin(until_cancelled(cx, async move {
            match &self.0 {
                Source::Made(node, _) => node.item(cx, item).await,
                Source::Raw(_) => resolved::<T>(parameters)?.item(cx, item).await,
            }
        }))
    }
}

/// Pure ones are made once, so their expressions must stand in `Expr` parameters.
fn all_templates<T: AllItems>() -> Templates {
    match T::ABOUT.effect {
        EffectClass::Pure => Templates::WhereDeclared,
        EffectClass::Read | EffectClass::External | EffectClass::Platform => Templates::Everywhere,
    }
}

struct AllNode<T>(Source<T>);

impl<T: AllItems> PreparedNode for AllNode<T> {
    fn about(&self) -> &'static About {
        const { &T::ABOUT }
    }
    fn shape(&self) -> Shape {
        Shape::All
    }
    fn inputs(&self) -> PortNames {
        match &self.0 {
            Source::Made(node, _) => node.inputs(),
            Source::Raw(_) => names(T::ABOUT.inputs),
        }
    }
    fn itemwise(&self) -> bool {
        match &self.0 {
            Source::Made(node, _) => node.itemwise(),
            Source::Raw(_) => false,
        }
    }
    fn run_apart<'a>(
        &'a self,
        cx: &'a NodeContext,
        inputs: &'a [Items],
    ) -> BoxFuture<'a, Result<Vec<ItemOutcome>, NodeError>> {
        Box::pin(until_cancelled(cx, async move {
            match &self.0 {
                Source::Made(node, _) => node.apart(cx, inputs).await,
                // Not itemwise: nobody asks.
                Source::Raw(_) => Err(NodeError::Fatal(Problem::internal())),
            }
        }))
    }
    fn needs_every_input(&self) -> bool {
        match &self.0 {
            Source::Made(node, _) => node.needs_every_input(),
            Source::Raw(_) => false,
        }
    }
    fn outputs(&self) -> PortNames {
        match &self.0 {
            Source::Made(node, _) => node.outputs(),
            Source::Raw(_) => names(T::ABOUT.outputs),
        }
    }
    fn resolve(&self, scope: &Scope, item: usize) -> Result<Value, Problem> {
        self.0.resolve(scope, item)
    }
    fn effect(&self, parameters: &Value) -> EffectClass {
        self.0.effect(parameters, T::ABOUT.effect, T::effect)
    }
    fn run_all<'a>(
        &'a self,
        cx: &'a NodeContext,
        parameters: Value,
        inputs: &'a [Items],
    ) -> BoxFuture<'a, Result<Vec<Items>, NodeError>> {
        Box::pin(until_cancelled(cx, async move {
            match &self.0 {
                Source::Made(node, _) => node.all(cx, inputs).await,
                Source::Raw(_) => resolved::<T>(parameters)?.all(cx, inputs).await,
            }
        }))
    }
}

struct SteerNode<T>(T);

impl<T: Steer> PreparedNode for SteerNode<T> {
    fn about(&self) -> &'static About {
        const { &T::ABOUT }
    }
    fn shape(&self) -> Shape {
        Shape::Steer
    }
    fn inputs(&self) -> PortNames {
        names(T::ABOUT.inputs)
    }
    fn outputs(&self) -> PortNames {
        names(T::ABOUT.outputs)
    }
    fn effect(&self, _: &Value) -> EffectClass {
        T::ABOUT.effect
    }
    fn steer(&self, cx: &NodeContext, inputs: &[Items]) -> Result<Directive, NodeError> {
        self.0.steer(cx, inputs)
    }
}

struct TriggerNode<T>(T);

impl<T: Trigger> PreparedNode for TriggerNode<T> {
    fn about(&self) -> &'static About {
        const { &T::ABOUT }
    }
    fn shape(&self) -> Shape {
        Shape::Trigger
    }
    fn inputs(&self) -> PortNames {
        names(T::ABOUT.inputs)
    }
    fn outputs(&self) -> PortNames {
        names(T::ABOUT.outputs)
    }
    fn effect(&self, _: &Value) -> EffectClass {
        T::ABOUT.effect
    }
    fn trigger(&self) -> Option<TriggerKind> {
        Some(self.0.kind())
    }
}
