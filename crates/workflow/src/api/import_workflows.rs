//! `POST /v1/workflow-files`

use function::{MutationContext, Problem, mutation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::Change;
use super::incoming;
use crate::model::{ImportedFile, OnConflict, WorkflowFile};
use crate::service::files::{self, Import};

/// Files to import.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportFiles {
    /// The files; the request's limit on bodies is theirs.
    files: Vec<WorkflowFile>,
    /// Name or id of the project of files that say nothing else; absent: the default one.
    #[serde(default)]
    project: Option<String>,
    /// What happens to a file whose workflow's name is taken.
    #[serde(default)]
    on_conflict: OnConflict,
    /// Save files that cannot be published yet, too.
    #[serde(default)]
    incomplete: bool,
}

/// What became of the files.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Imported {
    /// In the order of the files.
    items: Vec<ImportedFile>,
}

/// Saves many files as workflows: all of them, or none.
///
/// What is wrong is told of every file at once. A file's folder, or its `project`, names the project it
/// goes to, which is made if it is not there.
#[mutation(
    POST "/v1/workflow-files",
    permission = crate::WRITE,
    audit = "workflow.imported",
    status = 201
)]
pub(super) async fn import_workflows(
    cx: &MutationContext,
    body: ImportFiles,
) -> Result<Imported, Problem> {
    let mut change = Change::of_new(cx).await;
    let Change { tx, author, publishing, .. } = &mut change;
    let ImportFiles { files, project, on_conflict, incomplete } = body;
    let how = Import { project, on_conflict, strictness: incoming::strictness(incomplete) };
    cx.subject("workflows", files.len());
    let items = files::import(tx, *author, publishing, files, &how).await?;
    Ok(Imported { items })
}
