//! `core.set`: writes fields.

use std::borrow::Cow;
use std::sync::Arc;

use kernel::{FieldProblem, Item, Items, Object, Problem, Value, codes};
use node::{About, AllItems, Expr, NodeContext, NodeError, NodeType, params};
use serde::Serialize;

use crate::json_repair;
use crate::passing::{chosen, first, from};
use crate::paths::Path;
use crate::values::{self, parse_number, shown};

/// Writes fields of each item, and chooses which of the others stay.
#[params(check = Set::faults, default(mode = "fields"))]
#[serde(tag = "mode", rename_all = "snake_case")]
pub(crate) enum Set {
    /// Field by field.
    Fields {
        /// The fields to write, in order.
        #[serde(default)]
        fields: Vec<Field>,
        /// Which of the item's other fields stay.
        #[serde(default)]
        keep: Keep,
        /// The fields `keep: only` keeps or `keep: except` drops.
        #[serde(default)]
        names: Vec<String>,
        /// Whether a dot in a field's name leads into nested objects.
        #[serde(default = "yes")]
        dot_notation: bool,
        /// Whether a value that cannot become its `type` stays as it is instead of failing.
        #[serde(default)]
        ignore_conversion_errors: bool,
        /// Whether the item's files stay with it.
        #[serde(default)]
        keep_binary: bool,
    },
    /// All at once, as one JSON object; text that is nearly JSON (bare keys, single quotes, a comma
    /// too many, line breaks in texts) is mended.
    Json {
        /// The object, with expressions anywhere in it, or its text.
        json: Expr<Value>,
        /// Which of the item's other fields stay.
        #[serde(default)]
        keep: Keep,
        /// The fields `keep: only` keeps or `keep: except` drops.
        #[serde(default)]
        names: Vec<String>,
        /// Whether a dot in a field's name leads into nested objects.
        #[serde(default = "yes")]
        dot_notation: bool,
        /// Whether the item's files stay with it.
        #[serde(default)]
        keep_binary: bool,
    },
}

/// One field to write.
#[params]
pub(crate) struct Field {
    /// Its name, or the path to it: `customer.name`.
    #[schemars(length(min = 1))]
    name: String,
    /// What the value becomes; null stays null.
    #[serde(default, rename = "type")]
    kind: Kind,
    /// The value.
    value: Expr<Value>,
}

/// What a value becomes.
#[params]
#[derive(Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// Stays what it is.
    #[default]
    Auto,
    /// A text; objects and lists become their JSON.
    String,
    /// A number; texts are read.
    Number,
    /// True or false; the texts `true`, `false`, `1`, `0` are read.
    Boolean,
    /// A list; its JSON is read.
    Array,
    /// An object; its JSON is read.
    Object,
}

/// Which fields stay.
#[params]
#[derive(Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Keep {
    /// None: the item has the written fields only.
    #[default]
    None,
    /// All.
    All,
    /// Those in `names`.
    Only,
    /// All but those in `names`.
    Except,
}

fn yes() -> bool {
    true
}

pub(crate) const NODE: NodeType = NodeType::all::<Set>();

impl Keep {
    /// Says when `names` is missing or has no meaning.
    pub(crate) fn fault(self, names: &[String]) -> Option<FieldProblem> {
        let detail = match (self, names.is_empty()) {
            (Self::Only | Self::Except, true) => "Say in \"names\" which fields are meant.",
            (Self::None | Self::All, false) => {
                "\"names\" has a meaning with \"keep\": \"only\" or \"except\" only: set one of \
                 these, or take it out."
            }
            (Self::Only | Self::Except, false) | (Self::None | Self::All, true) => return None,
        };
        Some(FieldProblem {
            pointer: "/names".to_owned(),
            code: codes::NODE_PARAMETER.to_string(),
            detail: detail.to_owned(),
        })
    }

    /// The fields of an object that stay.
    pub(crate) fn of(self, object: &Object, names: &[Path], more: usize) -> Object {
        match self {
            Self::None => Object::with_capacity(more),
            Self::All => object.clone(),
            Self::Only => {
                let mut kept = Object::with_capacity(names.len() + more);
                for name in names {
                    if let Some(value) = name.get(object) {
                        name.set(&mut kept, value.clone());
                    }
                }
                kept
            }
            Self::Except => {
                let mut kept = object.clone();
                for name in names {
                    name.remove(&mut kept);
                }
                kept
            }
        }
    }
}

impl Set {
    fn faults(&self) -> Vec<FieldProblem> {
        let (Self::Fields { keep, names, .. } | Self::Json { keep, names, .. }) = self;
        let mut faults: Vec<FieldProblem> = keep.fault(names).into_iter().collect();
        if let Self::Fields { fields, dot_notation, .. } = self {
            for (index, field) in fields.iter().enumerate() {
                if let Some(detail) = Path::new(&field.name, *dot_notation).fault() {
                    let pointer = format!("/fields/{index}/name");
                    let code = codes::NODE_PARAMETER.to_string();
                    faults.push(FieldProblem { pointer, code, detail });
                }
            }
        }
        if let Self::Fields { fields, ignore_conversion_errors: false, .. } = self {
            for (index, field) in fields.iter().enumerate() {
                let literal = field.value.as_literal().cloned();
                if let Some(Err(detail)) = literal.map(|value| convert(value, field.kind)) {
                    faults.push(FieldProblem {
                        pointer: format!("/fields/{index}/value"),
                        code: codes::NODE_PARAMETER.to_string(),
                        detail,
                    });
                }
            }
        }
        faults
    }
}

impl AllItems for Set {
    const ABOUT: About = About::new("core.set", 1)
        .synonyms(&["edit fields", "assign", "map", "transform", "rename", "variable"])
        .examples(include_str!("../cases/set.json"))
        .itemwise()
        .imports(&["n8n-nodes-base.set"])
        .example(
            r#"{"fields": [
            {"name": "name", "value": "={{ $json.first }} {{ $json.last }}"},
            {"name": "address.zip", "type": "string", "value": "={{ $json.zip }}"}
        ], "keep": "except", "names": ["first", "last"]}"#,
        );

    async fn all(&self, cx: &NodeContext, inputs: &[Items]) -> Result<Vec<Items>, NodeError> {
        let (Self::Fields { keep, names, dot_notation, keep_binary, .. }
        | Self::Json { keep, names, dot_notation, keep_binary, .. }) = self;
        let names: Vec<Path> = names.iter().map(|name| Path::new(name, *dot_notation)).collect();
        let with = |index: usize, item: &Item, json: Arc<Object>| Item {
            json,
            binary: item.binary.clone().filter(|_| *keep_binary),
            pairing: from(index, 0),
        };
        let mut set = Vec::with_capacity(cx.only.map_or(first(inputs).len(), |_| 1));
        match self {
            Self::Fields { fields, ignore_conversion_errors, .. } => {
                let fields: Vec<(Path, &Field)> = fields
                    .iter()
                    .map(|field| (Path::new(&field.name, *dot_notation), field))
                    .collect();
                let unchanged = fields.is_empty() && *keep == Keep::All;
                for (index, item) in chosen(cx, inputs) {
                    if unchanged {
                        set.push(with(index, item, Arc::clone(&item.json)));
                        continue;
                    }
                    let mut json = keep.of(&item.json, &names, fields.len());
                    for (path, field) in &fields {
                        let value = field.value.view(&cx.scope, index);
                        let value = value.map_err(|problem| in_field(problem, path, index))?;
                        let value = field.converted(value, *ignore_conversion_errors);
                        let value = value.map_err(|problem| in_field(problem, path, index))?;
                        let put = path.put(&mut json, value).map_err(unfit);
                        put.map_err(|problem| in_field(problem, path, index))?;
                    }
                    set.push(with(index, item, Arc::new(json)));
                }
            }
            Self::Json { json, .. } => {
                for (index, item) in chosen(cx, inputs) {
                    let fields = object(json_value(json, cx, index)?, index)?;
                    let mut json = keep.of(&item.json, &names, fields.len());
                    for (name, value) in fields {
                        let put = Path::new(&name, *dot_notation).put(&mut json, value);
                        put.map_err(|fault| unfit(format!("Item {index}: {fault}")))?;
                    }
                    set.push(with(index, item, Arc::new(json)));
                }
            }
        }
        Ok(vec![set.into()])
    }
}

fn unfit(detail: String) -> Problem {
    Problem::new(codes::NODE_INPUT, detail)
}

/// The same problem, saying where it happened.
fn in_field(mut problem: Problem, path: &Path, index: usize) -> Problem {
    problem.detail = format!("Field \"{path}\" of item {index}: {}", problem.detail);
    problem
}

impl Field {
    fn converted(&self, value: Cow<'_, Value>, ignore_errors: bool) -> Result<Value, Problem> {
        if self.kind == Kind::Auto {
            return Ok(value.into_owned());
        }
        let original = ignore_errors.then(|| Value::clone(&value));
        match (convert(value.into_owned(), self.kind), original) {
            (Ok(value), _) | (Err(_), Some(value)) => Ok(value),
            (Err(detail), None) => Err(Problem::new(codes::NODE_INPUT, detail)),
        }
    }
}

/// A value as another kind, or a sentence why it cannot be.
fn convert(value: Value, kind: Kind) -> Result<Value, String> {
    let wanted = match (kind, &value) {
        (_, Value::Null)
        | (Kind::Auto, _)
        | (Kind::String, Value::String(_))
        | (Kind::Number, Value::Number(_))
        | (Kind::Boolean, Value::Bool(_))
        | (Kind::Array, Value::Array(_))
        | (Kind::Object, Value::Object(_)) => return Ok(value),
        (Kind::String, other) => return Ok(Value::String(values::text(other))),
        (Kind::Number, Value::Bool(truth)) => return Ok(Value::from(u8::from(*truth))),
        (Kind::Number, Value::String(text)) => match parse_number(text) {
            Some(number) => return Ok(Value::Number(number)),
            None => "a number",
        },
        (Kind::Number, _) => "a number",
        (Kind::Boolean, other) => match truth(other) {
            Some(truth) => return Ok(Value::Bool(truth)),
            None => "true or false",
        },
        (Kind::Array, Value::String(text)) => match kernel::json::parse_str(text) {
            Ok(list @ Value::Array(_)) => return Ok(list),
            _ => "a list",
        },
        (Kind::Array, _) => "a list",
        (Kind::Object, Value::String(text)) => match kernel::json::parse_str(text) {
            Ok(object @ Value::Object(_)) => return Ok(object),
            _ => "an object",
        },
        (Kind::Object, _) => "an object",
    };
    Err(format!(
        "{} ({}) cannot become {wanted}: change the value or the \"type\", or set \
         \"ignore_conversion_errors\": true.",
        shown(&value),
        values::kind(&value)
    ))
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::String(text) => match text.trim().to_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        Value::Number(number) => match number.as_f64()? {
            1.0 => Some(true),
            0.0 => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// The value of `mode: json`. What a template splices into JSON is spliced as JSON.
fn json_value(json: &Expr<Value>, cx: &NodeContext, index: usize) -> Result<Value, Problem> {
    match json.template() {
        Some(template) => template.evaluate_json_text(&cx.scope, index).map(Value::String),
        None => json.get(&cx.scope, index),
    }
}

/// The fields of `mode: json`.
fn object(value: Value, index: usize) -> Result<Object, Problem> {
    let wrong = |what: String| {
        let detail = format!("\"json\" of item {index} must be an object: {what}");
        Problem::new(codes::NODE_INPUT, detail)
    };
    match value {
        Value::Object(object) => Ok(object),
        Value::String(text) => match kernel::json::parse_str(&text) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(other) => Err(wrong(format!("the text is {}.", values::kind(&other)))),
            Err(error) => match json_repair::mended(&text) {
                Some(Value::Object(object)) => Ok(object),
                _ => Err(wrong(format!("the text is not JSON: {error}."))),
            },
        },
        other => Err(wrong(format!("it is {} ({}).", values::kind(&other), shown(&other)))),
    }
}
