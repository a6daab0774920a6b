//! Text to document: size, syntax, shape, each fault with its place.

use kernel::json;
use kernel::limits::BODY_BYTES_MAX;
use kernel::{FieldProblem, Problem, Value, codes};

use super::duplicate::first_duplicate;
use super::model::Document;
use super::schema::json_schema;
use super::shape;
use super::source::{MediaType, Source};
use super::{yaml_reader, yaml_writer};

/// The only format there is.
const FORMAT: u64 = 1;

impl Document {
    /// Reads a document, and says in `warnings` what was changed to make it readable.
    ///
    /// Errors: `request.body_too_large`; `workflow.malformed` with line and column;
    /// `workflow.invalid` with every field that is unknown, missing or of the wrong type.
    pub fn read(source: &Source) -> Result<(Self, Vec<String>), Problem> {
        let (value, warnings) = parse(source)?;
        let document = Self::from_value(value).map_err(|problem| source.place(problem))?;
        Ok((document, warnings))
    }

    /// Reads a document from bytes: [`Document::read`] after a check that they are UTF-8 text.
    pub fn read_bytes(
        bytes: &[u8],
        media_type: MediaType,
    ) -> Result<(Self, Source, Vec<String>), Problem> {
        if bytes.len() > BODY_BYTES_MAX {
            return Err(too_large(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let line = good.matches('\n').count() + 1;
            let column = good.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
            malformed(line, column, "the text is not UTF-8; save the file as UTF-8")
        })?;
        let source = Source { media_type, text: text.to_owned() };
        let (document, warnings) = Self::read(&source)?;
        Ok((document, source, warnings))
    }

    /// Reads a document from YAML.
    pub fn from_yaml(text: &str) -> Result<Self, Problem> {
        let source = Source { media_type: MediaType::Yaml, text: text.to_owned() };
        Self::read(&source).map(|(document, _)| document)
    }

    /// Reads a document from JSON.
    pub fn from_json(text: &str) -> Result<Self, Problem> {
        let source = Source { media_type: MediaType::Json, text: text.to_owned() };
        Self::read(&source).map(|(document, _)| document)
    }

    /// A document from a value, each wrong field named.
    pub fn from_value(value: Value) -> Result<Self, Problem> {
        check_format(&value)?;
        let mut faults = shape::check(&value, json_schema());
        let node = faults.first().and_then(|fault| Some(node_of(fault, &value)?.1?.to_owned()));
        for fault in &mut faults {
            name_node(fault, &value);
        }
        if !faults.is_empty() {
            return Err(Problem { node, ..invalid(faults) });
        }
        json::from_value(value)
            .map_err(|error| Problem::new(codes::WORKFLOW_INVALID, error.to_string()))
    }

    /// The document as a value; keys in the order of the format.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).expect("a document has only text keys and finite numbers")
    }

    /// The document as JSON: one line, keys in the order of the format.
    pub fn to_json(&self) -> String {
        self.to_value().to_string()
    }

    /// The document as YAML.
    pub fn to_yaml(&self) -> String {
        yaml_writer::write(&self.to_value())
    }
}

/// Reads something else that people write in the same way, such as a file of tests, by its JSON Schema.
///
/// Errors: those of [`Document::read`].
pub fn read_as<T: serde::de::DeserializeOwned>(
    text: &str,
    media_type: MediaType,
    schema: &Value,
) -> Result<T, Problem> {
    let source = Source { media_type, text: text.to_owned() };
    let (value, _) = parse(&source)?;
    let faults = shape::check(&value, schema);
    if !faults.is_empty() {
        return Err(source.place(invalid(faults)));
    }
    json::from_value(value)
        .map_err(|error| Problem::new(codes::WORKFLOW_INVALID, error.to_string()))
}

fn parse(source: &Source) -> Result<(Value, Vec<String>), Problem> {
    let text = &source.text;
    if text.len() > BODY_BYTES_MAX {
        return Err(too_large(text.len()));
    }
    match source.media_type {
        MediaType::Yaml => {
            let value = yaml_reader::read(text)
                .map_err(|error| malformed(error.place.line, error.place.column, &error.what))?;
            Ok((value, Vec::new()))
        }
        MediaType::Json => {
            let parsed = json::parse(text.as_bytes()).map_err(|error| {
                malformed(error.line, error.column, &not_json(text, error.what))
            })?;
            if let Some((key, line, column)) = first_duplicate(text.as_bytes()) {
                let what = format!("the key \"{key}\" stands here a second time; remove one");
                return Err(malformed(line, column, &what));
            }
            let replaced = parsed.replaced_surrogates;
            let warning = (replaced > 0).then(|| {
                format!(
                    "{replaced} lone surrogates were replaced by U+FFFD: they are no characters"
                )
            });
            Ok((parsed.value, warning.into_iter().collect()))
        }
    }
}

/// What is wrong with a text that is no JSON, and what it may be instead.
fn not_json(text: &str, what: String) -> String {
    match text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).chars().next() {
        Some('{' | '[' | '"') | None => what,
        Some(_) => format!("{what}; YAML is sent as application/yaml"),
    }
}

fn check_format(value: &Value) -> Result<(), Problem> {
    let Some(object) = value.as_object() else {
        let what = "A workflow document is an object with format, name, nodes and connections.";
        return Err(Problem::new(codes::WORKFLOW_INVALID, what));
    };
    let detail = match object.get("format") {
        Some(format) if format.as_u64() == Some(FORMAT) => return Ok(()),
        Some(format) => format!("format is {format}; this program reads format {FORMAT}"),
        None => format!("\"format\" is missing: write \"format: {FORMAT}\" as the first line"),
    };
    let problem = Problem::new(codes::WORKFLOW_INVALID, detail.clone());
    Err(problem.at("/format", codes::WORKFLOW_INVALID, detail))
}

/// Index and, if it has one, name of the node in which a fault stands.
fn node_of<'a>(fault: &'a FieldProblem, document: &'a Value) -> Option<(&'a str, Option<&'a str>)> {
    let rest = fault.pointer.strip_prefix("/nodes/")?;
    let index = rest.split('/').next().unwrap_or(rest);
    let name = document.pointer(&format!("/nodes/{index}/name")).and_then(Value::as_str);
    Some((index, name))
}

/// Puts the node's name before a fault inside it.
fn name_node(fault: &mut FieldProblem, document: &Value) {
    fault.detail = match node_of(fault, document) {
        Some((_, Some(name))) => format!("Node \"{name}\": {}", fault.detail),
        Some((index, None)) => format!("Node {index}: {}", fault.detail),
        None => return,
    };
}

fn invalid(faults: Vec<FieldProblem>) -> Problem {
    let detail = match faults.as_slice() {
        [one] => format!("{} (at {})", one.detail, one.pointer),
        [first, rest @ ..] => {
            format!("{} (at {}), and {} more", first.detail, first.pointer, rest.len())
        }
        [] => String::new(),
    };
    let mut problem = Problem::new(codes::WORKFLOW_INVALID, detail);
    problem.errors = faults;
    problem
}

fn malformed(line: usize, column: usize, what: &str) -> Problem {
    let detail = format!("line {line}, column {column}: {what}");
    Problem::new(codes::WORKFLOW_MALFORMED, detail)
}

fn too_large(bytes: usize) -> Problem {
    let detail = format!(
        "The document has {bytes} bytes; at most {BODY_BYTES_MAX} are read. Move data out of it."
    );
    Problem::new(codes::REQUEST_BODY_TOO_LARGE, detail)
}
