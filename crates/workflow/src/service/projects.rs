//! Projects: make, find, change, delete.

use db::Tx;
use kernel::limits::NAME_BYTES_MAX;
use kernel::{Problem, ProjectId, WorkspaceId, codes};

use super::Author;
use crate::check::bad_name;
use crate::model::ProjectView;
use crate::store::projects::{self as store, HAS_WORKFLOWS, NAME_UNIQUE};

/// Longest description, in bytes.
const DESCRIPTION_BYTES_MAX: usize = 10_000;

/// What is to be changed of a project.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Change<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) description: Option<&'a str>,
}

/// Makes a project. Errors: `request.invalid`, `project.name_taken`.
pub(crate) async fn create(
    tx: &mut Tx,
    author: Author<'_>,
    name: &str,
    description: &str,
) -> Result<ProjectView, Problem> {
    check(Change { name: Some(name), description: Some(description) })?;
    let id = ProjectId::new(author.clock, author.dice);
    store::create(tx, author.workspace, id, name, description, author.principal)
        .await
        .map_err(|error| name_taken(error, name))
}

/// The project of this id, else of this name. Errors: `project.not_found`.
pub(crate) async fn find(
    tx: &mut Tx,
    workspace: WorkspaceId,
    reference: &str,
) -> Result<ProjectView, Problem> {
    if reference.contains('\0') {
        return Err(not_found(reference));
    }
    let found = store::find(tx, workspace, reference.parse().ok(), reference).await?;
    found.ok_or_else(|| not_found(reference))
}

/// Changes a project. Errors: `request.invalid`, `request.conflict`, `project.not_found`,
/// `project.name_taken`.
pub(crate) async fn update(
    tx: &mut Tx,
    author: Author<'_>,
    reference: &str,
    revision: Option<i64>,
    change: Change<'_>,
) -> Result<ProjectView, Problem> {
    check(change)?;
    let workspace = author.workspace;
    let current = find(tx, workspace, reference).await?;
    let fields = (change.name, change.description);
    let updated = store::update(tx, workspace, current.id, revision, fields, author.principal);
    let updated =
        updated.await.map_err(|error| name_taken(error, change.name.unwrap_or_default()))?;
    updated.ok_or_else(|| super::stale(revision, current.revision))
}

/// Deletes an empty project. Errors: `project.default`, `project.not_empty`.
pub(crate) async fn delete(
    tx: &mut Tx,
    workspace: WorkspaceId,
    project: &ProjectView,
) -> Result<(), Problem> {
    if project.default {
        let detail = "Workflows without another project go here, so it cannot be deleted.";
        return Err(Problem::new(codes::PROJECT_DEFAULT, detail));
    }
    store::delete(tx, workspace, project.id).await.map_err(|error| match error.constraint() {
        Some(HAS_WORKFLOWS) => {
            let name = &project.name;
            let detail = format!("\"{name}\" has workflows in it; move or delete them first.");
            Problem::new(codes::PROJECT_NOT_EMPTY, detail)
        }
        _ => error.into(),
    })
}

pub(crate) fn not_found(reference: &str) -> Problem {
    let detail = format!("There is no project \"{reference}\" in this workspace.");
    Problem::new(codes::PROJECT_NOT_FOUND, detail)
}

fn check(change: Change<'_>) -> Result<(), Problem> {
    let mut faults = Vec::new();
    if let Some(what) = change.name.and_then(bad_name) {
        faults.push(("/name", format!("The name {what}.")));
    }
    if let Some(text) = change.description {
        if text.len() > DESCRIPTION_BYTES_MAX {
            let what = format!("The description has more than {DESCRIPTION_BYTES_MAX} bytes.");
            faults.push(("/description", what));
        }
        if text.contains('\0') {
            faults.push(("/description", "The description has a NUL in it.".to_owned()));
        }
    }
    super::invalid(faults)
}

fn name_taken(error: db::Error, name: &str) -> Problem {
    match error.constraint() {
        Some(NAME_UNIQUE) => {
            let detail = format!("Another project is called \"{name}\"; choose another name.");
            let code = codes::PROJECT_NAME_TAKEN;
            Problem::new(code, detail.clone()).at("/name", code, detail)
        }
        _ => error.into(),
    }
}

const _: () = assert!(NAME_BYTES_MAX == 200, "the migration's check says so too");
