//! Workflows and versions as the API shows them.

use jiff::Timestamp;
use kernel::{PrincipalId, ProjectId, Value, VersionId, WorkflowId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{Document, MediaType, Source};
use crate::validate::Warning;

/// A workflow in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowView {
    /// Id; stays the same for life.
    pub id: WorkflowId,
    /// The project it is in.
    pub project: ProjectId,
    /// Name, unique in the workspace.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Tags, sorted.
    pub tags: Vec<String>,
    /// Revision of the draft; goes up with every save.
    pub revision: i64,
    /// Version that hooks and other workflows run; absent before the first publish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_version: Option<VersionId>,
    /// When it was put away; absent while it is in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the draft was saved last.
    pub updated_at: Timestamp,
}

/// A workflow with its draft.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct WorkflowDetail {
    /// The workflow.
    pub workflow: WorkflowView,
    /// The draft as a document.
    pub document: Value,
    /// The draft as text, in the form that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceView>,
    /// What is odd about the draft.
    pub warnings: Vec<Warning>,
    /// Why the draft cannot be published yet; absent when it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<DraftProblem>,
}

/// Why a draft cannot be published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DraftProblem {
    /// A code of the table.
    pub code: String,
    /// What is wrong and how to mend it.
    pub detail: String,
}

/// A document as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceView {
    /// `application/yaml` or `application/json`.
    pub media_type: String,
    /// The text.
    pub text: String,
    /// Whether it is the text as its author wrote it, comments included.
    pub original: bool,
}

impl SourceView {
    /// The document in this form: the author's own text where it is of this form.
    pub(crate) fn of(wanted: MediaType, document: &Document, written: Option<&Source>) -> Self {
        let own = written.filter(|source| source.media_type == wanted);
        let text = match (own, wanted) {
            (Some(source), _) => source.text.clone(),
            (None, MediaType::Yaml) => document.to_yaml(),
            (None, MediaType::Json) => document.to_json(),
        };
        Self { media_type: wanted.name().to_owned(), text, original: own.is_some() }
    }
}

/// What a save answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Saved {
    /// Id of the workflow.
    pub id: WorkflowId,
    /// Its name.
    pub name: String,
    /// Revision of the draft now.
    pub revision: i64,
    /// What is odd about it.
    pub warnings: Vec<Warning>,
    /// Why it cannot be published yet; only where an incomplete draft was let through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<DraftProblem>,
}

/// What a publish answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PublishedView {
    /// Id of the workflow.
    pub id: WorkflowId,
    /// Id of the version that is published now.
    pub version: VersionId,
    /// Its number, from 1.
    pub number: i32,
    /// Revision of the draft it was made of.
    pub revision: i64,
    /// Webhooks that listen now.
    pub hooks: Vec<HookView>,
    /// What is odd about it.
    pub warnings: Vec<Warning>,
}

/// A webhook of a published workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HookView {
    /// Name of the trigger node.
    pub node: String,
    /// Path below `/hooks/{workspace}/`.
    pub path: String,
    /// HTTP methods.
    pub methods: Vec<String>,
}

/// A version in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VersionView {
    /// Id; runs name it.
    pub id: VersionId,
    /// Number, from 1.
    pub number: i32,
    /// Whether it is the published one.
    pub published: bool,
    /// What the one who made it says of it.
    pub note: String,
    /// SHA-256 of the document in hexadecimal: the same content is the same version.
    pub hash: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it; absent: the program itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<PrincipalId>,
}

/// A version with its document.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct VersionDetail {
    /// The version.
    pub version: VersionView,
    /// The document; every node type with its version.
    pub document: Value,
    /// The document as text, in the form that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceView>,
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProjectView {
    /// Id; the default project's is the workspace's.
    pub id: ProjectId,
    /// Name, unique in the workspace.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether it is the one every workspace has, which workflows go to unless told otherwise.
    pub default: bool,
    /// Goes up with every change.
    pub revision: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// A workflow that was searched for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FoundWorkflow {
    /// The workflow.
    #[serde(flatten)]
    pub workflow: WorkflowView,
    /// How well it fits: lists are sorted by it. 0 where nothing was searched for.
    pub rank: i64,
    /// For each word that was searched for, the most prominent one that was found.
    pub matched: Vec<String>,
}

impl FoundWorkflow {
    /// One of a list that nothing was searched in.
    pub(crate) fn unsearched(workflow: WorkflowView) -> Self {
        Self { workflow, rank: 0, matched: Vec::new() }
    }
}

/// A tag in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TagView {
    /// The tag.
    pub tag: String,
    /// How many workflows have it.
    pub workflows: i64,
}

/// A workflow as a file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkflowFile {
    /// Name of the file; its ending says the form: `.json`, else YAML. A folder in front of it names
    /// the project, unless `project` does; `%2F` in the folder's name is a `/` in the project's.
    pub path: String,
    /// The document as text.
    pub text: String,
    /// Name or id of the project; absent: what the path or the request says, else the default one.
    #[serde(default)]
    pub project: Option<String>,
    /// Tags; absent: a workflow that is replaced keeps those it has.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
}

/// A workflow as a file, as it is exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExportedFile {
    /// Name of the file, in a folder named after its project (what file systems do not take stands as
    /// `%2F` and the like).
    pub path: String,
    /// The document as text.
    pub text: String,
    /// Name of the project.
    pub project: String,
    /// Tags.
    pub tags: Vec<String>,
}

/// What happens to a file whose workflow's name is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// Nothing is imported.
    #[default]
    Refuse,
    /// The draft of the one that is there is replaced; what is published stays.
    Replace,
    /// It gets another name.
    Rename,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Importing {
    /// A new workflow.
    Created,
    /// The draft of the workflow that was there is another one now.
    Replaced,
    /// The workflow that was there has this content.
    Unchanged,
}

/// A file that was imported.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ImportedFile {
    /// Name of the file.
    pub path: String,
    /// The workflow.
    pub id: WorkflowId,
    /// Its name.
    pub name: String,
    /// Revision of its draft.
    pub revision: i64,
    /// What became of the file.
    pub done: Importing,
    /// What is odd about it.
    pub warnings: Vec<Warning>,
    /// Why it cannot be published yet; only where incomplete drafts are let through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<DraftProblem>,
}

/// A stored version.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// The workflow.
    pub workflow: WorkflowId,
    /// The version.
    pub id: VersionId,
    /// Number, from 1.
    pub number: i32,
    /// The document; every node type with its version.
    pub document: Document,
}
