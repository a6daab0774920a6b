//! The OpenAPI 3.1 document of a list of functions and raw routes, and its rendering for readers of
//! OpenAPI 3.0.

mod example;
mod older;
mod operation;
mod raw;
mod response;
mod schema;

use std::collections::BTreeMap;

use kernel::Value;
use serde_json::json;

use crate::declaration::Function;

pub use older::older;
pub use raw::{Key, Raw};

use schema::Schemas;

/// The document. The order of functions and routes does not matter.
pub fn document<'a>(
    functions: impl IntoIterator<Item = &'a Function>,
    raw: &[Raw],
    version: &str,
) -> Value {
    let mut schemas = Schemas::new();
    let mut paths: BTreeMap<&str, BTreeMap<String, Value>> = BTreeMap::new();
    let mut tags: BTreeMap<&str, &str> = BTreeMap::new();
    for function in functions {
        let method = function.method.as_str().to_ascii_lowercase();
        let operation = operation::describe(function, &mut schemas);
        tags.insert(operation::tag(function), operation::tag_text(operation::tag(function)));
        paths.entry(function.path).or_default().insert(method, operation);
    }
    for route in raw {
        tags.insert(route.tag, operation::tag_text(route.tag));
        paths.entry(route.path).or_default().extend(route.operations());
    }
    let tags: Vec<Value> =
        tags.into_iter().map(|(name, text)| json!({ "name": name, "description": text })).collect();
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "FlowForge",
            "version": version,
            "summary": "Durable workflows on PostgreSQL.",
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "This server" }],
        "security": [{ "api_key": [] }],
        "tags": tags,
        "paths": paths,
        "components": {
            "parameters": response::parameters(),
            "responses": response::components(),
            "headers": response::headers(),
            "securitySchemes": {
                "api_key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key of the workspace: `Authorization: Bearer ff_…`.",
                },
            },
        },
    });
    schemas.finish(document)
}

const DESCRIPTION: &str = "\
Everything FlowForge can do is one of these functions.

Errors are `application/problem+json` (RFC 9457) with a stable `code`, whose page is at `type`. \
`errors` names every wrong place by JSON pointer. The same request may succeed later where \
`retryable` is true; `Retry-After` says when.

Lists answer one page; give its `next` as `cursor` to get the one after it. Any response may be \
compressed (zstd, gzip) and carries `X-Request-Id`, which the log has, too.";
