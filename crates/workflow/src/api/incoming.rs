//! What the functions of workflows take: paths, queries, bodies.

use function::{Problem, RawBody};
use kernel::codes;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::document::{Document, MediaType};
use crate::service::edit::Draft;
use crate::service::{Incoming, Strictness};

/// Which workflow.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct WorkflowPath {
    /// The workflow's id, or its name.
    #[schemars(length(min = 1, max = 200))]
    pub(super) workflow_id: String,
}

/// How a save is done.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SaveQuery {
    /// Save it even if it cannot be published yet; what is wrong is answered as `problem`.
    incomplete: bool,
    /// Revision this is based on; another one is refused with `request.conflict`. Absent:
    /// whatever is there is replaced.
    #[schemars(range(min = 1))]
    pub(super) revision: Option<i64>,
}

/// How a new workflow is saved.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CreateQuery {
    /// Save it even if it cannot be published yet; what is wrong is answered as `problem`.
    pub(super) incomplete: bool,
    /// Name or id of the project; absent: the default one.
    #[schemars(length(min = 1, max = 200))]
    pub(super) project: Option<String>,
    /// Tags; give it several times for several.
    #[schemars(length(max = 50), inner(length(min = 1, max = 64)))]
    pub(super) tag: Vec<String>,
}

/// What a change is based on.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RevisionQuery {
    /// Revision this is based on; another one is refused with `request.conflict`. Absent:
    /// whatever is there is changed.
    #[schemars(range(min = 1))]
    pub(super) revision: Option<i64>,
}

/// Which node of which workflow.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NodePath {
    /// The workflow's id, or its name.
    #[schemars(length(min = 1, max = 200))]
    pub(super) workflow_id: String,
    /// The node's name.
    #[schemars(length(min = 1, max = 200))]
    pub(super) node: String,
}

/// Which version of which workflow.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct VersionPath {
    /// The workflow's id, or its name.
    #[schemars(length(min = 1, max = 200))]
    pub(super) workflow_id: String,
    /// The version's number or id, or `published`.
    #[schemars(length(min = 1, max = 100))]
    pub(super) version: String,
}

/// A form of text.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum SourceForm {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

impl SourceForm {
    pub(super) fn media_type(self) -> MediaType {
        match self {
            Self::Yaml => MediaType::Yaml,
            Self::Json => MediaType::Json,
        }
    }
}

pub(super) fn strictness(incomplete: bool) -> Strictness {
    if incomplete { Strictness::Draft } else { Strictness::Valid }
}

impl SaveQuery {
    pub(super) fn strictness(&self) -> Strictness {
        strictness(self.incomplete)
    }

    /// The draft of this workflow, as a change of it names it.
    pub(super) fn draft<'a>(&self, workflow: &'a str) -> Draft<'a> {
        Draft { workflow, revision: self.revision, strictness: self.strictness() }
    }
}

/// Reads the document of a body. Without a media type it is JSON if it begins like an object.
pub(super) fn read(raw: &RawBody) -> Result<Incoming, Problem> {
    let media_type = match raw.media_type.as_str() {
        "" if begins_an_object(&raw.bytes) => MediaType::Json,
        "" => MediaType::Yaml,
        name => MediaType::of_header(name).ok_or_else(|| {
            let detail = format!(
                "Send the document as application/json or application/yaml, not as {name}."
            );
            Problem::new(codes::REQUEST_UNSUPPORTED, detail)
        })?,
    };
    let (document, source, notes) = Document::read_bytes(&raw.bytes, media_type)?;
    Ok(Incoming { document, source: Some(source), notes })
}

fn begins_an_object(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    text.trim_ascii_start().first() == Some(&b'{')
}
