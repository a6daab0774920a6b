//! `docs/guide/nodes.md` is made from the node types themselves; this makes it, and finds its drift.

use std::fmt::Write as _;
use std::path::Path;

use kernel::{Value, json};
use node::{EffectClass, NodeType, Shape};

const OPENING: &str = "\
# Nodes

This page is made from the program: `cargo xtask contracts` writes it anew. The same, for machines, is
`contracts/nodes.json` and `GET /v1/node-types`.

A parameter that is a text and begins with `=` is an [expression](expressions.md). **Effect** says what a
node may do: *pure* nodes only compute, *read* nodes look at the outside, *external* ones change it and
run only after everything before them in their run is durable.
";

#[test]
fn the_manual_of_the_nodes_contract_has_not_drifted() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/nodes.md");
    let now = manual();
    if std::env::var_os("UPDATE_CONTRACTS").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(committed, now, "run `cargo xtask contracts` and look at the difference");
}

fn manual() -> String {
    let registry = nodes::registry();
    let mut page = OPENING.to_owned();
    let mut groups: Vec<&str> = registry.iter().map(|kind| kind.about.group).collect();
    groups.sort_unstable();
    groups.dedup();
    for group in groups {
        let _ = write!(page, "\n## {}\n", heading(group));
        for kind in registry.iter().filter(|kind| kind.about.group == group) {
            describe(&mut page, kind);
        }
    }
    page
}

fn heading(group: &str) -> String {
    let mut letters = group.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn describe(page: &mut String, kind: &NodeType) {
    let schema = (kind.schema)();
    let about = kind.about;
    let _ = write!(page, "\n### {}\n\n{}\n\n", about.name, text(&schema, "description"));
    if kind.shape != Shape::Trigger {
        let _ = writeln!(page, "Effect: {}. {}", effect(about.effect), ports(kind));
        page.push('\n');
    }
    let variants = schema.get("oneOf").and_then(Value::as_array);
    match variants {
        None => parameters(page, &schema, &schema),
        Some(variants) => {
            for variant in variants {
                let (tag, word) = tag(variant);
                let said = text(variant, "description");
                let _ = write!(page, "With `{tag}: {word}`: {said}\n\n");
                parameters(page, &schema, variant);
            }
        }
    }
    let example =
        json::parse_str(about.example).expect("the conformance suite parses every example");
    let _ = write!(page, "```json\n{example:#}\n```\n");
}

fn effect(class: EffectClass) -> &'static str {
    match class {
        EffectClass::Pure => "pure",
        EffectClass::Read => "read",
        EffectClass::External => "external",
        EffectClass::Platform => "platform",
    }
}

fn ports(kind: &NodeType) -> String {
    let list = |ports: &[&str]| ports.join(", ");
    match (kind.about.inputs, kind.about.outputs) {
        (["main"], ["main"]) => "One input, one output.".to_owned(),
        (inputs, outputs) => format!("Inputs: {}. Outputs: {}.", list(inputs), list(outputs)),
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
        (None, Some(words)) => {
            let word = |word: &'_ Value| word.get("const").is_some();
            words
                .iter()
                .filter(|one| word(one))
                .filter_map(|one| one.get("const")?.as_str())
                .collect()
        }
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
