//! The document's JSON Schema (2020-12): the contract, and what documents are checked against.

use std::sync::LazyLock;

use kernel::Value;
use kernel::duration::Span;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::model::Document;
use crate::graph::Retention;
use crate::labels::Labels;

/// The JSON Schema of a document, made once.
pub fn json_schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> =
        LazyLock::new(|| schemars::schema_for!(Document).as_value().clone());
    &SCHEMA
}

/// Whether a text has a `format` of our schema; an error says what is expected.
pub(super) fn check_format(format: &str, text: &str) -> Result<(), String> {
    match format {
        "span" => Span::parse(text).map(|_| ()).map_err(|error| error.to_string()),
        "connection" => super::Connection::parse(text).map(|_| ()),
        "timezone" => jiff::tz::TimeZone::get(text).map(|_| ()).map_err(|_| {
            format!("\"{text}\" is not an IANA time zone; write one such as Europe/Berlin or UTC")
        }),
        "label" => Labels::fault(text).map_or(Ok(()), Err),
        "field_path" => match text.split('.').any(str::is_empty) {
            true => Err(format!("\"{text}\" is no path; write one such as card.number")),
            false => Ok(()),
        },
        _ => Ok(()),
    }
}

pub(super) fn span(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "format": "span",
        "pattern": "^[0-9]+(ms|s|m|h|d)$",
        "examples": ["250ms", "30s", "5m", "2h", "7d"],
    })
}

pub(super) fn optional_span(generator: &mut SchemaGenerator) -> Schema {
    let span = span(generator);
    json_schema!({ "anyOf": [span, { "type": "null" }] })
}

pub(super) fn timezone(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "string", "format": "timezone", "examples": ["Europe/Berlin"] },
            { "type": "null" },
        ]
    })
}

pub(super) fn retention(_: &mut SchemaGenerator) -> Schema {
    let classes: Vec<String> = Retention::ALL.iter().map(ToString::to_string).collect();
    json_schema!({ "type": "string", "enum": classes })
}

pub(super) fn field_paths(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 100,
        "items": { "type": "string", "format": "field_path" },
        "examples": [["password", "card.number"]],
    })
}

pub(super) fn pinned(_: &mut SchemaGenerator) -> Schema {
    let index = json_schema!({ "type": "integer", "minimum": 0, "maximum": u32::MAX });
    let source = json_schema!({
        "type": "object",
        "properties": { "item": index, "input": index },
        "required": ["item"],
        "additionalProperties": false,
    });
    json_schema!({
        "type": "object",
        "additionalProperties": { "type": "array", "items": {
            "type": "object",
            "properties": {
                "json": { "type": "object", "description": "The item's data." },
                "binary": {
                    "description": "Files that travel with the item, by property name.",
                    "anyOf": [{ "type": "object", "additionalProperties": {
                        "type": "object",
                        "properties": {
                            "blob": { "type": "string", "description": "SHA-256 in hexadecimal." },
                            "mime_type": { "type": "string" },
                            "file_name": { "anyOf": [{ "type": "string" }, { "type": "null" }] },
                            "size": { "type": "integer", "minimum": 0 },
                        },
                        "required": ["blob"],
                        "additionalProperties": false,
                    } }, { "type": "null" }],
                },
                "paired_item": {
                    "description": "The input items it was made of: an index, {item, input} or a \
                                    list of them.",
                    "anyOf": [index, source, { "type": "null" },
                        { "type": "array", "items": { "anyOf": [index, source] } }],
                },
            },
            "required": ["json"],
            "additionalProperties": false,
        } },
    })
}
