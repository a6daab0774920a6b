//! One function as an operation.

use kernel::{Object, Value};
use serde_json::json;

use super::response;
use super::schema::Schemas;
use crate::declaration::{BodyArgument, Function, Kind, Method};

/// The operation of a function.
pub(super) fn describe(function: &Function, schemas: &mut Schemas) -> Value {
    let mut operation = Object::new();
    operation.insert("operationId".into(), function.name.into());
    operation.insert("tags".into(), json!([tag(function)]));
    operation.insert("summary".into(), function.summary().into());
    let description = function.doc.split_once('\n').map(|(_, rest)| rest.trim());
    if let Some(description) = description.filter(|text| !text.is_empty()) {
        operation.insert("description".into(), description.into());
    }
    operation.insert("x-permission".into(), function.permission.0.into());
    let kind = match function.kind {
        Kind::Query => "query",
        Kind::Mutation { .. } => "mutation",
        Kind::Action { .. } => "action",
    };
    operation.insert("x-kind".into(), kind.into());
    let parameters = parameters(function, schemas);
    if !parameters.is_empty() {
        operation.insert("parameters".into(), parameters.into());
    }
    if let Some(body) = body(function, schemas) {
        operation.insert("requestBody".into(), body);
    }
    operation.insert("responses".into(), responses(function, schemas));
    Value::Object(operation)
}

/// `/v1/api-keys/{id}` is filed under `api-keys`.
pub(super) fn tag(function: &Function) -> &'static str {
    function.path.split('/').nth(2).unwrap_or("system")
}

/// What a tag holds; a noun that has no text here speaks for itself.
pub(super) fn tag_text(tag: &str) -> &'static str {
    match tag {
        "api-keys" => "Keys with which programs call this API.",
        "audit" => "Who changed what, and when.",
        "files" => "Workflow files that are run without being saved.",
        "hooks" => "Webhooks: requests that start runs.",
        "node-types" => "What workflows are made of.",
        "projects" => "Folders of workflows.",
        "runs" => "Executions of workflows: what happened, and what shall happen with them.",
        "statistics" => "How often workflows run, how long they take, how often they fail.",
        "system" => "The server itself: health, metrics, this description, error codes.",
        "workflow-files" => "Workflows as files, to take out and to bring in.",
        "workflow-tags" => "Words under which workflows are found.",
        "workflows" => "Workflows: drafts, published versions, their runs.",
        "workspace" => "The workspace that everything belongs to.",
        _ => "",
    }
}

fn parameters(function: &Function, schemas: &mut Schemas) -> Vec<Value> {
    let mut parameters = Vec::new();
    for (place, schema) in [("path", function.path_schema), ("query", function.query_schema)] {
        if let Some(schema) = schema {
            parameters.extend(schemas.parameters(place, schema));
        }
    }
    parameters.extend(header_names(function).map(response::request_header));
    parameters
}

/// Headers that a call of this function may have: what every read, and what every change understands.
fn header_names(function: &Function) -> impl Iterator<Item = &'static str> {
    let versioned =
        matches!(function.kind, Kind::Mutation { .. }) && function.path_schema.is_some();
    let names: &[&str] = if function.method == Method::Get {
        &["If-None-Match"]
    } else if versioned {
        &["Idempotency-Key", "If-Match"]
    } else {
        &["Idempotency-Key"]
    };
    names.iter().copied()
}

fn body(function: &Function, schemas: &mut Schemas) -> Option<Value> {
    match function.body {
        BodyArgument::None => None,
        BodyArgument::Json(schema) => {
            let schema = schemas.input(schema);
            Some(json!({ "content": { "application/json": { "schema": schema } } }))
        }
        BodyArgument::Raw { accepts } => {
            let content = |kind: &str| {
                let text = kind.ends_with("yaml") || kind.starts_with("text/");
                let schema = if text { json!({ "type": "string" }) } else { json!({}) };
                (kind.to_owned(), json!({ "schema": schema }))
            };
            let content: Object = accepts.split(',').map(|kind| content(kind.trim())).collect();
            Some(json!({ "required": true, "content": content }))
        }
    }
}

fn responses(function: &Function, schemas: &mut Schemas) -> Value {
    let mut success = json!({
        "description": "Done.", "headers": response::function_headers(function.method),
    });
    if let Some(schema) = function.output {
        success["description"] = function.summary().into();
        let content = json!({ "application/json": { "schema": schemas.output(schema) } });
        success["content"] = content;
    }
    let mut responses = Object::new();
    if let Some(also) = function.also {
        responses.insert(also.to_string(), success.clone());
    }
    responses.insert(function.status.to_string(), success);
    if function.method == Method::Get {
        responses.insert("304".to_owned(), response::not_modified());
    }
    for status in response::statuses(function) {
        responses.insert(status.to_string(), response::reference(status));
    }
    responses.into()
}
