//! Schemas of both directions, gathered under one roof.
//!
//! What comes in and what goes out may have one name and two shapes (a field with a default may be
//! left out on the way in and is always there on the way out). Inputs are first gathered apart; those
//! that differ, and those that lead to such a one, are called `…Input` in the document.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Object, Value};
use schemars::Schema;
use schemars::generate::{Contract, SchemaGenerator, SchemaSettings};
use schemars::transform::RecursiveTransform;
use serde_json::json;

use super::example;
use crate::declaration::SchemaOf;

/// Where schemas stand in the document, and where inputs stand until they have their names.
const SCHEMAS: &str = "#/components/schemas/";
const INPUTS: &str = "#/components/inputs/";

/// Both generators.
pub(super) struct Schemas {
    input: SchemaGenerator,
    output: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let generator = |contract: Contract, place: &str| {
            SchemaSettings::draft2020_12()
                .with(|settings| {
                    settings.definitions_path = place.trim_matches(['#', '/']).to_owned().into();
                    settings.definitions_path = format!("/{}", settings.definitions_path).into();
                    settings.meta_schema = None;
                    settings.contract = contract;
                    settings.transforms.push(Box::new(RecursiveTransform(without_null_default)));
                })
                .into_generator()
        };
        Self {
            input: generator(Contract::Deserialize, INPUTS),
            output: generator(Contract::Serialize, SCHEMAS),
        }
    }

    /// What comes in.
    pub(super) fn input(&mut self, schema: SchemaOf) -> Value {
        schema(&mut self.input).to_value()
    }

    /// What goes out.
    pub(super) fn output(&mut self, schema: SchemaOf) -> Value {
        schema(&mut self.output).to_value()
    }

    /// The properties of a struct as parameters.
    pub(super) fn parameters(&self, place: &str, schema: SchemaOf) -> Vec<Value> {
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
            let schema = &parameter["schema"];
            if place == "path" && schema.get("default").is_none() {
                let example = example::of(schema, &Object::new());
                parameter["example"] = example;
            }
            parameter
        };
        properties.into_iter().flatten().map(parameter).collect()
    }

    /// Puts all definitions into the document, gives inputs their names, and adds examples.
    pub(super) fn finish(mut self, mut document: Value) -> Value {
        let outputs = self.output.take_definitions(true);
        let inputs = self.input.take_definitions(true);
        let differing = differing(&inputs, &outputs);
        let name = |input: &str| match differing.contains(input) {
            true => format!("{input}Input"),
            false => input.to_owned(),
        };
        let mut all = BTreeMap::from([("Problem".to_owned(), problem())]);
        all.extend(outputs);
        for (input, mut schema) in inputs {
            rename(&mut schema, &name);
            all.insert(name(&input), schema);
        }
        rename(&mut document, &name);
        let all: Object = all.into_iter().collect();
        add_examples(&mut document, &all);
        document["components"]["schemas"] = all.into();
        document
    }
}

/// Names of inputs that are not what the output of the same name is.
fn differing(inputs: &Object, outputs: &Object) -> BTreeSet<String> {
    let mut differing = BTreeSet::new();
    for (name, schema) in inputs {
        let mut same = schema.clone();
        rename(&mut same, &str::to_owned);
        if outputs.get(name).is_some_and(|output| *output != same) {
            differing.insert(name.clone());
        }
    }
    // What refers to one of them cannot be shared either.
    loop {
        let leading = |(name, schema): &(&String, &Value)| {
            outputs.contains_key(*name)
                && !differing.contains(*name)
                && references(schema).iter().any(|target| differing.contains(target))
        };
        let more: Vec<String> =
            inputs.iter().filter(leading).map(|(name, _)| name.clone()).collect();
        if more.is_empty() {
            return differing;
        }
        differing.extend(more);
    }
}

/// The inputs a schema refers to.
fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| match (key.as_str(), value.as_str()) {
                ("$ref", Some(target)) => {
                    target.strip_prefix(INPUTS).map(str::to_owned).into_iter().collect()
                }
                _ => references(value),
            })
            .collect(),
        Value::Array(entries) => entries.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// Leads every reference to an input to the schema that it became.
fn rename(value: &mut Value, name: &impl Fn(&str) -> String) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                match value {
                    Value::String(target) if key == "$ref" => {
                        if let Some(input) = target.strip_prefix(INPUTS) {
                            *target = format!("{SCHEMAS}{}", name(input));
                        }
                    }
                    value => rename(value, name),
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(|entry| rename(entry, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Gives every body of JSON that has none an example made from its schema.
fn add_examples(value: &mut Value, schemas: &Object) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                match (key.as_str(), value) {
                    ("application/json", Value::Object(media))
                        if !media.contains_key("example") =>
                    {
                        if let Some(schema) = media.get("schema") {
                            let example = example::of(schema, schemas);
                            media.insert("example".to_owned(), example);
                        }
                    }
                    (_, value) => add_examples(value, schemas),
                }
            }
        }
        Value::Array(entries) => {
            entries.iter_mut().for_each(|entry| add_examples(entry, schemas));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A default of `null` only says that a field may be left out, and need not fit its schema.
fn without_null_default(schema: &mut Schema) {
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
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
    if let Some(Value::Array(choices)) = property.get_mut("enum") {
        choices.retain(|choice| !choice.is_null());
    }
    if let Some(Value::Array(choices)) = property.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
    }
    if property.get("default").is_some_and(Value::is_null) {
        property.shift_remove("default");
    }
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "What went wrong: RFC 9457, with a stable code.",
        "required": ["type", "title", "status", "detail", "code", "request_id", "retryable"],
        "properties": {
            "type": { "type": "string", "description": "Address of the code's page." },
            "title": { "type": "string", "description": "The same for every occurrence." },
            "status": { "type": "integer", "description": "HTTP status." },
            "detail": { "type": "string", "description": "What is wrong and how to mend it." },
            "instance": { "type": "string", "description": "Path of the request." },
            "code": { "type": "string", "description": "Stable code, such as `workflow.cycle`." },
            "request_id": { "type": "string", "description": "Names the request in the log." },
            "retryable": {
                "type": "boolean",
                "description": "Whether the same request may succeed later.",
            },
            "node": { "type": "string", "description": "Node it happened in." },
            "current": {
                "type": "string",
                "description": "Entity tag of what is there now, where the request named another.",
            },
            "run_id": { "type": "string", "format": "uuid", "description": "Run it is about." },
            "errors": {
                "type": "array",
                "description": "Every wrong place.",
                "items": {
                    "type": "object",
                    "required": ["pointer", "code", "detail"],
                    "properties": {
                        "pointer": { "type": "string", "description": "JSON pointer." },
                        "code": { "type": "string", "description": "Code of this fault." },
                        "detail": { "type": "string", "description": "What is wrong there." },
                    },
                },
            },
        },
    })
}
