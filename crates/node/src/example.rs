//! Examples of a node type: what goes in and what comes out. The conformance suite runs them all.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kernel::{Object, Value, json};
use serde::{Deserialize, Serialize};

use crate::registry::NodeType;

/// One example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NodeExample")]
pub struct Example {
    /// What it shows.
    pub title: String,
    /// The parameters.
    #[serde(default)]
    pub parameters: Object,
    /// The data of the items of each input.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input: Vec<Vec<Object>>,
    /// Files that are there before, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// What the outside answers when it is asked, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// The data of the items of each output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Vec<Vec<Object>>>,
    /// Files that are there afterwards, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub writes: BTreeMap<String, String>,
    /// What it makes the engine do instead of putting items out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub does: Option<Value>,
    /// Code of the error it fails with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fails: Option<String>,
}

impl NodeType {
    /// Its examples.
    ///
    /// # Panics
    /// When the declaration's text is no list of examples: the conformance suite reads every one.
    pub fn examples(&self) -> Vec<Example> {
        let read = json::parse_str(self.about.examples).map_err(|error| error.to_string());
        let read = read.and_then(|value| {
            json::from_value(value).map_err(|error: serde_json::Error| error.to_string())
        });
        read.unwrap_or_else(|what| panic!("{}: its examples: {what}", self.about.name))
    }
}

impl Example {
    /// Writes it down for people.
    pub(crate) fn describe(&self, page: &mut String) {
        let _ = write!(page, "\n**{}**\n\n", self.title);
        let _ = writeln!(page, "```json");
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(page, "// {name}\n{value}");
        };
        line("parameters", &Value::Object(self.parameters.clone()));
        let ports = |ports: &[Vec<Object>]| -> String {
            let items = |items: &Vec<Object>| {
                let items: Vec<String> =
                    items.iter().map(|item| Value::Object(item.clone()).to_string()).collect();
                format!("[{}]", items.join(", "))
            };
            ports.iter().map(items).collect::<Vec<_>>().join("\n")
        };
        for (path, text) in &self.files {
            line(&format!("the file {path}"), &Value::from(text.as_str()));
        }
        if !self.input.is_empty() {
            line("items in, one list for each input", &ports(&self.input));
        }
        if let Some(answer) = &self.answer {
            line("the service answers", answer);
        }
        if let Some(output) = &self.output {
            line("items out, one list for each output", &ports(output));
        }
        for (path, text) in &self.writes {
            line(&format!("the file {path} then"), &Value::from(text.as_str()));
        }
        if let Some(does) = &self.does {
            line("what it makes the engine do", does);
        }
        if let Some(code) = &self.fails {
            line("fails with", &Value::from(code.as_str()));
        }
        let _ = writeln!(page, "```");
    }
}
