//! The same document for readers of OpenAPI 3.0, which knows an older kind of schema.

use kernel::{Object, Value};
use serde_json::json;

/// Keywords of newer schemas that have no counterpart; without them a schema says less, never more.
const UNKNOWN: [&str; 16] = [
    "$schema",
    "$id",
    "$defs",
    "$comment",
    "contentEncoding",
    "contentMediaType",
    "contains",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "patternProperties",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// Renders an OpenAPI 3.1 document as OpenAPI 3.0.3.
pub fn older(document: &Value) -> Value {
    let mut document = document.clone();
    document["openapi"] = "3.0.3".into();
    if let Some(info) = document["info"].as_object_mut() {
        info.shift_remove("summary");
        info["license"] =
            json!({ "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" });
    }
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.values_mut().for_each(convert);
    }
    for part in ["paths", "components"] {
        find_schemas(&mut document[part]);
    }
    document
}

/// Converts what stands under `schema` anywhere outside of examples.
fn find_schemas(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                match key.as_str() {
                    "schema" => convert(value),
                    "example" | "examples" | "schemas" => {}
                    _ => find_schemas(value),
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(find_schemas),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// One schema with everything in it.
fn convert(schema: &mut Value) {
    match schema {
        Value::Bool(true) => *schema = json!({}),
        Value::Bool(false) => *schema = json!({ "not": {} }),
        _ => {}
    }
    let Some(fields) = schema.as_object_mut() else { return };
    for keyword in UNKNOWN {
        fields.shift_remove(keyword);
    }
    wrap_reference(fields);
    convert_type(fields);
    if let Some(value) = fields.shift_remove("const") {
        fields.insert("enum".to_owned(), json!([value]));
    }
    if let Some(Value::Array(examples)) = fields.shift_remove("examples")
        && let Some(first) = examples.into_iter().next()
    {
        fields.entry("example").or_insert(first);
    }
    for (exclusive, inclusive) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")]
    {
        if let Some(bound) = fields.get(exclusive).filter(|bound| bound.is_number()).cloned() {
            fields.insert(inclusive.to_owned(), bound);
            fields.insert(exclusive.to_owned(), true.into());
        }
    }
    if fields.shift_remove("prefixItems").is_some() {
        fields.insert("items".to_owned(), json!({}));
    }
    if fields.get("type").is_some_and(|kind| kind == "array") {
        fields.entry("items").or_insert_with(|| json!({}));
    }
    convert_null_choice(fields);
    for (key, value) in fields.iter_mut() {
        match key.as_str() {
            "properties" => {
                value
                    .as_object_mut()
                    .into_iter()
                    .flat_map(|all| all.values_mut())
                    .for_each(convert);
            }
            "items" | "not" => convert(value),
            "additionalProperties" if value.is_object() => convert(value),
            "allOf" | "anyOf" | "oneOf" => {
                value.as_array_mut().into_iter().flatten().for_each(convert);
            }
            _ => {}
        }
    }
}

/// Nothing may stand beside a reference in 3.0.
fn wrap_reference(fields: &mut Object) {
    if fields.len() > 1
        && let Some(target) = fields.shift_remove("$ref")
    {
        let reference = json!({ "$ref": target });
        match fields.get_mut("allOf").and_then(Value::as_array_mut) {
            Some(parts) => parts.push(reference),
            None => {
                fields.insert("allOf".to_owned(), json!([reference]));
            }
        }
    }
}

/// A list of types becomes one type, or a choice of them; `null` becomes `nullable`.
fn convert_type(fields: &mut Object) {
    if fields.get("type").is_some_and(|kind| kind == "null") {
        fields.shift_remove("type");
        fields.insert("nullable".to_owned(), true.into());
        fields.insert("enum".to_owned(), json!([null]));
    }
    let Some(Value::Array(kinds)) = fields.get("type") else { return };
    let mut kinds = kinds.clone();
    let count = kinds.len();
    kinds.retain(|kind| kind != "null");
    if kinds.len() < count {
        fields.insert("nullable".to_owned(), true.into());
    }
    match kinds.as_slice() {
        [one] => {
            let one = one.clone();
            fields.insert("type".to_owned(), one);
        }
        several => {
            let choices: Vec<Value> = several.iter().map(|kind| json!({ "type": kind })).collect();
            fields.shift_remove("type");
            fields.entry("anyOf").or_insert(choices.into());
        }
    }
}

/// A choice of something or `null` becomes that something, `nullable`.
fn convert_null_choice(fields: &mut Object) {
    for key in ["anyOf", "oneOf"] {
        let Some(Value::Array(choices)) = fields.get_mut(key) else { continue };
        let count = choices.len();
        choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
        if choices.len() == count {
            continue;
        }
        let single = (choices.len() == 1).then(|| choices.remove(0));
        fields.insert("nullable".to_owned(), true.into());
        if let Some(single) = single {
            fields.shift_remove(key);
            fields.insert("allOf".to_owned(), json!([single]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(mut schema: Value) -> Value {
        convert(&mut schema);
        schema
    }

    #[test]
    fn what_only_newer_schemas_say_is_said_in_the_older_way() {
        let cases = [
            (json!({ "type": ["string", "null"] }), json!({ "type": "string", "nullable": true })),
            (json!({ "const": "a" }), json!({ "enum": ["a"] })),
            (
                json!({ "anyOf": [{ "$ref": "#/x" }, { "type": "null" }] }),
                json!({ "nullable": true, "allOf": [{ "$ref": "#/x" }] }),
            ),
            (
                json!({ "description": "d", "$ref": "#/x" }),
                json!({ "description": "d", "allOf": [{ "$ref": "#/x" }] }),
            ),
            (
                json!({ "exclusiveMinimum": 1, "examples": [2, 3] }),
                json!({ "exclusiveMinimum": true, "minimum": 1, "example": 2 }),
            ),
            (json!({ "properties": { "a": true } }), json!({ "properties": { "a": {} } })),
            (json!({ "type": "array" }), json!({ "type": "array", "items": {} })),
        ];
        for (newer, older) in cases {
            assert_eq!(converted(newer), older);
        }
    }
}
