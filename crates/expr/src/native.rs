//! The fast path: expressions that only walk a path are walked here, without JavaScript.
//!
//! `$json.a.b["c"][0]`, the same below `$('X').item.json`, `.first()`, `.last()`, `$node["X"].json`
//! and `$input.item.json`, and the plain facts `$itemIndex`, `$runIndex`, `$workflow.id` and so on.
//! The outcome is what JavaScript would give, except that numbers keep all their digits: what is
//! missing is null, also below something missing.

use std::borrow::Cow;
use std::sync::Arc;

use kernel::{Item, Object, Value};

use crate::{Scope, pairing};

/// A path to walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    root: Root,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Root {
    Json,
    InputFirst,
    InputLast,
    Paired(Arc<str>),
    First(Arc<str>),
    Last(Arc<str>),
    SameIndex(Arc<str>),
    Fact(Fact),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fact {
    ItemIndex,
    RunIndex,
    WorkflowId,
    WorkflowName,
    WorkflowActive,
    ExecutionId,
    ExecutionMode,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl Path {
    /// The path that the script is, when it is nothing else.
    pub(crate) fn parse(script: &str) -> Option<Self> {
        let script = script.trim();
        let mut rest = Rest(script);
        let root = root(&mut rest)?;
        let mut steps = Vec::new();
        if let Root::Fact(_) = root {
            return rest.0.is_empty().then_some(Self { root, steps });
        }
        while !rest.0.is_empty() {
            steps.push(rest.step()?);
        }
        Some(Self { root, steps })
    }

    /// What stands at its end; errors are those of `$('X')`.
    pub(crate) fn evaluate<'s>(
        &self,
        scope: &'s Scope,
        item: usize,
    ) -> Result<Cow<'s, Value>, String> {
        let json = match &self.root {
            Root::Fact(fact) => return Ok(Cow::Owned(fact.value(scope, item))),
            Root::Json => input(scope).get(item),
            Root::InputFirst => input(scope).first(),
            Root::InputLast => input(scope).last(),
            Root::Paired(name) => {
                Some(pairing::trace(scope, item, pairing::node_of(scope, name)?)?)
            }
            Root::First(name) => output(scope, name)?.first(),
            Root::Last(name) => output(scope, name)?.last(),
            Root::SameIndex(name) => Some(same_index(scope, name, item)?),
        };
        Ok(json.map_or(Cow::Owned(Value::Null), |item| self.walk(&item.json)))
    }

    fn walk<'v>(&self, object: &'v Arc<Object>) -> Cow<'v, Value> {
        let Some((first, rest)) = self.steps.split_first() else {
            return Cow::Owned(Value::Object((**object).clone()));
        };
        let first = match first {
            Step::Key(key) => object.get(key),
            Step::Index(index) => object.get(&index.to_string()),
        };
        let mut value = match first {
            Some(value) => Cow::Borrowed(value),
            None => return Cow::Owned(Value::Null),
        };
        for step in rest {
            value = match value {
                Cow::Borrowed(value) => step.take(value),
                Cow::Owned(value) => Cow::Owned(step.take(&value).into_owned()),
            };
        }
        value
    }
}

impl Step {
    fn take<'v>(&self, value: &'v Value) -> Cow<'v, Value> {
        let found = match (value, self) {
            (Value::Object(object), Self::Key(key)) => object.get(key),
            (Value::Object(object), Self::Index(index)) => object.get(&index.to_string()),
            (Value::Array(array), Self::Index(index)) => array.get(*index),
            (Value::Array(array), Self::Key(key)) if key == "length" => {
                return Cow::Owned(Value::from(array.len()));
            }
            (Value::String(text), Self::Key(key)) if key == "length" => {
                return Cow::Owned(Value::from(text.encode_utf16().count()));
            }
            (Value::String(text), Self::Index(index)) => {
                let unit = text.encode_utf16().nth(*index);
                let unit = unit.map(|unit| String::from_utf16_lossy(&[unit]));
                return Cow::Owned(unit.map_or(Value::Null, Value::String));
            }
            _ => None,
        };
        found.map_or(Cow::Owned(Value::Null), Cow::Borrowed)
    }
}

impl Fact {
    fn value(self, scope: &Scope, item: usize) -> Value {
        match self {
            Self::ItemIndex => Value::from(item),
            Self::RunIndex => Value::from(scope.run_index),
            Self::WorkflowId => Value::String(scope.workflow.id.to_string()),
            Self::WorkflowName => Value::String(scope.workflow.name.clone()),
            Self::WorkflowActive => Value::Bool(scope.workflow.active),
            Self::ExecutionId => Value::String(scope.execution.id.to_string()),
            Self::ExecutionMode => Value::from(mode(scope)),
        }
    }
}

/// `$execution.mode`
pub(crate) fn mode(scope: &Scope) -> &'static str {
    if scope.execution.test { "test" } else { "production" }
}

/// Items of the main input.
pub(crate) fn input(scope: &Scope) -> &[Item] {
    scope.inputs.get(pairing::main_input(scope)).map_or(&[], |items| items.as_slice())
}

fn output<'s>(scope: &'s Scope, name: &str) -> Result<&'s [Item], String> {
    let node = pairing::node_of(scope, name)?;
    let items = pairing::output_of(scope, node, None, None)?;
    Ok(items.map_or(&[], |items| items.as_slice()))
}

/// The item of node `name` at the same index.
pub(crate) fn same_index<'s>(
    scope: &'s Scope,
    name: &str,
    item: usize,
) -> Result<&'s Item, String> {
    output(scope, name)?.get(item).ok_or_else(|| {
        format!("Node '{name}' put out no item with index {item}. Use $('{name}').item instead.")
    })
}

fn root(rest: &mut Rest<'_>) -> Option<Root> {
    if rest.eat("$json") {
        return rest.at_end_of_name().then_some(Root::Json);
    }
    if rest.eat("$input.item.json") {
        return rest.at_end_of_name().then_some(Root::Json);
    }
    if rest.eat("$input.first().json") {
        return rest.at_end_of_name().then_some(Root::InputFirst);
    }
    if rest.eat("$input.last().json") {
        return rest.at_end_of_name().then_some(Root::InputLast);
    }
    if rest.eat("$(") {
        let name: Arc<str> = rest.quoted()?.into();
        if !rest.eat(")") {
            return None;
        }
        let root = if rest.eat(".item.json") {
            Root::Paired(name)
        } else if rest.eat(".first().json") {
            Root::First(name)
        } else if rest.eat(".last().json") {
            Root::Last(name)
        } else {
            return None;
        };
        return rest.at_end_of_name().then_some(root);
    }
    if rest.eat("$node") {
        let Step::Key(name) = rest.step()? else { return None };
        if !rest.eat(".json") {
            return None;
        }
        return rest.at_end_of_name().then_some(Root::SameIndex(name.into()));
    }
    fact(rest).map(Root::Fact)
}

fn fact(rest: &mut Rest<'_>) -> Option<Fact> {
    let facts = [
        ("$itemIndex", Fact::ItemIndex),
        ("$runIndex", Fact::RunIndex),
        ("$workflow.id", Fact::WorkflowId),
        ("$workflow.name", Fact::WorkflowName),
        ("$workflow.active", Fact::WorkflowActive),
        ("$execution.id", Fact::ExecutionId),
        ("$execution.mode", Fact::ExecutionMode),
    ];
    facts.into_iter().find(|(text, _)| *text == rest.0).map(|(text, fact)| {
        rest.eat(text);
        fact
    })
}

/// What is left to parse.
struct Rest<'t>(&'t str);

impl<'t> Rest<'t> {
    fn eat(&mut self, text: &str) -> bool {
        match self.0.strip_prefix(text) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn at_end_of_name(&self) -> bool {
        !self.0.starts_with(is_name)
    }

    fn step(&mut self) -> Option<Step> {
        if self.eat("?.[") || self.eat("[") {
            let step = match self.0.chars().next()? {
                '"' | '\'' => Step::Key(self.quoted()?),
                _ => Step::Index(self.take_while(|c| c.is_ascii_digit()).parse().ok()?),
            };
            return self.eat("]").then(|| canonical(step));
        }
        if !self.eat("?.") && !self.eat(".") {
            return None;
        }
        let name = self.take_while(is_name);
        let starts_well = name.starts_with(|c: char| !c.is_ascii_digit());
        starts_well.then(|| Step::Key(name.to_owned()))
    }

    fn take_while(&mut self, keep: fn(char) -> bool) -> &'t str {
        let end = self.0.find(|c| !keep(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    /// A quoted text without escapes.
    fn quoted(&mut self) -> Option<String> {
        let quote = self.0.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let inside = &self.0[1..];
        let end = inside.find(quote)?;
        let text = &inside[..end];
        if text.contains(['\\', '\n', '\r']) {
            return None;
        }
        self.0 = &inside[end + 1..];
        Some(text.to_owned())
    }
}

fn is_name(c: char) -> bool {
    c == '_' || c == '$' || c.is_alphanumeric()
}

/// `["0"]` is the index 0, as in JavaScript.
fn canonical(step: Step) -> Step {
    match step {
        Step::Key(key) => match key.parse::<usize>() {
            Ok(index) if index.to_string() == key => Step::Index(index),
            _ => Step::Key(key),
        },
        step => step,
    }
}
