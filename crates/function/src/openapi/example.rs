//! Examples made from schemas: what the schema itself offers, else the simplest value that fits.

use kernel::{Object, Value};
use serde_json::json;

/// Deeper values are left out where they may be.
const DEPTH_MAX: usize = 6;

/// A value that fits the schema. References are looked up in `schemas`.
pub(super) fn of(schema: &Value, schemas: &Object) -> Value {
    make(schema, schemas, "", 0)
}

fn make(schema: &Value, schemas: &Object, name: &str, depth: usize) -> Value {
    let Value::Object(fields) = schema else { return json!({}) };
    if let Some(given) = given(fields) {
        return given;
    }
    if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
        let target = target.rsplit('/').next().and_then(|name| schemas.get(name));
        return target.map_or_else(|| json!({}), |schema| make(schema, schemas, name, depth));
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(Value::Array(choices)) = fields.get(key) {
            let useful = |choice: &&Value| choice.get("type").is_none_or(|kind| kind != "null");
            let choice = choices.iter().find(useful).or(choices.first());
            let mut made = choice.map_or(Value::Null, |one| make(one, schemas, name, depth));
            merge(&mut made, object(fields, schemas, depth));
            return made;
        }
    }
    if let Some(Value::Array(parts)) = fields.get("allOf") {
        let mut made = json!({});
        for part in parts {
            match make(part, schemas, name, depth) {
                Value::Object(part) => merge(&mut made, part),
                other => made = other,
            }
        }
        return made;
    }
    match kind(fields) {
        "object" => object(fields, schemas, depth).into(),
        "array" => array(fields, schemas, name, depth),
        "string" => text(fields, name).into(),
        "integer" | "number" => number(fields),
        "boolean" => false.into(),
        "null" => Value::Null,
        _ => json!({}),
    }
}

/// What the schema itself says.
fn given(fields: &Object) -> Option<Value> {
    if let Some(example) = fields.get("example") {
        return Some(example.clone());
    }
    if let Some(Value::Array(examples)) = fields.get("examples") {
        return examples.first().cloned();
    }
    if let Some(value) = fields.get("const") {
        return Some(value.clone());
    }
    if let Some(Value::Array(choices)) = fields.get("enum") {
        return choices.first().cloned();
    }
    fields.get("default").filter(|default| !default.is_null()).cloned()
}

fn kind(fields: &Object) -> &str {
    match fields.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            let mut kinds = kinds.iter().filter_map(Value::as_str);
            kinds.find(|kind| *kind != "null").unwrap_or("null")
        }
        _ if fields.contains_key("properties") => "object",
        _ => "",
    }
}

fn object(fields: &Object, schemas: &Object, depth: usize) -> Object {
    let properties = fields.get("properties").and_then(Value::as_object);
    let required = fields.get("required").and_then(Value::as_array);
    let is_required =
        |name: &str| required.is_some_and(|list| list.iter().any(|entry| entry == name));
    let shown = properties.into_iter().flatten().filter(|(name, schema)| {
        is_required(name) || depth < DEPTH_MAX && !may_be_null(schema) && depth < 2
    });
    shown.map(|(name, schema)| (name.clone(), make(schema, schemas, name, depth + 1))).collect()
}

fn may_be_null(schema: &Value) -> bool {
    let null = |kind: &Value| kind == "null";
    let listed = |key: &str| schema.get(key).and_then(Value::as_array);
    listed("type").is_some_and(|kinds| kinds.iter().any(null))
        || listed("anyOf")
            .is_some_and(|all| all.iter().any(|one| one.get("type").is_some_and(null)))
}

fn array(fields: &Object, schemas: &Object, name: &str, depth: usize) -> Value {
    let least = fields.get("minItems").and_then(Value::as_u64).unwrap_or(0);
    let Some(items) = fields.get("items").filter(|_| depth < DEPTH_MAX || least > 0) else {
        return json!([]);
    };
    let name = name.strip_suffix('s').unwrap_or(name);
    let one = make(items, schemas, name, depth + 1);
    Value::Array(vec![one; least.clamp(1, 3) as usize])
}

fn text(fields: &Object, name: &str) -> String {
    match fields.get("format").and_then(Value::as_str) {
        Some("uuid") => return "0190a3c2-7d8e-7b4a-9c1d-2e3f4a5b6c7d".to_owned(),
        Some("date-time") => return "2026-01-31T09:30:00Z".to_owned(),
        Some("date") => return "2026-01-31".to_owned(),
        Some("uri") => return "https://example.com/".to_owned(),
        _ => {}
    }
    let text = match name {
        "scope" => "workflow.read",
        "cursor" | "next" => "eyJpZCI6IjAxOTAifQ",
        "" => "text",
        name => name,
    };
    let least = fields.get("minLength").and_then(Value::as_u64).unwrap_or(0) as usize;
    let most = fields.get("maxLength").and_then(Value::as_u64).unwrap_or(u64::MAX);
    let long = text.chars().chain(std::iter::repeat('x'));
    long.take(text.chars().count().max(least).min(most as usize)).collect()
}

fn number(fields: &Object) -> Value {
    let bound = |key: &str| fields.get(key).and_then(Value::as_f64);
    let least = bound("minimum").or(bound("exclusiveMinimum").map(|bound| bound + 1.0));
    let wanted = least.unwrap_or(0.0).max(1.0);
    json!(bound("maximum").map_or(wanted, |most| wanted.min(most)) as i64)
}

fn merge(made: &mut Value, more: Object) {
    if let Value::Object(made) = made {
        for (name, value) in more {
            made.entry(name).or_insert(value);
        }
    }
}
