//! Checks raw parameters against their JSON Schema, naming every wrong place and its mend.
//!
//! Serde stops at the first error and knows no pointers; a general validator does not know that a
//! string beginning with `=` may be of any type at run time. This walk knows the part of JSON
//! Schema that `schemars` writes for parameters, and nothing more.

use expr::Template;
use kernel::duration::Span;
use kernel::json::{is_kind, kind_of, kinds};
use kernel::suggest::did_you_mean;
use kernel::{FieldProblem, Object, Value, codes, json};

use crate::expression::EXPRESSION_KEY;

/// Where expressions may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Templates {
    /// Everywhere: parameters are resolved before the node sees them.
    Everywhere,
    /// In [`crate::Expr`] parameters only.
    WhereDeclared,
    /// Nowhere: they have been resolved, and `=` is a character.
    Resolved,
}

/// Every fault of `value`, or nothing.
pub(crate) fn check(schema: &Value, value: &Value, templates: Templates) -> Vec<FieldProblem> {
    let mut walk = Walk { root: schema, templates, pointer: String::new(), problems: Vec::new() };
    walk.value(schema, value);
    walk.problems
}

/// A longer list of values is not shown when a suggestion can be.
const CONSTANTS_SHOWN_MAX: usize = 12;

/// A longer value is not repeated in a message.
const GIVEN_BYTES_MAX: usize = 40;

struct Walk<'s> {
    root: &'s Value,
    templates: Templates,
    pointer: String,
    problems: Vec<FieldProblem>,
}

impl<'s> Walk<'s> {
    fn value(&mut self, schema: &'s Value, value: &Value) {
        let schema = self.target(schema);
        if schema.get(EXPRESSION_KEY).is_some() && self.templates == Templates::WhereDeclared {
            self.templates = Templates::Everywhere;
            self.value(schema, value);
            self.templates = Templates::WhereDeclared;
            return;
        }
        if let Value::String(text) = value
            && text.starts_with('=')
            && self.templates != Templates::Resolved
        {
            // An optional `Expr` is a choice between it and null.
            let choices = list(schema, "anyOf").filter(|_| self.templates != Templates::Everywhere);
            let declared = choices
                .into_iter()
                .flatten()
                .find(|choice| self.target(choice).get(EXPRESSION_KEY).is_some());
            return match declared {
                Some(declared) => self.value(declared, value),
                None => self.template(text),
            };
        }
        if schema.get(EXPRESSION_KEY).is_some() {
            // The other alternative is the template, which was dealt with above.
            return self.value(&schema["anyOf"][0], value);
        }
        if let Some(alternatives) = list(schema, "oneOf").or_else(|| list(schema, "anyOf")) {
            return self.alternatives(alternatives, value);
        }
        if let Some(constants) = constants(schema) {
            return self.one_of(&constants, value);
        }
        let kinds = kinds(schema);
        if !kinds.is_empty() && !kinds.iter().any(|kind| is_kind(value, kind)) {
            return self.wrong_kind(&kinds, value);
        }
        match value {
            Value::Object(object) => self.object(schema, object),
            Value::Array(items) => self.array(schema, items),
            Value::Number(number) => self.number(schema, number),
            Value::String(text) => self.text(schema, text),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn template(&mut self, text: &str) {
        if self.templates == Templates::WhereDeclared {
            return self.problem(
                "This parameter cannot be an expression: write a fixed value without the \
                 leading \"=\"."
                    .to_owned(),
            );
        }
        if let Err(problem) = Template::parse(text) {
            let mut at = FieldProblem {
                pointer: self.pointer.clone(),
                code: problem.code.to_string(),
                detail: problem.detail,
            };
            if let Some(first) = problem.errors.into_iter().next() {
                at.detail = first.detail;
            }
            self.problems.push(at);
        }
    }

    fn object(&mut self, schema: &'s Value, object: &Object) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let additional = schema.get("additionalProperties");
        for (name, value) in object {
            let known = properties.and_then(|properties| properties.get(name));
            if let Some(known) = known {
                self.below(name, |walk| walk.value(known, value));
            } else if additional == Some(&Value::Bool(false)) {
                let names = properties.into_iter().flat_map(Object::keys).map(String::as_str);
                let detail = format!(
                    "There is no parameter \"{name}\" here.{}",
                    match did_you_mean(name, names.clone()) {
                        none if none.is_empty() => format!(" Known are {}.", quoted(names)),
                        suggestion => suggestion,
                    }
                );
                self.below(name, |walk| walk.problem(detail));
            } else {
                let open = additional.unwrap_or(&Value::Bool(true));
                self.below(name, |walk| walk.value(open, value));
            }
        }
        for name in list(schema, "required").into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                self.below(name, |walk| {
                    walk.problem(format!("\"{name}\" is missing: it must be given."));
                });
            }
        }
    }

    fn array(&mut self, schema: &'s Value, items: &[Value]) {
        let bound = |key: &str| schema.get(key).and_then(Value::as_u64).map(|n| n as usize);
        if bound("minItems").is_some_and(|least| items.len() < least) {
            self.problem(format!("The list needs at least {} entries.", schema["minItems"]));
        }
        if bound("maxItems").is_some_and(|most| items.len() > most) {
            self.problem(format!("The list may have at most {} entries.", schema["maxItems"]));
        }
        let each = schema.get("items").unwrap_or(&Value::Bool(true));
        for (index, item) in items.iter().enumerate() {
            self.below(&index.to_string(), |walk| walk.value(each, item));
        }
    }

    fn number(&mut self, schema: &'s Value, number: &serde_json::Number) {
        let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
        let value = number.as_f64().unwrap_or(f64::INFINITY);
        match (bound("minimum"), bound("maximum")) {
            (Some(least), Some(most)) if value < least || value > most => {
                self.problem(format!("The number must be from {least} to {most}."));
            }
            (Some(least), None) if value < least => {
                self.problem(format!("The number must be at least {least}."));
            }
            (None, Some(most)) if value > most => {
                self.problem(format!("The number must be at most {most}."));
            }
            _ => {}
        }
    }

    fn text(&mut self, schema: &'s Value, text: &str) {
        if schema.get("format").and_then(Value::as_str) == Some("span")
            && let Err(error) = Span::parse(text)
        {
            return self.problem(format!("{error}."));
        }
        if schema.get("minLength").and_then(Value::as_u64).is_some_and(|n| n > 0 && text.is_empty())
        {
            self.problem("The text must not be empty.".to_owned());
        }
    }

    /// `oneOf` and `anyOf`: picks the alternative that was meant, then checks against that alone,
    /// so that a slip deep inside is named where it is.
    fn alternatives(&mut self, alternatives: &'s [Value], value: &Value) {
        let alternatives: Vec<&'s Value> =
            alternatives.iter().map(|alternative| self.target(alternative)).collect();
        let constant: Option<Vec<_>> = alternatives.iter().map(|one| constants(one)).collect();
        if let Some(constants) = constant {
            return self.one_of(&constants.concat(), value);
        }
        if let Value::Object(object) = value {
            let objects = self.objects(&alternatives);
            if let Some(tag) = tag(&objects) {
                return self.tagged(&objects, tag, object, value);
            }
        }
        let mut fitting: Vec<&'s Value> =
            alternatives.iter().copied().filter(|one| fits_kind(one, value)).collect();
        if let Value::Object(object) = value {
            fitting.sort_by_key(|one| std::cmp::Reverse(known_keys(one, object)));
        }
        let Some(best) = fitting.first() else {
            let kinds: Vec<&str> = alternatives.iter().flat_map(|one| kinds(one)).collect();
            return self.wrong_kind(&kinds, value);
        };
        let before = self.problems.len();
        let mut first_faults = None;
        for one in &fitting {
            self.value(one, value);
            let faults = self.problems.split_off(before);
            if faults.is_empty() {
                return;
            }
            if std::ptr::eq(*one, *best) {
                first_faults = Some(faults);
            }
        }
        self.problems.extend(first_faults.into_iter().flatten());
    }

    /// The alternatives that are objects with properties; those of a choice within the choice, too.
    fn objects(&self, alternatives: &[&'s Value]) -> Vec<&'s Value> {
        let mut objects = Vec::new();
        for one in alternatives {
            let inner = list(one, "oneOf").or_else(|| list(one, "anyOf"));
            match inner.filter(|_| one.get(EXPRESSION_KEY).is_none()) {
                Some(inner) => {
                    let inner: Vec<_> = inner.iter().map(|one| self.target(one)).collect();
                    objects.extend(self.objects(&inner));
                }
                None if one.get("properties").is_some() => objects.push(*one),
                None => {}
            }
        }
        objects
    }

    /// An internally tagged enum.
    fn tagged(&mut self, variants: &[&'s Value], tag: &str, object: &Object, value: &Value) {
        let variant = |wanted: &Value| {
            variants.iter().copied().find(|one| one["properties"][tag]["const"] == *wanted)
        };
        let names = || variants.iter().filter_map(|one| one["properties"][tag]["const"].as_str());
        match object.get(tag) {
            Some(Value::String(text)) if text.starts_with('=') => {
                // Which variant is meant is known at run time only.
                self.below(tag, |walk| walk.template(text));
            }
            Some(given) => match variant(given) {
                Some(variant) => self.value(variant, value),
                None => {
                    let constants: Vec<Value> = names().map(Value::from).collect();
                    self.below(tag, |walk| walk.one_of(&constants, given));
                }
            },
            None => {
                let default = variants.iter().find(|one| {
                    !list(one, "required").into_iter().flatten().any(|name| name == tag)
                });
                match default {
                    Some(default) => self.value(default, value),
                    None => {
                        let detail =
                            format!("\"{tag}\" is missing: it must be one of {}.", quoted(names()));
                        self.below(tag, |walk| walk.problem(detail));
                    }
                }
            }
        }
    }

    fn one_of(&mut self, constants: &[Value], value: &Value) {
        if constants.contains(value) {
            return;
        }
        let names = || constants.iter().filter_map(Value::as_str);
        let suggestion = value.as_str().map(|text| did_you_mean(text, names())).unwrap_or_default();
        if !suggestion.is_empty() && constants.len() > CONSTANTS_SHOWN_MAX {
            return self.problem(format!("This value is not known here.{suggestion}"));
        }
        let known = constants.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let given = value.to_string();
        let given =
            if given.len() > GIVEN_BYTES_MAX { String::new() } else { format!(", not {given}") };
        self.problem(format!("This must be one of {known}{given}.{suggestion}"));
    }

    fn wrong_kind(&mut self, kinds: &[&str], value: &Value) {
        let mut wanted: Vec<&str> = kinds.iter().map(|kind| spoken(kind)).collect();
        wanted.dedup();
        let detail =
            format!("This must be {}, not {}.", wanted.join(" or "), spoken(kind_of(value)));
        self.problem(detail);
    }

    fn problem(&mut self, detail: String) {
        let code = codes::NODE_PARAMETER.to_string();
        self.problems.push(FieldProblem { pointer: self.pointer.clone(), code, detail });
    }

    fn below(&mut self, key: &str, then: impl FnOnce(&mut Self)) {
        let length = self.pointer.len();
        json::push_key(&mut self.pointer, key);
        then(self);
        self.pointer.truncate(length);
    }

    /// Follows `$ref` within the document.
    fn target(&self, schema: &'s Value) -> &'s Value {
        let mut schema = schema;
        // A chain of references is as long as a chain of newtypes: a few steps.
        for _ in 0..16 {
            let Some(pointer) = schema.get("$ref").and_then(Value::as_str) else { break };
            let Some(target) = self.root.pointer(pointer.trim_start_matches('#')) else { break };
            schema = target;
        }
        schema
    }
}

fn list<'s>(schema: &'s Value, key: &str) -> Option<&'s [Value]> {
    schema.get(key).and_then(Value::as_array).map(Vec::as_slice)
}

/// The only values this schema accepts, if it names them.
fn constants(schema: &Value) -> Option<Vec<Value>> {
    match schema.get("const") {
        Some(one) => Some(vec![one.clone()]),
        None => list(schema, "enum").map(<[Value]>::to_vec),
    }
}

fn fits_kind(schema: &Value, value: &Value) -> bool {
    let kinds = kinds(schema);
    kinds.is_empty() || kinds.iter().any(|kind| is_kind(value, kind))
}

fn spoken(kind: &str) -> &'static str {
    match kind {
        "null" => "null",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a text",
        "array" => "a list",
        _ => "an object",
    }
}

/// The property that tells the object alternatives apart, if there is one.
fn tag<'s>(alternatives: &[&'s Value]) -> Option<&'s str> {
    let objects: Vec<&'s Value> =
        alternatives.iter().copied().filter(|one| one.get("properties").is_some()).collect();
    let first = objects.first()?["properties"].as_object()?;
    first.keys().map(String::as_str).find(|name| {
        objects.iter().all(|one| one["properties"].get(name).and_then(|p| p.get("const")).is_some())
    })
}

fn known_keys(schema: &Value, object: &Object) -> usize {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.map_or(0, |known| object.keys().filter(|key| known.contains_key(*key)).count())
}

fn quoted<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("\"{name}\"")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
