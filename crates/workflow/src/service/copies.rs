//! What happens to a workflow as a whole: filed elsewhere, put away, copied, deleted.

use db::Tx;
use kernel::limits::NAME_BYTES_MAX;
use kernel::{Object, Problem, Value, WorkflowId, WorkspaceId, codes, json};

use super::versions::withdraw;
use super::{
    Author, Incoming, Strictness, create_in, edit, expect_revision, find, in_use, lock, projects,
    stored,
};
use crate::document::Document;
use crate::model::{Saved, WorkflowView};
use crate::observer::{Publishing, Stored};
use crate::store::{self, Place, WorkflowRow};
use crate::words;

/// Tags of one workflow at most.
const TAGS_MAX: usize = 50;
/// Longest tag, in bytes.
const TAG_BYTES_MAX: usize = 64;

/// What is to be changed of a workflow; what is absent stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    pub(crate) project: Option<String>,
    pub(crate) tags: Option<Vec<String>>,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    /// A merge patch: null takes a setting away.
    pub(crate) settings: Option<Object>,
}

/// Changes parts of a workflow; the draft's revision goes up when the document changes.
///
/// Errors: `workflow.not_found`, `workflow.archived`, `workflow.name_taken`, `workflow.invalid`,
/// `project.not_found`, `request.invalid`, `request.conflict`.
pub(crate) async fn change(
    tx: &mut Tx,
    author: Author<'_>,
    publishing: &Publishing,
    reference: &str,
    revision: Option<i64>,
    change: Change,
) -> Result<WorkflowView, Problem> {
    let row = lock(tx, author.workspace, reference).await?;
    in_use(&row)?;
    expect_revision(revision, &row)?;
    let id = row.view.id;
    let Change { project, tags, name, description, settings } = change;
    if project.is_some() || tags.is_some() {
        let mut place = place_of(&row);
        if let Some(project) = project {
            place.project = projects::find(tx, author.workspace, &project).await?.id;
        }
        if let Some(tags) = tags {
            place.tags = tidy_tags(tags)?;
            let found_by = words::of(&stored(&row.document)?, &place.tags);
            store::words::replace(tx, author.workspace, id, found_by).await?;
        }
        store::set_place(tx, author.workspace, id, &place).await?;
    }
    if name.is_some() || description.is_some() || settings.is_some() {
        let reference = id.to_string();
        let draft = edit::Draft { workflow: &reference, revision, strictness: Strictness::Draft };
        edit::edit(tx, author, publishing, draft, |document, _| {
            let mut value = document.to_value();
            if let Some(name) = name {
                value["name"] = name.into();
            }
            if let Some(description) = description {
                value["description"] = description.into();
            }
            if let Some(settings) = settings {
                json::merge_patch(&mut value["settings"], &Value::Object(settings));
            }
            *document = Document::from_value(value)?;
            Ok(())
        })
        .await?;
    }
    view(tx, author.workspace, id).await
}

/// Puts a workflow away: nothing starts it, nobody changes it. What runs goes on.
///
/// Errors: `workflow.not_found`.
pub(crate) async fn archive(
    tx: &mut Tx,
    author: Author<'_>,
    publishing: &Publishing,
    reference: &str,
) -> Result<WorkflowView, Problem> {
    let row = lock(tx, author.workspace, reference).await?;
    if row.view.archived_at.is_none() {
        silence(tx, author.workspace, publishing, &row).await?;
        store::set_archived(tx, author.workspace, row.view.id, true).await?;
    }
    view(tx, author.workspace, row.view.id).await
}

/// Takes a workflow out of the archive; it is not published.
///
/// Errors: `workflow.not_found`.
pub(crate) async fn unarchive(
    tx: &mut Tx,
    author: Author<'_>,
    publishing: &Publishing,
    reference: &str,
) -> Result<WorkflowView, Problem> {
    let row = lock(tx, author.workspace, reference).await?;
    if row.view.archived_at.is_some() {
        store::set_archived(tx, author.workspace, row.view.id, false).await?;
        let document = stored(&row.document)?;
        let incoming = Incoming::of(document);
        let judged = super::judge(&incoming, &publishing.registry, Strictness::Draft)?;
        super::tell_of_draft(tx, author.workspace, publishing, row.view.id, &incoming, &judged)
            .await?;
    }
    view(tx, author.workspace, row.view.id).await
}

/// Deletes a workflow with its draft and its hooks. Its versions stay for the runs that began with
/// them; nothing shows them any more but these runs.
///
/// Errors: `workflow.not_found`, `request.conflict`.
pub(crate) async fn delete(
    tx: &mut Tx,
    author: Author<'_>,
    publishing: &Publishing,
    reference: &str,
    revision: Option<i64>,
) -> Result<WorkflowId, Problem> {
    let row = lock(tx, author.workspace, reference).await?;
    expect_revision(revision, &row)?;
    silence(tx, author.workspace, publishing, &row).await?;
    store::delete(tx, author.workspace, row.view.id, author.principal).await?;
    tracing::info!(workflow.id = %row.view.id, "workflow deleted");
    Ok(row.view.id)
}

/// Saves a copy of the draft; without a name it is called "… (copy)".
///
/// Errors: `workflow.not_found`, `workflow.name_taken`, `workflow.bad_name`, `project.not_found`.
pub(crate) async fn duplicate(
    tx: &mut Tx,
    author: Author<'_>,
    publishing: &Publishing,
    reference: &str,
    name: Option<String>,
    project: Option<&str>,
) -> Result<Saved, Problem> {
    let row = find(tx, author.workspace, reference).await?;
    let mut place = place_of(&row);
    if let Some(project) = project {
        place.project = projects::find(tx, author.workspace, project).await?.id;
    }
    let mut document = stored(&row.document)?;
    document.name = match name {
        Some(name) => name,
        None => free_name(tx, author.workspace, &document.name, "copy").await?,
    };
    let incoming = Incoming::of(document);
    create_in(tx, author, publishing, &place, &incoming, Strictness::Draft).await
}

/// A name that no workflow has: `name (word)`, `name (word 2)` …
pub(crate) async fn free_name(
    tx: &mut Tx,
    workspace: WorkspaceId,
    name: &str,
    word: &str,
) -> Result<String, Problem> {
    let suffix_bytes = word.len() + 10;
    let stem = name[..name.floor_char_boundary(NAME_BYTES_MAX - suffix_bytes)].trim_end();
    let taken = store::lists::names_like(tx, workspace, stem).await?;
    let names = (1_u32..).map(|number| match number {
        1 => format!("{stem} ({word})"),
        number => format!("{stem} ({word} {number})"),
    });
    let free = names.take(taken.len() + 1).find(|name| !taken.contains(name));
    Ok(free.expect("one more name than are taken"))
}

/// Tags as they are stored: sorted, each once. Errors: `request.invalid`.
pub(crate) fn tidy_tags(mut tags: Vec<String>) -> Result<Vec<String>, Problem> {
    tags.sort();
    tags.dedup();
    let mut faults = Vec::new();
    if tags.len() > TAGS_MAX {
        faults.push(("/tags", format!("A workflow has at most {TAGS_MAX} tags.")));
    }
    let bad = |tag: &&String| {
        tag.is_empty()
            || tag.len() > TAG_BYTES_MAX
            || tag.trim() != **tag
            || tag.chars().any(char::is_control)
    };
    if let Some(tag) = tags.iter().find(bad) {
        let detail = format!(
            "{tag:?} is no tag: give 1 to {TAG_BYTES_MAX} bytes without control characters and \
             without spaces around them."
        );
        faults.push(("/tags", detail));
    }
    super::invalid(faults)?;
    Ok(tags)
}

/// The workflow as it is after the change.
async fn view(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: WorkflowId,
) -> Result<WorkflowView, Problem> {
    Ok(find(tx, workspace, &workflow.to_string()).await?.view)
}

fn place_of(row: &WorkflowRow) -> Place {
    Place { project: row.view.project, tags: row.view.tags.clone() }
}

/// Lets nothing start the workflow any more, by its published version or its draft.
async fn silence(
    tx: &mut Tx,
    workspace: WorkspaceId,
    publishing: &Publishing,
    row: &WorkflowRow,
) -> Result<(), Problem> {
    if row.view.published_version.is_some() {
        withdraw(tx, workspace, publishing, row).await?;
    }
    let told = Stored { workspace, workflow: row.view.id, version: None, graph: None };
    publishing.stored(tx, told).await
}

/// A name that another workflow has.
pub(crate) fn taken(name: &str) -> Problem {
    let detail = format!("Another workflow is called \"{name}\"; choose another name.");
    Problem::new(codes::WORKFLOW_NAME_TAKEN, detail)
}
