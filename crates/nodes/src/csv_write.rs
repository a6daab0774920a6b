//! `core.csv_write`: items become a CSV file or a binary property.

use std::sync::Arc;

use csv::{QuoteStyle, Terminator, WriterBuilder};
use kernel::{FieldProblem, Items, Object, Value, codes};
use node::{About, AllItems, EffectClass, MayHaveRun, NodeContext, NodeError, NodeType, params};

use crate::aside::aside;
use crate::csv_read::{delimiter, wrong_delimiter};
use crate::output::{self, Target};
use crate::passing::first;
use crate::values;

/// Writes all items as one CSV table: into a file if a path is given, else into a binary property
/// of the one item that comes out.
#[params(check = check)]
pub(crate) struct CsvWrite {
    /// Path of the file to write. Without it, the binary property is made.
    #[serde(default)]
    path: Option<String>,
    /// Binary property to make.
    #[serde(default = "crate::binary::default_property")]
    property: String,
    /// Name of the file in the binary property.
    #[serde(default = "file_name")]
    file_name: String,
    /// Fields to write, in this order. Empty: every field, in the order of its first appearance.
    #[serde(default)]
    columns: Vec<String>,
    /// Character between fields; `\t` is a tab.
    #[serde(default = "comma")]
    delimiter: String,
    /// Whether the first row names the columns.
    #[serde(default = "yes")]
    header: bool,
    /// Whether to begin with a byte-order mark, by which spreadsheet programs know UTF-8.
    #[serde(default)]
    bom: bool,
}

fn file_name() -> String {
    "data.csv".to_owned()
}

fn comma() -> String {
    ",".to_owned()
}

fn yes() -> bool {
    true
}

fn check(node: &CsvWrite) -> Vec<FieldProblem> {
    if delimiter(&node.delimiter).is_some() { Vec::new() } else { vec![wrong_delimiter()] }
}

pub(crate) const NODE: NodeType = NodeType::all::<CsvWrite>();

impl AllItems for CsvWrite {
    const ABOUT: About = About::new("core.csv_write", 1)
        .synonyms(&["spreadsheet", "table", "export"])
        .examples(include_str!("../cases/csv_write.json"))
        .group("file")
        .effect(EffectClass::External)
        .may_have_run(MayHaveRun::Retry)
        .imports(&["n8n-nodes-base.convertToFile"])
        .example(r#"{ "path": "reports/summary.csv", "columns": ["state", "count"] }"#);

    fn effect(&self) -> EffectClass {
        output::effect(self.path.as_deref())
    }

    async fn all(&self, cx: &NodeContext, inputs: &[Items]) -> Result<Vec<Items>, NodeError> {
        let items: Items = Arc::new(first(inputs).to_vec());
        let rows = items.len();
        let node = self.clone();
        // Some hundred bytes an item decide where the work is done; its exact size does not matter.
        let text = aside(rows * 256, move || node.table(&items)).await?;
        let target = Target {
            path: self.path.as_deref(),
            property: &self.property,
            file_name: &self.file_name,
            mime_type: "text/csv",
        };
        output::write(cx, &target, text, rows).await
    }
}

impl CsvWrite {
    fn table(&self, items: &Items) -> Result<Vec<u8>, NodeError> {
        let mut out = Vec::new();
        if self.bom {
            out.extend_from_slice("\u{feff}".as_bytes());
        }
        let mut writer = WriterBuilder::new()
            .delimiter(delimiter(&self.delimiter).unwrap_or(b','))
            .quote_style(QuoteStyle::Necessary)
            .terminator(Terminator::Any(b'\n'))
            .from_writer(out);
        let columns = self.columns(items);
        let wrong = |error: csv::Error| NodeError::fatal(codes::CSV_INVALID, error.to_string());
        if self.header && !columns.is_empty() {
            writer.write_record(&columns).map_err(wrong)?;
        }
        for item in items.iter().filter(|_| !columns.is_empty()) {
            let fields = columns.iter().map(|column| field(&item.json, column));
            writer.write_record(fields).map_err(wrong)?;
        }
        writer
            .into_inner()
            .map_err(|error| NodeError::fatal(codes::CSV_INVALID, error.error().to_string()))
    }

    fn columns(&self, items: &Items) -> Vec<String> {
        if !self.columns.is_empty() {
            return self.columns.clone();
        }
        let mut columns = indexmap::IndexSet::new();
        for item in items.iter() {
            for name in item.json.keys() {
                if !columns.contains(name) {
                    columns.insert(name.clone());
                }
            }
        }
        columns.into_iter().collect()
    }
}

/// A field as text; lists and objects as JSON, null and missing ones as nothing.
fn field(json: &Object, column: &str) -> String {
    let path = crate::paths::Path::new(column, true);
    values::text(path.get(json).unwrap_or(&Value::Null))
}
