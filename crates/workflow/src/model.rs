//! Workflows and versions as the API shows them.

use jiff::Timestamp;
use kernel::{Value, VersionId, WorkflowId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{Document, MediaType, Source};
use crate::validate::Warning;

/// A workflow in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowView {
    /// Id; stays the same for life.
    pub id: WorkflowId,
    /// Name, unique in the workspace.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Revision of the draft; goes up with every save.
    pub revision: i64,
    /// Version that hooks and other workflows run; absent before the first publish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_version: Option<VersionId>,
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
    /// When it was made.
    pub created_at: Timestamp,
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
