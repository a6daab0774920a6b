//! `Expr<T>`: a parameter that the node resolves itself, per item.

use std::any::Any;
use std::borrow::Cow;

use expr::{Scope, Template};
use kernel::{Problem, Value, codes};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::prepared::Raw;

/// Either a literal `T`, checked when the workflow is saved, or something with expressions in it
/// that gives one.
#[derive(Clone, Debug)]
pub struct Expr<T>(Source<T>);

#[derive(Clone, Debug)]
enum Source<T> {
    Literal(T),
    Raw(Raw),
}

impl<T: DeserializeOwned + Clone + 'static> Expr<T> {
    /// A literal.
    pub fn literal(value: T) -> Self {
        Self(Source::Literal(value))
    }

    /// The value for item `item` of the activation's first connected input.
    ///
    /// Errors: those of the expression, and `node.parameter` when its value is of the wrong kind.
    pub fn get(&self, scope: &Scope, item: usize) -> Result<T, Problem> {
        self.view(scope, item).map(Cow::into_owned)
    }

    /// [`Expr::get`] without copying a literal.
    pub fn view<'a>(&'a self, scope: &Scope, item: usize) -> Result<Cow<'a, T>, Problem> {
        match &self.0 {
            Source::Literal(value) => Ok(Cow::Borrowed(value)),
            Source::Raw(raw) => {
                let value = raw.resolve(scope, item)?;
                typed(value).map(Cow::Owned).map_err(|error| {
                    let source = raw.templates().first().map_or("", |template| template.source());
                    let detail = format!("{source} gave a value of the wrong kind: {error}.");
                    Problem::new(codes::NODE_PARAMETER, detail)
                })
            }
        }
    }

    /// The literal, unless there is an expression in it.
    pub fn as_literal(&self) -> Option<&T> {
        match &self.0 {
            Source::Literal(value) => Some(value),
            Source::Raw(_) => None,
        }
    }

    /// The template, when the whole parameter is one.
    pub fn template(&self) -> Option<&Template> {
        match &self.0 {
            Source::Raw(Raw::Template(template)) => Some(template),
            Source::Literal(_) | Source::Raw(_) => None,
        }
    }
}

/// A value as a `T`; a [`Value`] is moved, not rebuilt.
fn typed<T: DeserializeOwned + 'static>(value: Value) -> Result<T, serde_json::Error> {
    let mut slot = Some(value);
    if let Some(same) = (&mut slot as &mut dyn Any).downcast_mut::<Option<T>>() {
        return Ok(same.take().expect("the slot was filled two lines above"));
    }
    T::deserialize(slot.take().expect("only a Value is taken out of the slot above"))
}

impl<T: Default + DeserializeOwned + Clone + 'static> Default for Expr<T> {
    fn default() -> Self {
        Self::literal(T::default())
    }
}

impl<'de, T: DeserializeOwned + 'static> Deserialize<'de> for Expr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let value = Value::deserialize(deserializer)?;
        match Raw::parse(&value).map_err(|problem| D::Error::custom(problem.detail))? {
            Raw::Literal(_) => {
                typed(value).map(|value| Self(Source::Literal(value))).map_err(D::Error::custom)
            }
            raw => Ok(Self(Source::Raw(raw))),
        }
    }
}

impl<T: Serialize> Serialize for Expr<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Source::Literal(value) => value.serialize(serializer),
            Source::Raw(raw) => raw.source().serialize(serializer),
        }
    }
}

/// Key of a schema that says: here, and anywhere below, expressions may stand.
pub(crate) const EXPRESSION_KEY: &str = "x-expression";

impl<T: schemars::JsonSchema> schemars::JsonSchema for Expr<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Expr_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let literal = generator.subschema_for::<T>();
        let template = schemars::json_schema!({ "type": "string", "pattern": "^=" });
        schemars::json_schema!({ "anyOf": [literal, template], (EXPRESSION_KEY): true })
    }
}
