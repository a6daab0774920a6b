//! The JSON Schema of the configuration, and what the reader asks of it.

use kernel::Value;

use super::Config;

/// The schema: descriptions, defaults and units of every setting.
pub(super) fn of_config() -> Value {
    schemars::schema_for!(Config).to_value()
}

/// The schema of one setting or section, references followed; `None`: there is no such setting.
pub(super) fn find<'s>(schema: &'s Value, path: &[String]) -> Option<&'s Value> {
    path.iter()
        .try_fold(schema, |at, key| follow(schema, at).get("properties")?.get(key))
        .map(|found| follow(schema, found))
}

/// A setting as its section declares it: with its description and default.
pub(super) fn declaration<'s>(
    schema: &'s Value,
    section: &[String],
    key: &str,
) -> Option<&'s Value> {
    find(schema, section)?.get("properties")?.get(key)
}

/// The names of the settings of a section.
pub(super) fn keys<'s>(schema: &'s Value, path: &[String]) -> Vec<&'s str> {
    let properties = find(schema, path).and_then(|section| section.get("properties"));
    let properties = properties.and_then(Value::as_object);
    properties.map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// Whether the setting takes this type, such as `"string"`.
pub(super) fn takes(setting: &Value, kind: &str) -> bool {
    match setting.get("type") {
        Some(Value::String(one)) => one == kind,
        Some(Value::Array(several)) => several.iter().any(|one| one == kind),
        // Enumerations of texts have no single type of their own.
        _ => kind == "string",
    }
}

fn follow<'s>(schema: &'s Value, at: &'s Value) -> &'s Value {
    let target = at.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
    target.and_then(|pointer| schema.pointer(pointer)).unwrap_or(at)
}
