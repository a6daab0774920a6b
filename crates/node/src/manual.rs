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
        match schema.get("oneOf").and_then(Value::as_array) {
            None => parameters(&mut page, &schema, &schema),
            Some(variants) => {
                for variant in variants {
                    let (tag, word) = tag(variant);
                    let said = text(variant, "description");
                    let _ = write!(page, "With `{tag}: {word}`: {said}\n\n");
                    parameters(&mut page, &schema, variant);
                }
            }
        }
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

/// The parameter that says which variant is meant: the one with a single value.
fn tag(variant: &Value) -> (&str, &str) {
    let properties = variant.get("properties").and_then(Value::as_object);
    let mut properties = properties.into_iter().flatten();
    let found = properties.find_map(|(name, schema)| Some((name.as_str(), schema.get("const")?)));
    found.map_or(("", ""), |(name, word)| (name, word.as_str().unwrap_or_default()))
}

fn parameters(page: &mut String, root: &Value, schema: &Value) {
    let properties = schema.get("properties").and_then(Value::as_object);
    let rows: Vec<String> = properties
        .into_iter()
        .flatten()
        .filter(|(_, property)| property.get("const").is_none())
        .map(|(name, property)| row(root, schema, name, property))
        .collect();
    if !rows.is_empty() {
        let _ = write!(page, "| parameter | default | |\n|---|---|---|\n{}\n", rows.concat());
    }
}

fn row(root: &Value, schema: &Value, name: &str, property: &Value) -> String {
    let required = schema.get("required").and_then(Value::as_array);
    let required = required.is_some_and(|list| list.iter().any(|one| one == name));
    let default = match property.get("default") {
        _ if required => "required".to_owned(),
        None | Some(Value::Null) => String::new(),
        Some(value) => format!("`{value}`"),
    };
    let said = text(property, "description");
    format!("| `{name}` | {default} | {said}{} |\n", choices(root, property))
}

/// ` One of …` where a parameter takes one of a few words.
fn choices(root: &Value, property: &Value) -> String {
    let target = property.get("$ref").and_then(Value::as_str);
    let target = target.and_then(|reference| root.pointer(reference.strip_prefix('#')?));
    let target = target.unwrap_or(property);
    let plain = target.get("enum").and_then(Value::as_array);
    let documented = target.get("oneOf").and_then(Value::as_array);
    let words: Vec<&str> = match (plain, documented) {
        (Some(words), _) => words.iter().filter_map(Value::as_str).collect(),
        (None, Some(words)) => words.iter().filter_map(|one| one.get("const")?.as_str()).collect(),
        (None, None) => return String::new(),
    };
    match words.is_empty() {
        true => String::new(),
        false => format!(" One of: `{}`.", words.join("`, `")),
    }
}

/// A text of the schema on one line, safe inside a table.
fn text(schema: &Value, key: &str) -> String {
    let text = schema.get(key).and_then(Value::as_str).unwrap_or_default();
    text.replace('\n', " ").replace('|', "\\|")
}
