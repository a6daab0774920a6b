//! Routes that are no functions, as the document shows them.

use kernel::{Object, Value};
use serde_json::json;

use super::response;

/// Whether a route asks for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// It is open to everybody.
    None,
    /// It tells more to those who show one.
    Optional,
}

/// One route: where it is, and what it answers.
#[derive(Clone, Copy, Debug)]
pub struct Raw {
    /// Name of the operation; with several methods each appends its own.
    pub name: &'static str,
    /// Methods in lower case.
    pub methods: &'static [&'static str],
    /// Path with parameters in braces.
    pub path: &'static str,
    /// What it is filed under.
    pub tag: &'static str,
    /// One line without a full stop.
    pub summary: &'static str,
    /// More, or nothing.
    pub description: &'static str,
    /// Status, media type (empty: a problem) and meaning; a status may come in several types.
    pub answers: &'static [(u16, &'static str, &'static str)],
    /// Whether it asks for a key.
    pub key: Key,
}

impl Raw {
    /// Method and operation of each.
    pub(super) fn operations(&self) -> impl Iterator<Item = (String, Value)> {
        self.methods.iter().map(|method| ((*method).to_owned(), self.operation(method)))
    }

    fn operation(&self, method: &str) -> Value {
        let mut operation = Object::new();
        let name = match self.methods {
            [_] => self.name.to_owned(),
            _ => format!("{}_by_{method}", self.name),
        };
        operation.insert("operationId".into(), name.into());
        operation.insert("tags".into(), json!([self.tag]));
        operation.insert("summary".into(), self.summary.into());
        if !self.description.is_empty() {
            operation.insert("description".into(), self.description.into());
        }
        operation.insert(
            "security".into(),
            match self.key {
                Key::None => json!([]),
                Key::Optional => json!([{}, { "api_key": [] }]),
            },
        );
        let parameters = self.parameters();
        if !parameters.is_empty() {
            operation.insert("parameters".into(), parameters.into());
        }
        if matches!(method, "post" | "put" | "patch") {
            let body = json!({ "*/*": { "schema": {} } });
            operation.insert("requestBody".into(), json!({ "content": body }));
        }
        operation.insert("responses".into(), self.responses());
        Value::Object(operation)
    }

    fn parameters(&self) -> Vec<Value> {
        let names = self.path.split('/').filter_map(|segment| {
            segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'))
        });
        let parameter = |name: &str| {
            json!({
                "name": name, "in": "path", "required": true,
                "schema": { "type": "string", "minLength": 1 },
                "example": example(name),
            })
        };
        names.map(parameter).collect()
    }

    fn responses(&self) -> Value {
        let mut responses = Object::new();
        for (status, media_type, meaning) in self.answers {
            let status_text = status.to_string();
            if media_type.is_empty() {
                responses.insert(status_text, response::problem(*status, meaning));
                continue;
            }
            let entry = responses.entry(status_text).or_insert_with(|| {
                json!({
                    "description": meaning,
                    "headers": response::common_headers(),
                    "content": {},
                })
            });
            let schema = match *media_type {
                "application/json" => json!({ "type": "object" }),
                "*/*" => json!({}),
                _ => json!({ "type": "string" }),
            };
            entry["content"][*media_type] = json!({ "schema": schema });
        }
        for (status, meaning) in response::EVERYWHERE {
            responses
                .entry(status.to_string())
                .or_insert_with(|| response::problem(*status, meaning));
        }
        responses.into()
    }
}

fn example(name: &str) -> &'static str {
    match name {
        "workspace" => "default",
        "code" => "request.invalid",
        "file" => "style.css",
        _ => "orders",
    }
}
