//! Workflows as files: many read at once, all or none.

use std::collections::HashMap;

use db::Tx;
use kernel::{FieldProblem, Problem, ProjectId, codes};

use super::copies::{free_name, tidy_tags};
use super::{Author, Incoming, Strictness, create_in, in_use, projects, save};
use crate::document::{Document, MediaType};
use crate::file_names;
use crate::model::{ImportedFile, Importing, OnConflict, Saved, WorkflowFile};
use crate::observer::Publishing;
use crate::store::{self, Place, WorkflowRow};
use crate::validate::validate;
use crate::words;

/// How files are imported.
#[derive(Clone, Debug)]
pub(crate) struct Import {
    /// Project of the files that say nothing else.
    pub(crate) project: Option<String>,
    pub(crate) on_conflict: OnConflict,
    pub(crate) strictness: Strictness,
}

/// Saves every file as a workflow, or none of them.
///
/// Errors: `workflow.import_failed` with every file that is not a workflow that can be stored;
/// `project.not_found`.
pub(crate) async fn import(
    tx: &mut Tx,
    author: Author<'_>,
    publishing: &Publishing,
    files: Vec<WorkflowFile>,
    how: &Import,
) -> Result<Vec<ImportedFile>, Problem> {
    let mut faults = Faults::default();
    let read = read(&files, publishing, how.strictness, &mut faults);
    faults.none(files.len())?;
    let mut planned = Vec::with_capacity(files.len());
    for (index, (file, incoming)) in files.iter().zip(read).enumerate() {
        let Some(incoming) = incoming else { continue };
        let there = store::find(tx, author.workspace, None, &incoming.document.name).await?;
        match may_be_stored(there.as_ref(), &incoming, how.on_conflict) {
            Ok(()) => planned.push(Planned { file, incoming, there }),
            Err(problem) => faults.add(index, file, problem),
        }
    }
    faults.none(files.len())?;
    let mut known = Projects { by_name: HashMap::new() };
    let mut imported = Vec::with_capacity(files.len());
    for (index, planned) in planned.into_iter().enumerate() {
        let file = planned.file;
        match one(tx, author, publishing, planned, how, &mut known).await {
            Ok(file) => imported.push(file),
            Err(problem) if problem.code.0.status == 422 => {
                faults.add(index, file, problem);
                break;
            }
            Err(problem) => return Err(problem),
        }
    }
    faults.none(files.len())?;
    Ok(imported)
}

/// A file with its document and the workflow that has its name.
struct Planned<'a> {
    file: &'a WorkflowFile,
    incoming: Incoming,
    there: Option<WorkflowRow>,
}

fn may_be_stored(
    there: Option<&WorkflowRow>,
    incoming: &Incoming,
    on_conflict: OnConflict,
) -> Result<(), Problem> {
    match (there, on_conflict) {
        (None, _) | (Some(_), OnConflict::Rename) => Ok(()),
        (Some(_), OnConflict::Refuse) => Err(super::copies::taken(&incoming.document.name)),
        (Some(row), OnConflict::Replace) => in_use(row),
    }
}

fn read(
    files: &[WorkflowFile],
    publishing: &Publishing,
    strictness: Strictness,
    faults: &mut Faults,
) -> Vec<Option<Incoming>> {
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut read = Vec::with_capacity(files.len());
    for (index, file) in files.iter().enumerate() {
        let media_type = MediaType::of_file_name(&file.path);
        let incoming = Document::read_bytes(file.text.as_bytes(), media_type)
            .map(|(document, source, notes)| Incoming { document, source: Some(source), notes })
            .and_then(|incoming| {
                super::judge(&incoming, &publishing.registry, strictness)?;
                tidy_tags(file.tags.clone().unwrap_or_default())?;
                Ok(incoming)
            });
        read.push(match incoming {
            Ok(incoming) => {
                if let Some(first) = names.insert(incoming.document.name.clone(), index) {
                    let name = &incoming.document.name;
                    let detail =
                        format!("{} is called \"{name}\" too; rename one.", files[first].path);
                    faults.add(index, file, Problem::new(codes::WORKFLOW_NAME_TAKEN, detail));
                }
                Some(incoming)
            }
            Err(problem) => {
                faults.add(index, file, problem);
                None
            }
        });
    }
    read
}

/// Projects that files name, looked up once each.
struct Projects {
    by_name: HashMap<String, ProjectId>,
}

impl Projects {
    async fn find(
        &mut self,
        tx: &mut Tx,
        author: Author<'_>,
        name: &str,
        make: bool,
    ) -> Result<ProjectId, Problem> {
        if let Some(id) = self.by_name.get(name) {
            return Ok(*id);
        }
        let id = match projects::find(tx, author.workspace, name).await {
            Ok(project) => project.id,
            Err(problem) if make && problem.code == codes::PROJECT_NOT_FOUND => {
                projects::create(tx, author, name, "").await?.id
            }
            Err(problem) => return Err(problem),
        };
        self.by_name.insert(name.to_owned(), id);
        Ok(id)
    }
}

async fn one(
    tx: &mut Tx,
    author: Author<'_>,
    publishing: &Publishing,
    planned: Planned<'_>,
    how: &Import,
    known: &mut Projects,
) -> Result<ImportedFile, Problem> {
    let Planned { file, mut incoming, there } = planned;
    // What a file says of itself is made where it is missing; what the request says must be there.
    let own = file.project.clone().or_else(|| folder(&file.path));
    let project = match (own.as_deref(), how.project.as_deref()) {
        (Some(own), _) => Some(known.find(tx, author, own, true).await?),
        (None, Some(given)) => Some(known.find(tx, author, given, false).await?),
        (None, None) => None,
    };
    let tags = file.tags.clone().map(tidy_tags).transpose()?;
    let (saved, importing) = match (there, how.on_conflict) {
        (Some(row), OnConflict::Replace) => {
            let project = project.unwrap_or(row.view.project);
            let tags = tags.unwrap_or_else(|| row.view.tags.clone());
            replace(tx, author, publishing, row, Place { project, tags }, &incoming, how).await?
        }
        (there, _) => {
            if there.is_some() {
                let name = &incoming.document.name;
                incoming.document.name = free_name(tx, author.workspace, name, "imported").await?;
                incoming.source = None;
            }
            let project = project.unwrap_or(store::projects::default_of(author.workspace));
            let place = Place { project, tags: tags.unwrap_or_default() };
            let saved =
                create_in(tx, author, publishing, &place, &incoming, how.strictness).await?;
            (saved, Importing::Created)
        }
    };
    Ok(ImportedFile {
        path: file.path.clone(),
        id: saved.id,
        name: saved.name,
        revision: saved.revision,
        done: importing,
        warnings: saved.warnings,
        problem: saved.problem,
    })
}

async fn replace(
    tx: &mut Tx,
    author: Author<'_>,
    publishing: &Publishing,
    mut row: WorkflowRow,
    place: Place,
    incoming: &Incoming,
    how: &Import,
) -> Result<(Saved, Importing), Problem> {
    if place.project != row.view.project || place.tags != row.view.tags {
        let found_by = words::of(&incoming.document, &place.tags);
        store::words::replace(tx, author.workspace, row.view.id, found_by).await?;
        store::set_place(tx, author.workspace, row.view.id, &place).await?;
        row.view.tags = place.tags;
    }
    if super::stored(&row.document)? == incoming.document {
        let warnings = validate(&incoming.document, &publishing.registry).unwrap_or_default();
        let (id, name, revision) = (row.view.id, row.view.name, row.view.revision);
        let saved = Saved { id, name, revision, warnings, problem: None };
        return Ok((saved, Importing::Unchanged));
    }
    let saved = save(tx, author, publishing, &row, None, incoming, how.strictness).await?;
    Ok((saved, Importing::Replaced))
}

/// The project that the innermost folder of a path names.
fn folder(path: &str) -> Option<String> {
    let (folders, _) = path.rsplit_once('/')?;
    let folder = folders.rsplit('/').next().filter(|folder| !folder.is_empty() && *folder != ".");
    folder.map(file_names::read)
}

/// Files that cannot be stored, and why.
#[derive(Default)]
struct Faults {
    errors: Vec<FieldProblem>,
    files: Vec<String>,
}

impl Faults {
    fn add(&mut self, index: usize, file: &WorkflowFile, problem: Problem) {
        let path = &file.path;
        let at = |detail: &str| format!("{path}: {detail}");
        let pointer = format!("/files/{index}/text");
        if problem.errors.is_empty() {
            let (code, detail) = (problem.code.to_string(), at(&problem.detail));
            self.errors.push(FieldProblem { pointer: pointer.clone(), code, detail });
        }
        for error in problem.errors {
            // The place inside the document is part of the text: the pointer is of the request.
            let detail = match error.pointer.is_empty() {
                true => at(&error.detail),
                false => at(&format!("{} (at {})", error.detail, error.pointer)),
            };
            self.errors.push(FieldProblem { pointer: pointer.clone(), code: error.code, detail });
        }
        self.files.push(path.clone());
    }

    fn none(&self, count: usize) -> Result<(), Problem> {
        let Some(first) = self.errors.first() else { return Ok(()) };
        let detail = format!(
            "{} of {count} files cannot be stored, so none was. {}",
            self.files.len(),
            first.detail
        );
        let mut problem = Problem::new(codes::WORKFLOW_IMPORT_FAILED, detail);
        problem.errors.clone_from(&self.errors);
        Err(problem)
    }
}
