//! `core.json_read`: a JSON file becomes items.

use kernel::limits::ITEMS_PER_OUTPUT_MAX;
use kernel::{Item, Object, Value, codes};
use node::{About, EachItem, EffectClass, NodeContext, NodeError, NodeType, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aside::aside;
use crate::binary;
use crate::decode::decode;
use crate::paths::Path;
use crate::values;

/// Reads JSON from a file or a binary property. A list gives one item per element, an object one
/// item; what is no object stands in the item's field `data`.
#[params]
pub(crate) struct JsonRead {
    /// Path of the file. Without it, the binary property is read.
    #[serde(default)]
    path: Option<String>,
    /// Binary property to read.
    #[serde(default = "binary::default_property")]
    property: String,
    /// The part to take: a path such as `features` or `result.rows`, or a JSON pointer such as
    /// `/result/rows`. Empty: all of it.
    #[serde(default)]
    select: String,
    /// How the text is laid out.
    #[serde(default)]
    layout: Layout,
    /// `auto` (byte-order mark, else UTF-8), or a name such as `utf-16le`.
    #[serde(default = "auto")]
    encoding: String,
}

/// How the text is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Layout {
    /// One JSON value.
    #[default]
    Document,
    /// One JSON value on each line; empty lines are skipped.
    Lines,
}

fn auto() -> String {
    "auto".to_owned()
}

pub(crate) const NODE: NodeType = NodeType::each::<JsonRead>();

impl EachItem for JsonRead {
    const ABOUT: About = About::new("core.json_read", 1)
        .synonyms(&["parse", "load"])
        .examples(include_str!("../cases/json_read.json"))
        .group("file")
        .effect(EffectClass::Read)
        .example(r#"{ "path": "earthquakes.geojson", "select": "features" }"#);

    async fn item(&self, cx: &NodeContext, item: &Item) -> Result<Vec<Item>, NodeError> {
        let content = binary::content(cx, item, self.path.as_deref(), &self.property).await?;
        let node = self.clone();
        aside(content.bytes.len(), move || {
            let origin = content.origin;
            let text = decode(content.bytes, &node.encoding, &origin, codes::FILE_INVALID)?;
            node.items(&text, &origin)
        })
        .await
    }
}

impl JsonRead {
    fn items(&self, text: &str, origin: &str) -> Result<Vec<Item>, NodeError> {
        let mut items = Vec::new();
        match self.layout {
            Layout::Document => {
                let value = parse(text, 0, origin)?;
                self.add(&mut items, value, origin)?;
            }
            Layout::Lines => {
                let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
                for (index, line) in lines {
                    let value = parse(line, index, origin)?;
                    self.add(&mut items, value, origin)?;
                }
            }
        }
        Ok(items)
    }

    fn add(&self, items: &mut Vec<Item>, value: Value, origin: &str) -> Result<(), NodeError> {
        match self.selected(value, origin)? {
            Value::Array(list) => items.extend(list.into_iter().map(item_of)),
            value => items.push(item_of(value)),
        }
        if items.len() > ITEMS_PER_OUTPUT_MAX {
            let detail = format!(
                "{origin} holds more than {ITEMS_PER_OUTPUT_MAX} elements: split the file."
            );
            return Err(NodeError::fatal(codes::NODE_LIMIT, detail));
        }
        Ok(())
    }

    fn selected(&self, mut value: Value, origin: &str) -> Result<Value, NodeError> {
        if self.select.is_empty() {
            return Ok(value);
        }
        let part = if self.select.starts_with('/') {
            value.pointer_mut(&self.select).map(Value::take)
        } else {
            let path = Path::new(&self.select, true);
            match &mut value {
                // The usual case, a field at the top, is moved instead of copied.
                Value::Object(object) if object.contains_key(&self.select) => {
                    object.get_mut(&self.select).map(Value::take)
                }
                Value::Object(object) => path.get(object).cloned(),
                _ => None,
            }
        };
        part.ok_or_else(|| {
            let there = match &value {
                Value::Object(object) => {
                    let names: Vec<&str> = object.keys().take(10).map(String::as_str).collect();
                    format!("an object with the fields {}", names.join(", "))
                }
                other => values::kind(other).to_owned(),
            };
            let detail = format!(
                "{origin} has nothing at \"{}\": it holds {there}. Correct select.",
                self.select
            );
            NodeError::fatal(codes::NODE_INPUT, detail)
        })
    }
}

/// Objects as they are, everything else in the field `data`.
pub(crate) fn item_of(value: Value) -> Item {
    Item::new(match value {
        Value::Object(object) => object,
        other => Object::from_iter([("data".to_owned(), other)]),
    })
}

fn parse(text: &str, lines_before: usize, origin: &str) -> Result<Value, NodeError> {
    kernel::json::parse_str(text).map_err(|mut error| {
        error.line += lines_before;
        NodeError::fatal(codes::FILE_INVALID, format!("{origin} is not JSON: {error}."))
    })
}
