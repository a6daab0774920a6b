//! The operators of conditions: `kind.relation`, such as `string.equals` or `number.gt`.

use std::borrow::Cow;
use std::fmt;

use kernel::suggest::did_you_mean;
use serde::{Deserialize, Deserializer};

/// What both sides are read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Any,
    String,
    Number,
    Boolean,
    Date,
    Array,
    Object,
}

impl Kind {
    /// What a message says is wanted.
    pub(crate) fn wanted(self) -> &'static str {
        match self {
            Self::Any => "a value",
            Self::String => "a text",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Date => "a date",
            Self::Array => "a list",
            Self::Object => "an object",
        }
    }
}

/// What is asked of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Exists,
    NotExists,
    IsEmpty,
    IsNotEmpty,
    IsTrue,
    IsFalse,
    Equals,
    NotEquals,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Contains,
    NotContains,
    StartsWith,
    NotStartsWith,
    EndsWith,
    NotEndsWith,
    Regex,
    NotRegex,
    LengthEquals,
    LengthNotEquals,
    LengthGreater,
    LengthGreaterOrEqual,
    LengthLess,
    LengthLessOrEqual,
}

impl Relation {
    /// Whether there is something to compare with.
    pub(crate) fn wants_right(self) -> bool {
        !matches!(
            self,
            Self::Exists
                | Self::NotExists
                | Self::IsEmpty
                | Self::IsNotEmpty
                | Self::IsTrue
                | Self::IsFalse
        )
    }

    /// What the right side is read as, where the left one is a `kind`.
    pub(crate) fn right_kind(self, kind: Kind) -> Kind {
        match kind {
            Kind::Array if self.of_length().is_some() => Kind::Number,
            Kind::Array => Kind::Any,
            kind => kind,
        }
    }

    /// What a relation of lengths asks of the length.
    pub(crate) fn of_length(self) -> Option<Self> {
        match self {
            Self::LengthEquals => Some(Self::Equals),
            Self::LengthNotEquals => Some(Self::NotEquals),
            Self::LengthGreater => Some(Self::Greater),
            Self::LengthGreaterOrEqual => Some(Self::GreaterOrEqual),
            Self::LengthLess => Some(Self::Less),
            Self::LengthLessOrEqual => Some(Self::LessOrEqual),
            _ => None,
        }
    }
}

/// A kind and a relation it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) kind: Kind,
    pub(crate) relation: Relation,
}

const fn row(name: &'static str, kind: Kind, relation: Relation) -> (&'static str, Operator) {
    (name, Operator { kind, relation })
}

/// Every operator, as the editor lists them.
const OPERATORS: &[(&str, Operator)] = &[
    row("exists", Kind::Any, Relation::Exists),
    row("not_exists", Kind::Any, Relation::NotExists),
    row("is_empty", Kind::Any, Relation::IsEmpty),
    row("is_not_empty", Kind::Any, Relation::IsNotEmpty),
    row("string.equals", Kind::String, Relation::Equals),
    row("string.not_equals", Kind::String, Relation::NotEquals),
    row("string.contains", Kind::String, Relation::Contains),
    row("string.not_contains", Kind::String, Relation::NotContains),
    row("string.starts_with", Kind::String, Relation::StartsWith),
    row("string.not_starts_with", Kind::String, Relation::NotStartsWith),
    row("string.ends_with", Kind::String, Relation::EndsWith),
    row("string.not_ends_with", Kind::String, Relation::NotEndsWith),
    row("string.regex", Kind::String, Relation::Regex),
    row("string.not_regex", Kind::String, Relation::NotRegex),
    row("string.exists", Kind::String, Relation::Exists),
    row("string.not_exists", Kind::String, Relation::NotExists),
    row("string.is_empty", Kind::String, Relation::IsEmpty),
    row("string.is_not_empty", Kind::String, Relation::IsNotEmpty),
    row("number.equals", Kind::Number, Relation::Equals),
    row("number.not_equals", Kind::Number, Relation::NotEquals),
    row("number.gt", Kind::Number, Relation::Greater),
    row("number.gte", Kind::Number, Relation::GreaterOrEqual),
    row("number.lt", Kind::Number, Relation::Less),
    row("number.lte", Kind::Number, Relation::LessOrEqual),
    row("number.exists", Kind::Number, Relation::Exists),
    row("number.not_exists", Kind::Number, Relation::NotExists),
    row("number.is_empty", Kind::Number, Relation::IsEmpty),
    row("number.is_not_empty", Kind::Number, Relation::IsNotEmpty),
    row("boolean.is_true", Kind::Boolean, Relation::IsTrue),
    row("boolean.is_false", Kind::Boolean, Relation::IsFalse),
    row("boolean.equals", Kind::Boolean, Relation::Equals),
    row("boolean.not_equals", Kind::Boolean, Relation::NotEquals),
    row("boolean.exists", Kind::Boolean, Relation::Exists),
    row("boolean.not_exists", Kind::Boolean, Relation::NotExists),
    row("boolean.is_empty", Kind::Boolean, Relation::IsEmpty),
    row("boolean.is_not_empty", Kind::Boolean, Relation::IsNotEmpty),
    row("date.equals", Kind::Date, Relation::Equals),
    row("date.not_equals", Kind::Date, Relation::NotEquals),
    row("date.after", Kind::Date, Relation::Greater),
    row("date.after_or_equals", Kind::Date, Relation::GreaterOrEqual),
    row("date.before", Kind::Date, Relation::Less),
    row("date.before_or_equals", Kind::Date, Relation::LessOrEqual),
    row("date.exists", Kind::Date, Relation::Exists),
    row("date.not_exists", Kind::Date, Relation::NotExists),
    row("date.is_empty", Kind::Date, Relation::IsEmpty),
    row("date.is_not_empty", Kind::Date, Relation::IsNotEmpty),
    row("array.contains", Kind::Array, Relation::Contains),
    row("array.not_contains", Kind::Array, Relation::NotContains),
    row("array.length_equals", Kind::Array, Relation::LengthEquals),
    row("array.length_not_equals", Kind::Array, Relation::LengthNotEquals),
    row("array.length_gt", Kind::Array, Relation::LengthGreater),
    row("array.length_gte", Kind::Array, Relation::LengthGreaterOrEqual),
    row("array.length_lt", Kind::Array, Relation::LengthLess),
    row("array.length_lte", Kind::Array, Relation::LengthLessOrEqual),
    row("array.exists", Kind::Array, Relation::Exists),
    row("array.not_exists", Kind::Array, Relation::NotExists),
    row("array.is_empty", Kind::Array, Relation::IsEmpty),
    row("array.is_not_empty", Kind::Array, Relation::IsNotEmpty),
    row("object.exists", Kind::Object, Relation::Exists),
    row("object.not_exists", Kind::Object, Relation::NotExists),
    row("object.is_empty", Kind::Object, Relation::IsEmpty),
    row("object.is_not_empty", Kind::Object, Relation::IsNotEmpty),
];

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = OPERATORS.iter().find(|(_, operator)| operator == self);
        f.write_str(name.map_or("?", |(name, _)| name))
    }
}

impl<'de> Deserialize<'de> for Operator {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let text = String::deserialize(deserializer)?;
        let known = OPERATORS.iter().find(|(name, _)| *name == text);
        known.map(|(_, operator)| *operator).ok_or_else(|| {
            let names = OPERATORS.iter().map(|(name, _)| *name);
            let suggestion = did_you_mean(&text, names);
            D::Error::custom(format!("there is no operator \"{text}\".{suggestion}"))
        })
    }
}

impl schemars::JsonSchema for Operator {
    fn schema_name() -> Cow<'static, str> {
        "Operator".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names: Vec<&str> = OPERATORS.iter().map(|(name, _)| *name).collect();
        schemars::json_schema!({
            "type": "string",
            "description": "The kind of the values and the relation between them.",
            "enum": names,
        })
    }
}
