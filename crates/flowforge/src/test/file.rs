//! Files of tests: `*.test.yaml`, `*.test.yml`, `*.test.json`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use indexmap::IndexMap;
use kernel::duration::Span;
use kernel::{Object, Problem, Value, codes};
use schemars::JsonSchema;
use serde::Deserialize;
use workflow::MediaType;

/// Endings of files of tests.
const ENDINGS: [&str; 3] = [".test.yaml", ".test.yml", ".test.json"];
/// Folders looked into, one in another.
const DEPTH_MAX: usize = 16;

/// Tests of one workflow.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "FlowForge workflow tests")]
pub(crate) struct TestFile {
    /// Version of this format: always 1.
    #[schemars(range(min = 1, max = 1))]
    #[expect(dead_code, reason = "the schema checks it")]
    pub(crate) format: u8,
    /// The workflow's file, seen from this file's folder.
    pub(crate) workflow: String,
    /// Files of workflows that it calls, seen from this file's folder: they are published first.
    #[serde(default)]
    pub(crate) publish: Vec<String>,
    /// The tests, run in order.
    pub(crate) tests: Vec<Case>,
}

/// One test: one run, and what is expected of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// What holds, as a phrase.
    pub(crate) name: String,
    /// Name of the trigger to start at; absent: the manual trigger, else the first one.
    #[serde(default)]
    pub(crate) trigger: Option<String>,
    /// What the trigger puts out: an object, an item, or a list of either.
    #[serde(default)]
    pub(crate) input: Option<Value>,
    /// Items that nodes put out instead of running, by node: objects, or items.
    #[serde(default)]
    pub(crate) pinned: IndexMap<String, Vec<Value>>,
    /// What is expected.
    #[serde(default)]
    pub(crate) expect: Expect,
    /// Expressions that must give true; `$('Node')` reaches every node.
    #[serde(default)]
    pub(crate) assert: Vec<String>,
    /// How long the run may take; 1m when absent.
    #[serde(default)]
    #[schemars(schema_with = "span")]
    pub(crate) timeout: Option<Span>,
}

impl Case {
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.map_or(Duration::from_secs(60), |span| span.0)
    }
}

/// What is expected of a run.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    /// How it ends; `succeeded` when absent, `failed` when an error is expected.
    pub(crate) status: Option<Status>,
    /// Why it fails.
    pub(crate) error: Option<ExpectedError>,
    /// What the caller is answered.
    pub(crate) reply: Option<ExpectedReply>,
    /// What nodes put out in all, by `Node` (its first output) or `Node:output`.
    pub(crate) nodes: IndexMap<String, ExpectedItems>,
    /// Nodes that do not run.
    pub(crate) skipped: Vec<String>,
    /// Files that are there afterwards, by path.
    pub(crate) files: IndexMap<String, ExpectedFile>,
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// Well.
    Succeeded,
    /// With an error.
    Failed,
    /// On request.
    Cancelled,
}

impl Status {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why a run fails; what is absent is not looked at.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExpectedError {
    /// The code.
    pub(crate) code: Option<String>,
    /// The node.
    pub(crate) node: Option<String>,
    /// A part of the message.
    pub(crate) message: Option<String>,
}

/// What the caller is answered; what is absent is not looked at.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExpectedReply {
    /// Status of HTTP.
    pub(crate) status: Option<u16>,
    /// Headers that are there, names in lower case.
    pub(crate) headers: IndexMap<String, String>,
    /// The body: JSON, or a text.
    pub(crate) body: Option<Value>,
}

/// Data of items.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum ExpectedItems {
    /// Exactly these.
    All(Vec<Object>),
    /// Something about them.
    Some(SomeItems),
}

/// Something about items; what is absent is not looked at.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SomeItems {
    /// How many there are.
    #[serde(default)]
    pub(crate) count: Option<usize>,
    /// For each of these one has at least its fields.
    #[serde(default)]
    pub(crate) contains: Vec<Object>,
}

/// What stands in a file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum ExpectedFile {
    /// Exactly this text.
    Text(String),
    /// Something about it.
    Some(SomeContent),
}

/// Something about a file; what is absent is not looked at.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SomeContent {
    /// It is this JSON.
    #[serde(default)]
    pub(crate) json: Option<Value>,
    /// These texts stand in it.
    #[serde(default)]
    pub(crate) contains: Vec<String>,
}

fn span(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "anyOf": [
            { "type": "string", "format": "span", "pattern": "^[0-9]+(ms|s|m|h|d)$" },
            { "type": "null" },
        ]
    })
}

/// JSON Schema of files of tests.
pub(crate) fn schema() -> Value {
    schemars::schema_for!(TestFile).to_value()
}

/// Reads a file of tests. Errors: `file.invalid` with every fault and its place.
pub(crate) fn read(path: &Path) -> Result<TestFile, Problem> {
    let text = super::read_text(path)?;
    let media_type = MediaType::of_file_name(&path.to_string_lossy());
    workflow::document::read_as(&text, media_type, &schema()).map_err(|problem| {
        let mut placed = Problem::new(codes::FILE_INVALID, problem.detail);
        placed.errors = problem.errors;
        placed
    })
}

/// Every file of tests below a folder, or the file itself, in the order of their names.
pub(crate) fn find(place: &Path) -> Result<Vec<PathBuf>, Problem> {
    let mut found = Vec::new();
    if place.is_file() {
        found.push(place.to_owned());
    } else {
        walk(place, 0, &mut found)?;
    }
    found.sort();
    Ok(found)
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Problem> {
    if depth > DEPTH_MAX {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(|error| super::unreadable(folder, &error))? {
        let entry = entry.map_err(|error| super::unreadable(folder, &error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Links are not followed: they may lead back.
        let kind = entry.file_type().map_err(|error| super::unreadable(folder, &error))?;
        if name.starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            walk(&entry.path(), depth + 1, found)?;
        } else if ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            found.push(entry.path());
        }
    }
    Ok(())
}
