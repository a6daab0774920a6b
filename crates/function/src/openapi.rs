//! The OpenAPI 3.1 document of a list of functions.

use std::collections::BTreeMap;

use kernel::{Object, Value};
use schemars::generate::{Contract, SchemaGenerator, SchemaSettings};
use serde_json::json;

use crate::declaration::{BodyArgument, Function, Kind, SchemaOf};

/// The document; the order of `functions` does not matter.
pub fn document<'a>(functions: impl IntoIterator<Item = &'a Function>, version: &str) -> Value {
    let mut schemas = Schemas::new();
    let mut paths: BTreeMap<&str, BTreeMap<String, Value>> = BTreeMap::new();
    for function in functions {
        let method = function.method.as_str().to_ascii_lowercase();
        paths.entry(function.path).or_default().insert(method, operation(function, &mut schemas));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "FlowForge",
            "version": version,
            "summary": "Durable workflows on PostgreSQL.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "api_key": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas.finish(),
            "responses": { "Problem": problem_response() },
            "securitySchemes": {
                "api_key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key of the workspace: `Authorization: Bearer ff_…`.",
                },
            },
        },
    })
}

fn operation(function: &Function, schemas: &mut Schemas) -> Value {
    let mut operation = Object::new();
    operation.insert("operationId".into(), function.name.into());
    operation.insert("tags".into(), json!([tag(function)]));
    operation.insert("summary".into(), function.summary().into());
    let description = function.doc.split_once('\n').map(|(_, rest)| rest.trim());
    if let Some(description) = description.filter(|text| !text.is_empty()) {
        operation.insert("description".into(), description.into());
    }
    operation.insert("x-permission".into(), function.permission.0.into());
    operation.insert(
        "x-kind".into(),
        match function.kind {
            Kind::Query => "query",
            Kind::Mutation { .. } => "mutation",
            Kind::Action { .. } => "action",
        }
        .into(),
    );
    let mut parameters = Vec::new();
    for (place, schema) in [("path", function.path_schema), ("query", function.query_schema)] {
        if let Some(schema) = schema {
            parameters.extend(schemas.parameters(place, schema));
        }
    }
    if !parameters.is_empty() {
        operation.insert("parameters".into(), parameters.into());
    }
    match function.body {
        BodyArgument::None => {}
        BodyArgument::Json(schema) => {
            let schema = schemas.input(schema);
            let content = json!({ "application/json": { "schema": schema } });
            operation.insert("requestBody".into(), json!({ "content": content }));
        }
        BodyArgument::Raw { accepts } => {
            let content: Object =
                accepts.split(',').map(|kind| (kind.trim().to_owned(), json!({}))).collect();
            operation.insert("requestBody".into(), json!({ "required": true, "content": content }));
        }
    }
    let success = match function.output {
        None => json!({ "description": "Done." }),
        Some(schema) => json!({
            "description": function.summary(),
            "content": { "application/json": { "schema": schemas.output(schema) } },
        }),
    };
    let mut responses = Object::new();
    if let Some(also) = function.also {
        responses.insert(also.to_string(), success.clone());
    }
    responses.insert(function.status.to_string(), success);
    responses.insert("default".into(), json!({ "$ref": "#/components/responses/Problem" }));
    operation.insert("responses".into(), responses.into());
    Value::Object(operation)
}

/// `/v1/api-keys/{id}` is filed under `api-keys`.
fn tag(function: &Function) -> &'static str {
    function.path.split('/').nth(2).unwrap_or("system")
}

/// Schemas of both directions, gathered under one roof.
struct Schemas {
    input: SchemaGenerator,
    output: SchemaGenerator,
}

const PLACE: &str = "/components/schemas";

impl Schemas {
    fn new() -> Self {
        let generator = |contract: Contract| {
            SchemaSettings::draft2020_12()
                .with(|settings| {
                    settings.definitions_path = PLACE.into();
                    settings.meta_schema = None;
                    settings.contract = contract;
                })
                .into_generator()
        };
        Self { input: generator(Contract::Deserialize), output: generator(Contract::Serialize) }
    }

    fn input(&mut self, schema: SchemaOf) -> Value {
        schema(&mut self.input).to_value()
    }

    fn output(&mut self, schema: SchemaOf) -> Value {
        schema(&mut self.output).to_value()
    }

    /// The properties of a struct as parameters.
    fn parameters(&mut self, place: &str, schema: SchemaOf) -> Vec<Value> {
        let mut generator = SchemaSettings::draft2020_12()
            .with(|settings| settings.inline_subschemas = true)
            .into_generator();
        let schema = schema(&mut generator).to_value();
        let required = |name: &str| {
            let list = schema.get("required").and_then(Value::as_array);
            place == "path" || list.is_some_and(|list| list.iter().any(|entry| entry == name))
        };
        let properties = schema.get("properties").and_then(Value::as_object);
        let parameter = |(name, property): (&String, &Value)| {
            let mut property = property.clone();
            let description = property.as_object_mut().and_then(|fields| {
                without_null(fields);
                fields.shift_remove("description")
            });
            let mut parameter = json!({
                "name": name, "in": place, "required": required(name), "schema": property,
            });
            if let Some(description) = description {
                parameter["description"] = description;
            }
            parameter
        };
        properties.into_iter().flatten().map(parameter).collect()
    }

    /// All definitions; one that differs by direction is called `…Input` where it comes in.
    fn finish(mut self) -> Value {
        let mut all = BTreeMap::from([("Problem".to_owned(), problem_schema())]);
        all.extend(self.output.take_definitions(true));
        for (name, schema) in self.input.take_definitions(true) {
            let known = all.get(&name).is_some_and(|known| *known != schema);
            debug_assert!(!known, "{name} differs by direction: use a type for each");
            all.insert(name, schema);
        }
        json!(all)
    }
}

/// Takes the `null` out of an optional parameter's schema: a query string has none.
fn without_null(property: &mut Object) {
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            property.insert("type".into(), one);
        }
    }
    if let Some(Value::Array(choices)) = property.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
    }
}

fn problem_response() -> Value {
    json!({
        "description": "What went wrong: RFC 9457, with a stable `code`.",
        "content": {
            "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } },
        },
    })
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "request_id", "retryable"],
        "properties": {
            "type": { "type": "string", "description": "Address of the code's page." },
            "title": { "type": "string", "description": "The same for every occurrence." },
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "What is wrong and how to mend it." },
            "instance": { "type": "string", "description": "Path of the request." },
            "code": { "type": "string", "description": "Stable code, such as `workflow.cycle`." },
            "request_id": { "type": "string" },
            "retryable": { "type": "boolean" },
            "node": { "type": "string", "description": "Node it happened in." },
            "current": {
                "type": "string",
                "description": "Entity tag of what is there now, where the request named another.",
            },
            "run_id": { "type": "string", "format": "uuid" },
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["pointer", "code", "detail"],
                    "properties": {
                        "pointer": { "type": "string", "description": "JSON pointer." },
                        "code": { "type": "string" },
                        "detail": { "type": "string" },
                    },
                },
            },
        },
    })
}
