//! `core.json_write`: items become a JSON file or a binary property.

use std::sync::Arc;

use kernel::{Items, Problem, codes};
use node::{About, AllItems, EffectClass, MayHaveRun, NodeContext, NodeError, NodeType, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aside::aside;
use crate::output::{self, Target};
use crate::passing::first;

/// Writes all items as JSON: into a file if a path is given, else into a binary property of the
/// one item that comes out.
#[params]
pub(crate) struct JsonWrite {
    /// Path of the file to write. Without it, the binary property is made.
    #[serde(default)]
    path: Option<String>,
    /// Binary property to make.
    #[serde(default = "crate::binary::default_property")]
    property: String,
    /// Name of the file in the binary property.
    #[serde(default = "file_name")]
    file_name: String,
    /// What the file holds.
    #[serde(default)]
    layout: Layout,
    /// Whether to indent, for people.
    #[serde(default)]
    indent: bool,
}

/// What the file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Layout {
    /// A list of the items' data.
    #[default]
    List,
    /// The data of the first item.
    First,
    /// The data of each item on a line of its own.
    Lines,
}

fn file_name() -> String {
    "data.json".to_owned()
}

pub(crate) const NODE: NodeType = NodeType::all::<JsonWrite>();

impl AllItems for JsonWrite {
    const ABOUT: About = About::new("core.json_write", 1)
        .synonyms(&["save", "export"])
        .examples(include_str!("../cases/json_write.json"))
        .group("file")
        .effect(EffectClass::External)
        .may_have_run(MayHaveRun::Retry)
        .example(r#"{ "path": "reports/summary.json", "indent": true }"#);

    fn effect(&self) -> EffectClass {
        output::effect(self.path.as_deref())
    }

    async fn all(&self, cx: &NodeContext, inputs: &[Items]) -> Result<Vec<Items>, NodeError> {
        let items: Items = Arc::new(first(inputs).to_vec());
        let count = items.len();
        let node = self.clone();
        let text = aside(count * 256, move || node.text(&items)).await?;
        let target = Target {
            path: self.path.as_deref(),
            property: &self.property,
            file_name: &self.file_name,
            mime_type: match self.layout {
                Layout::List | Layout::First => "application/json",
                Layout::Lines => "application/x-ndjson",
            },
        };
        output::write(cx, &target, text, count).await
    }
}

impl JsonWrite {
    fn text(&self, items: &Items) -> Result<Vec<u8>, NodeError> {
        let mut out = Vec::new();
        match self.layout {
            Layout::List => {
                let list: Vec<_> = items.iter().map(|item| &*item.json).collect();
                self.print(&mut out, &list)?;
            }
            Layout::First => match items.first() {
                Some(item) => self.print(&mut out, &*item.json)?,
                None => {
                    let detail = "There is no item whose data could be written.";
                    return Err(NodeError::fatal(codes::NODE_INPUT, detail));
                }
            },
            Layout::Lines => {
                for item in items.iter() {
                    self.print(&mut out, &*item.json)?;
                }
            }
        }
        Ok(out)
    }

    /// One JSON text and a line's end. A text of several lines cannot be one of many.
    fn print<T: Serialize + ?Sized>(&self, out: &mut Vec<u8>, value: &T) -> Result<(), NodeError> {
        let printed = if self.indent && self.layout != Layout::Lines {
            serde_json::to_writer_pretty(&mut *out, value)
        } else {
            serde_json::to_writer(&mut *out, value)
        };
        out.push(b'\n');
        printed.map_err(|error| {
            tracing::error!(%error, "an item cannot be printed as JSON");
            NodeError::Fatal(Problem::internal())
        })
    }
}
