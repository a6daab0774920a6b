//! `core.csv_read`: a CSV file becomes items, one per row.

use std::collections::HashSet;

use csv::{ReaderBuilder, StringRecord};
use kernel::limits::ITEMS_PER_OUTPUT_MAX;
use kernel::{FieldProblem, Item, Object, Value, codes};
use node::{About, EachItem, EffectClass, NodeContext, NodeError, NodeType, params};

use crate::aside::aside;
use crate::binary;
use crate::decode::decode;

/// Reads rows of a CSV file, or of CSV in a binary property: one item per row, with the columns as
/// fields.
#[params(check = check)]
pub(crate) struct CsvRead {
    /// Path of the file. Without it, the binary property is read.
    #[serde(default)]
    path: Option<String>,
    /// Binary property to read.
    #[serde(default = "binary::default_property")]
    property: String,
    /// Character between fields; `\t` is a tab.
    #[serde(default = "comma")]
    delimiter: String,
    /// Whether the first row names the columns. Otherwise they are `column_1`, `column_2` …
    #[serde(default = "yes")]
    header: bool,
    /// `auto` (byte-order mark, else UTF-8), or a name such as `windows-1252`.
    #[serde(default = "auto")]
    encoding: String,
    /// What to do with rows that have another number of fields than the first.
    #[serde(default)]
    ragged: Ragged,
    /// What fields become.
    #[serde(default)]
    values: Values,
    /// Rows to read at most.
    #[serde(default)]
    limit: Option<u64>,
}

/// Rows with too few or too many fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Ragged {
    /// An error that names the line.
    #[default]
    Error,
    /// Missing fields are empty; surplus ones are `column_7` and so on.
    Pad,
}

/// What fields become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Values {
    /// Texts, as they stand in the file.
    #[default]
    Text,
    /// Numbers where a field is one, digit for digit; `007` and ` 7` stay texts.
    Numbers,
}

fn comma() -> String {
    ",".to_owned()
}

fn yes() -> bool {
    true
}

fn auto() -> String {
    "auto".to_owned()
}

/// The byte between fields.
pub(crate) fn delimiter(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [one] if one.is_ascii() && !matches!(one, b'"' | b'\n' | b'\r') => Some(*one),
        br"\t" => Some(b'\t'),
        _ => None,
    }
}

/// The fault of a delimiter that is none.
pub(crate) fn wrong_delimiter() -> FieldProblem {
    FieldProblem {
        pointer: "/delimiter".to_owned(),
        code: codes::NODE_PARAMETER.to_string(),
        detail: "A delimiter is one ASCII character, such as , or ; or \\t.".to_owned(),
    }
}

fn check(node: &CsvRead) -> Vec<FieldProblem> {
    if delimiter(&node.delimiter).is_some() { Vec::new() } else { vec![wrong_delimiter()] }
}

pub(crate) const NODE: NodeType = NodeType::each::<CsvRead>();

impl EachItem for CsvRead {
    const ABOUT: About = About::new("core.csv_read", 1)
        .synonyms(&["spreadsheet", "table", "parse", "import"])
        .examples(include_str!("../cases/csv_read.json"))
        .group("file")
        .effect(EffectClass::Read)
        .imports(&["n8n-nodes-base.extractFromFile", "n8n-nodes-base.spreadsheetFile"])
        .example(r#"{ "path": "airports.csv", "values": "numbers" }"#);

    async fn item(&self, cx: &NodeContext, item: &Item) -> Result<Vec<Item>, NodeError> {
        let content = binary::content(cx, item, self.path.as_deref(), &self.property).await?;
        let node = self.clone();
        aside(content.bytes.len(), move || {
            let origin = content.origin;
            let text = decode(content.bytes, &node.encoding, &origin, codes::CSV_INVALID)?;
            Rows { node: &node, origin: &origin, names: Vec::new() }.read(&text)
        })
        .await
    }
}

struct Rows<'n> {
    node: &'n CsvRead,
    origin: &'n str,
    names: Vec<String>,
}

impl Rows<'_> {
    fn read(mut self, text: &str) -> Result<Vec<Item>, NodeError> {
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter(&self.node.delimiter).unwrap_or(b','))
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        let limit = self.node.limit.map_or(usize::MAX, |limit| limit as usize);
        let mut items = Vec::new();
        let mut row = StringRecord::new();
        let (mut line, mut start) = (1, 0);
        let mut width = None;
        while reader.read_record(&mut row).map_err(|error| self.invalid(&error.to_string()))? {
            if let Some(position) = row.position() {
                (line, start) = (position.line(), position.byte() as usize);
            }
            if width.is_none() {
                width = Some(row.len());
                self.name_columns(&row);
                if self.node.header {
                    continue;
                }
            }
            if items.len() == limit {
                return Ok(items);
            }
            if items.len() == ITEMS_PER_OUTPUT_MAX {
                return Err(self.too_many());
            }
            items.push(self.item(&row, line)?);
        }
        self.closed_quotes(text.get(start..).unwrap_or_default(), line)?;
        Ok(items)
    }

    /// The names of the columns: unique, none empty.
    fn name_columns(&mut self, first: &StringRecord) {
        let mut taken = HashSet::new();
        for (index, field) in first.iter().enumerate() {
            let named = self.node.header && !field.is_empty();
            let base = if named { field.to_owned() } else { numbered(index) };
            let mut name = base.clone();
            let mut count = 1;
            while !taken.insert(name.clone()) {
                count += 1;
                name = format!("{base}_{count}");
            }
            self.names.push(name);
        }
    }

    fn item(&self, row: &StringRecord, line: u64) -> Result<Item, NodeError> {
        if row.len() != self.names.len() && self.node.ragged == Ragged::Error {
            return Err(self.invalid(&format!(
                "line {line} has {}, but the first row has {}. Mend the file, or set ragged to \
                 pad.",
                fields(row.len()),
                fields(self.names.len())
            )));
        }
        let mut json = Object::new();
        for index in 0..row.len().max(self.names.len()) {
            let name = self.names.get(index).cloned().unwrap_or_else(|| numbered(index));
            json.insert(name, self.value(row.get(index).unwrap_or_default()));
        }
        Ok(Item::new(json))
    }

    fn value(&self, field: &str) -> Value {
        let number = match self.node.values {
            Values::Numbers if field.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                kernel::json::parse_str(field).ok().filter(|_| field.trim_end() == field)
            }
            Values::Numbers | Values::Text => None,
        };
        number.unwrap_or_else(|| field.into())
    }

    /// A quote that is never closed swallows the rest of the file as one field: the parser does
    /// not mind, the reader of the result would. `last` is where the last row begins.
    fn closed_quotes(&self, last: &str, line: u64) -> Result<(), NodeError> {
        let odd = last.bytes().filter(|byte| *byte == b'"').count() % 2 == 1;
        let delimiter = delimiter(&self.node.delimiter).unwrap_or(b',');
        let quoted = [delimiter, b'"'];
        let opens = last.starts_with('"') || last.as_bytes().windows(2).any(|two| two == quoted);
        if odd && opens {
            return Err(self.invalid(&format!(
                "a quote opened in line {line} or later is never closed. Close it, or double it \
                 if it belongs to the text."
            )));
        }
        Ok(())
    }

    fn too_many(&self) -> NodeError {
        let detail = format!(
            "{} has more than {ITEMS_PER_OUTPUT_MAX} rows: set a limit, or split the file.",
            self.origin
        );
        NodeError::fatal(codes::NODE_LIMIT, detail)
    }

    fn invalid(&self, what: &str) -> NodeError {
        NodeError::fatal(codes::CSV_INVALID, format!("{}: {what}", self.origin))
    }
}

fn numbered(index: usize) -> String {
    format!("column_{}", index + 1)
}

fn fields(count: usize) -> String {
    if count == 1 { "1 field".to_owned() } else { format!("{count} fields") }
}
