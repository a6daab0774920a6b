//! `Expr<T>`: a parameter that the node resolves itself, per item.

use std::marker::PhantomData;

use expr::{Scope, Template};
use kernel::{Problem, Value, codes};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

/// Either a literal `T`, checked when the workflow is saved, or an expression that gives one.
#[derive(Clone, Debug)]
pub struct Expr<T> {
    source: Source<T>,
    kind: PhantomData<fn() -> T>,
}

#[derive(Clone, Debug)]
enum Source<T> {
    Literal(T),
    Template(Template),
}

impl<T: DeserializeOwned + Clone> Expr<T> {
    /// A literal.
    pub fn literal(value: T) -> Self {
        Self { source: Source::Literal(value), kind: PhantomData }
    }

    /// The value for item `item` of the activation's first connected input.
    pub fn get(&self, scope: &Scope, item: usize) -> Result<T, Problem> {
        match &self.source {
            Source::Literal(value) => Ok(value.clone()),
            Source::Template(template) => {
                let value = template.evaluate(scope, item)?;
                T::deserialize(value).map_err(|error| {
                    let detail =
                        format!("{} gave a value of the wrong kind: {error}", template.source());
                    Problem::new(codes::NODE_PARAMETER, detail)
                })
            }
        }
    }

    /// The template, when it is one.
    pub fn template(&self) -> Option<&Template> {
        match &self.source {
            Source::Template(template) => Some(template),
            Source::Literal(_) => None,
        }
    }
}

impl<T: Default + DeserializeOwned + Clone> Default for Expr<T> {
    fn default() -> Self {
        Self::literal(T::default())
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Expr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let source = match Value::deserialize(deserializer)? {
            Value::String(text) if text.starts_with('=') => Source::Template(
                Template::parse(&text).map_err(|problem| D::Error::custom(problem.detail))?,
            ),
            value => Source::Literal(T::deserialize(value).map_err(D::Error::custom)?),
        };
        Ok(Self { source, kind: PhantomData })
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for Expr<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Expr_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let literal = generator.subschema_for::<T>();
        schemars::json_schema!({ "anyOf": [literal, { "type": "string", "pattern": "^=" }] })
    }
}
