//! The schemas of one function's arguments, compiled once into what the walk needs.

use std::collections::HashMap;

use kernel::Value;
use regex::Regex;
use schemars::generate::{Contract, SchemaSettings};

use super::format::Format;
use crate::declaration::{BodyArgument, SchemaOf};

/// What the arguments of a function are held to. Made by the attributes.
#[derive(Debug)]
pub struct Checks {
    pub(super) path: Option<Shape>,
    pub(super) query: Option<Shape>,
    pub(super) body: Body,
    pub(super) definitions: Vec<Shape>,
}

/// What a function reads of the body.
#[derive(Debug)]
pub(super) enum Body {
    /// Nothing.
    None,
    /// JSON of this shape.
    Json(Box<Shape>),
    /// The bytes.
    Raw,
}

impl Checks {
    /// The checks of these schemas.
    ///
    /// # Panics
    /// In debug builds, when a schema uses a keyword that would not be checked.
    pub fn new(path: Option<SchemaOf>, query: Option<SchemaOf>, body: BodyArgument) -> Self {
        let mut generator = SchemaSettings::draft2020_12()
            .with(|settings| settings.contract = Contract::Deserialize)
            .into_generator();
        let mut of = |schema: SchemaOf| schema(&mut generator).to_value();
        let (path, query) = (path.map(&mut of), query.map(&mut of));
        let body = match body {
            BodyArgument::None => None,
            BodyArgument::Json(schema) => Some(Some(of(schema))),
            BodyArgument::Raw { .. } => Some(None),
        };
        let definitions = generator.take_definitions(true);
        let names = definitions.keys().enumerate().map(|(at, name)| (name.clone(), at)).collect();
        let compiler = Compiler { names };
        Self {
            path: path.map(|schema| compiler.shape(&schema)),
            query: query.map(|schema| compiler.shape(&schema)),
            body: match body {
                None => Body::None,
                Some(Some(schema)) => Body::Json(Box::new(compiler.shape(&schema))),
                Some(None) => Body::Raw,
            },
            definitions: definitions.values().map(|schema| compiler.shape(schema)).collect(),
        }
    }

    /// The shape itself, or the one it stands for.
    pub(super) fn resolve<'s>(&'s self, shape: &'s Shape) -> &'s Shape {
        let mut shape = shape;
        // A definition that stands for itself would be a mistake of a type; it ends here.
        for _ in 0..self.definitions.len() {
            match shape.reference.and_then(|at| self.definitions.get(at)) {
                Some(other) => shape = other,
                None => break,
            }
        }
        shape
    }
}

/// One schema.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// Index among the definitions; what stands beside it is an annotation.
    pub(super) reference: Option<usize>,
    /// The kinds allowed; empty: any.
    pub(super) kinds: Vec<Kind>,
    /// The values allowed; empty: any.
    pub(super) values: Vec<Value>,
    pub(super) properties: Vec<(String, Shape)>,
    pub(super) required: Vec<String>,
    pub(super) others: Others,
    pub(super) items: Option<Box<Shape>>,
    pub(super) entries: Range,
    pub(super) unique: bool,
    pub(super) number: Bounds,
    pub(super) length: Range,
    pub(super) pattern: Option<Regex>,
    pub(super) format: Option<Format>,
    /// It fits all of these.
    pub(super) all: Vec<Shape>,
    /// It fits at least one of these; empty: no such rule.
    pub(super) any: Vec<Shape>,
}

/// Members that are not among the properties.
#[derive(Debug, Default)]
pub(super) enum Others {
    /// Whatever they are.
    #[default]
    Allowed,
    /// There are none.
    Refused,
    /// Of this shape.
    Like(Box<Shape>),
}

/// A number of characters or entries.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Range {
    pub(super) min: Option<u64>,
    pub(super) max: Option<u64>,
}

/// The size of a number; `above` and `below` are not included.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) above: Option<f64>,
    pub(super) below: Option<f64>,
}

/// A kind of value, in JSON Schema's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

struct Compiler {
    names: HashMap<String, usize>,
}

impl Compiler {
    fn shape(&self, schema: &Value) -> Shape {
        let mut shape = Shape::default();
        match schema {
            Value::Object(keywords) => {
                for (keyword, value) in keywords {
                    let known = self.add(&mut shape, keyword, value);
                    debug_assert!(known, "the keyword {keyword} of a schema is not checked");
                }
            }
            // `false` allows nothing; no argument's type is like that.
            other => debug_assert!(other == &Value::Bool(true), "no schema: {other}"),
        }
        shape
    }

    /// Whether the keyword is one that is checked or says nothing about values.
    fn add(&self, shape: &mut Shape, keyword: &str, value: &Value) -> bool {
        let number = || value.as_f64();
        match keyword {
            "$ref" => {
                let name = value.as_str().and_then(|path| path.rsplit('/').next());
                shape.reference = name.and_then(|name| self.names.get(name).copied());
                return shape.reference.is_some();
            }
            "type" => shape.kinds = texts(value).into_iter().filter_map(kind).collect(),
            "const" => shape.values = vec![value.clone()],
            "enum" => shape.values = value.as_array().cloned().unwrap_or_default(),
            "properties" => {
                let members = value.as_object().into_iter().flatten();
                shape.properties =
                    members.map(|(name, schema)| (name.clone(), self.shape(schema))).collect();
            }
            "required" => {
                shape.required = texts(value).into_iter().map(str::to_owned).collect();
            }
            "additionalProperties" | "unevaluatedProperties" => {
                shape.others = match value {
                    Value::Bool(true) => Others::Allowed,
                    Value::Bool(false) => Others::Refused,
                    schema => Others::Like(Box::new(self.shape(schema))),
                };
            }
            "items" => shape.items = Some(Box::new(self.shape(value))),
            "minItems" => shape.entries.min = value.as_u64(),
            "maxItems" => shape.entries.max = value.as_u64(),
            "uniqueItems" => shape.unique = value == &Value::Bool(true),
            "minimum" => shape.number.min = number(),
            "maximum" => shape.number.max = number(),
            "exclusiveMinimum" => shape.number.above = number(),
            "exclusiveMaximum" => shape.number.below = number(),
            "minLength" => shape.length.min = value.as_u64(),
            "maxLength" => shape.length.max = value.as_u64(),
            "pattern" => {
                shape.pattern = value.as_str().and_then(|pattern| Regex::new(pattern).ok());
                return shape.pattern.is_some();
            }
            "format" => shape.format = value.as_str().and_then(Format::named),
            "allOf" => shape.all = self.shapes(value),
            // A value that fits two of `oneOf` is taken for the first, as the type does.
            "anyOf" | "oneOf" => shape.any = self.shapes(value),
            "title" | "description" | "default" | "examples" | "deprecated" | "$defs"
            | "$schema" | "readOnly" | "writeOnly" => {}
            other => return other.starts_with("x-"),
        }
        true
    }

    fn shapes(&self, value: &Value) -> Vec<Shape> {
        value.as_array().into_iter().flatten().map(|schema| self.shape(schema)).collect()
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}

fn kind(name: &str) -> Option<Kind> {
    Some(match name {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "integer" => Kind::Integer,
        "number" => Kind::Number,
        "string" => Kind::String,
        "array" => Kind::Array,
        "object" => Kind::Object,
        _ => return None,
    })
}
