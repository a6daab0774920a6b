//! The manual of a node type, as Markdown: what it does, its parameters, its examples.

use std::fmt::Write as _;

use kernel::{Value, json};

use crate::about::EffectClass;
use crate::prepared::Shape;
use crate::registry::NodeType;

impl NodeType {
    /// Its section of the manual, under a heading of this level (`###` is 3).
    pub fn manual(&self, level: usize) -> String {
        let (schema, about) = ((self.schema)(), self.about);
        let heading = "#".repeat(level);
        let mut page = format!("{heading} {}\n\n{}\n\n", about.name, text(&schema, "description"));
        if self.shape != Shape::Trigger {
            let _ = writeln!(page, "Effect: {}. {}", about.effect.word(), self.ports());
            page.push('\n');
        }
        shape(&mut page, &schema);
        inner(&mut page, &schema);
        let example = json::parse_str(about.example).unwrap_or_default();
        let _ = write!(page, "```json\n{example:#}\n```\n");
        for example in self.examples() {
            example.describe(&mut page);
        }
        page
    }

    fn ports(&self) -> String {
        let list = |ports: &[&str]| ports.join(", ");
        match (self.about.inputs, self.about.outputs) {
            (["main"], ["main"]) => "One input, one output.".to_owned(),
            (inputs, []) => format!("Inputs: {}. No outputs.", list(inputs)),
            (inputs, outputs) => format!("Inputs: {}. Outputs: {}.", list(inputs), list(outputs)),
        }
    }
}

impl EffectClass {
    /// As it is written: `pure`, `read`, `external`, `platform`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::Read => "read",
            Self::External => "external",
            Self::Platform => "platform",
        }
    }
}

/// What stands in `$defs` and is used by what was shown, in the order in which it is named.
fn inner(page: &mut String, root: &Value) {
    let mut names = Vec::new();
    let without_defs = root.as_object().into_iter().flatten().filter(|(key, _)| *key != "$defs");
    without_defs.for_each(|(_, part)| collect(part, &mut names));
    let mut at = 0;
    while let Some(name) = names.get(at).cloned() {
        at += 1;
        let Some(schema) = root.pointer(&format!("/$defs/{name}")) else { continue };
        let _ = write!(page, "**{name}**: {}\n\n", text(schema, "description"));
        shape(page, schema);
        collect(schema, &mut names);
    }
}

/// The names of the definitions a part refers to, each once.
fn collect(part: &Value, names: &mut Vec<String>) {
    match part {
        Value::Object(object) => {
            if let Some(name) = reference(part).filter(|name| !names.iter().any(|one| one == name))
            {
                names.push(name.to_owned());
            }
            object.values().for_each(|below| collect(below, names));
        }
        Value::Array(list) => list.iter().for_each(|below| collect(below, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

/// What a value may be: its fields, or its variants with theirs, or its words.
fn shape(page: &mut String, schema: &Value) {
    let list = |key: &str| schema.get(key).and_then(Value::as_array);
    if let Some(words) = list("enum") {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        let _ = write!(page, "One of: `{}`.\n\n", words.join("`, `"));
    } else if let Some(variants) = list("oneOf").or_else(|| list("anyOf")) {
        let start = page.len();
        for variant in variants {
            self::variant(page, variant);
        }
        if page.len() > start && !page.ends_with("\n\n") {
            page.push('\n');
        }
    } else {
        parameters(page, schema);
    }
}

fn variant(page: &mut String, variant: &Value) {
    let said = text(variant, "description");
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    if variant.get("properties").is_none() {
        let _ = match variant.get("const") {
            Some(word) => writeln!(page, "- `{}`{said}", word.as_str().unwrap_or_default()),
            None => writeln!(page, "- {}{said}", kind(variant).unwrap_or("a value".to_owned())),
        };
        return;
    }
    if !page.ends_with("\n\n") {
        page.push('\n');
    }
    let _ = match tag(variant) {
        Some((tag, word)) => write!(page, "With `{tag}: {word}`{said}\n\n"),
        None => write!(page, "With `{}`{said}\n\n", required(variant).join("`, `")),
    };
    parameters(page, variant);
}

/// The parameter that says which variant is meant: the one with a single value.
fn tag(variant: &Value) -> Option<(&str, &str)> {
    let properties = variant.get("properties").and_then(Value::as_object)?;
    properties
        .iter()
        .find_map(|(name, schema)| Some((name.as_str(), schema.get("const")?.as_str()?)))
}

fn required(schema: &Value) -> Vec<&str> {
    let list = schema.get("required").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn parameters(page: &mut String, schema: &Value) {
    let properties = schema.get("properties").and_then(Value::as_object);
    let rows: Vec<String> = properties
        .into_iter()
        .flatten()
        .filter(|(_, property)| property.get("const").is_none())
        .map(|(name, property)| row(schema, name, property))
        .collect();
    if !rows.is_empty() {
        let _ = write!(page, "| parameter | default | |\n|---|---|---|\n{}\n", rows.concat());
    }
}

fn row(schema: &Value, name: &str, property: &Value) -> String {
    let default = match property.get("default") {
        _ if required(schema).contains(&name) => "required".to_owned(),
        None | Some(Value::Null) => String::new(),
        Some(value) => format!("`{value}`"),
    };
    let said = text(property, "description");
    let kind = kind(property).map(|kind| format!(" ({kind})")).unwrap_or_default();
    let help = format!("{said}{kind}");
    format!("| `{name}` | {default} | {} |\n", help.trim_start())
}

/// What kind of value it is, where that says more than the text does: forms that stand below, lists.
fn kind(schema: &Value) -> Option<String> {
    if let Some(name) = reference(schema) {
        return Some(format!("**{name}**"));
    }
    if let Some(any) = schema.get("anyOf").and_then(Value::as_array) {
        // The first says what it is; others are an expression in its place, or that it may be null.
        return kind(any.first()?);
    }
    let types = match schema.get("type")? {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    if types.contains(&"array") {
        let of = schema.get("items").and_then(kind);
        return Some(of.map_or("a list".to_owned(), |of| format!("a list: {of}")));
    }
    let words = [("string", "a text"), ("boolean", "true or false"), ("object", "an object")];
    let numbers = [("integer", "a whole number"), ("number", "a number"), ("null", "nothing")];
    let known = words.iter().chain(&numbers);
    let found: Vec<&str> =
        known.filter(|(name, _)| types.contains(name)).map(|(_, word)| *word).collect();
    let value = found.iter().find(|word| **word != "nothing").or(found.first())?;
    Some((*value).to_owned())
}

/// A text of the schema on one line, safe inside a table.
fn text(schema: &Value, key: &str) -> String {
    let text = schema.get(key).and_then(Value::as_str).unwrap_or_default();
    text.replace('\n', " ").replace('|', "\\|")
}
