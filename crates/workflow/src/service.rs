//! Use cases: save a draft, publish it, read it back.

pub(crate) mod copies;
pub(crate) mod edit;
pub(crate) mod files;
pub(crate) mod projects;
pub(crate) mod versions;

use db::Tx;
use kernel::{Clock, Dice, PrincipalId, Problem, VersionId, WorkflowId, WorkspaceId, codes};
use node::{Registry, TriggerKind};
use uuid::Uuid;

use crate::check::full_name;
use crate::document::{Document, Source};
use crate::graph::Graph;
use crate::model::{DraftProblem, HookView, PublishedView, Saved, Version};
use crate::observer::{Publishing, Stored};
use crate::store::{self, Draft, Place, WorkflowRow};
use crate::validate::{Warning, validate};
use crate::words;

/// Who saves, where, and what new ids are made of.
#[derive(Clone, Copy)]
pub struct Author<'a> {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Who is responsible; `None`: the program itself.
    pub principal: Option<PrincipalId>,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Chance.
    pub dice: &'a dyn Dice,
}

/// Whether a draft with faults may be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Only a valid document is saved.
    Valid,
    /// A document that parses is saved; its faults are told.
    Draft,
}

/// A document to be saved, with the text it came from.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The document.
    pub document: Document,
    /// The text, when it is worth keeping.
    pub source: Option<Source>,
    /// What had to be changed to read it.
    pub notes: Vec<String>,
}

impl Incoming {
    /// A document that this program made, of which there is no text.
    pub(crate) fn of(document: Document) -> Self {
        Self { document, source: None, notes: Vec::new() }
    }
}

/// A document's faults and oddities.
struct Judgement {
    warnings: Vec<Warning>,
    problem: Option<Problem>,
}

/// Saves a new workflow in the default project.
///
/// Errors: those of [`validate`]; `workflow.name_taken`.
pub async fn create(
    tx: &mut Tx,
    author: Author<'_>,
    publishing: &Publishing,
    incoming: &Incoming,
    strictness: Strictness,
) -> Result<Saved, Problem> {
    let place = Place::default_of(author.workspace);
    create_in(tx, author, publishing, &place, incoming, strictness).await
}

/// Saves a new workflow.
pub(crate) async fn create_in(
    tx: &mut Tx,
    author: Author<'_>,
    publishing: &Publishing,
    place: &Place,
    incoming: &Incoming,
    strictness: Strictness,
) -> Result<Saved, Problem> {
    let judged = judge(incoming, &publishing.registry, strictness)?;
    let id = WorkflowId::new(author.clock, author.dice);
    let json = incoming.document.to_json();
    let draft = draft(&incoming.document, incoming.source.as_ref(), &json, author.principal);
    store::create(tx, author.workspace, id, place, &draft)
        .await
        .map_err(|error| name_taken(error, &incoming.document.name))?;
    let found_by = words::of(&incoming.document, &place.tags);
    store::words::replace(tx, author.workspace, id, found_by).await?;
    tell_of_draft(tx, author.workspace, publishing, id, incoming, &judged).await?;
    Ok(saved(id, &incoming.document.name, 1, judged))
}

/// Replaces the draft of a workflow, provided it still has `revision` (when given).
///
/// Errors: those of [`validate`]; `workflow.not_found`, `workflow.name_taken`, `workflow.archived`,
/// `request.conflict`.
pub async fn update(
    tx: &mut Tx,
    author: Author<'_>,
    publishing: &Publishing,
    reference: &str,
    revision: Option<i64>,
    incoming: &Incoming,
    strictness: Strictness,
) -> Result<Saved, Problem> {
    let current = find(tx, author.workspace, reference).await?;
    in_use(&current)?;
    save(tx, author, publishing, &current, revision, incoming, strictness).await
}

/// Replaces the draft of a workflow that was just read.
pub(crate) async fn save(
    tx: &mut Tx,
    author: Author<'_>,
    publishing: &Publishing,
    current: &WorkflowRow,
    revision: Option<i64>,
    incoming: &Incoming,
    strictness: Strictness,
) -> Result<Saved, Problem> {
    let judged = judge(incoming, &publishing.registry, strictness)?;
    let id = current.view.id;
    let json = incoming.document.to_json();
    let draft = draft(&incoming.document, incoming.source.as_ref(), &json, author.principal);
    let updated = store::update(tx, author.workspace, id, revision, &draft)
        .await
        .map_err(|error| name_taken(error, &incoming.document.name))?;
    let revision = updated.ok_or_else(|| stale(revision, current.view.revision))?;
    let found_by = words::of(&incoming.document, &current.view.tags);
    store::words::replace(tx, author.workspace, id, found_by).await?;
    tell_of_draft(tx, author.workspace, publishing, id, incoming, &judged).await?;
    Ok(saved(id, &incoming.document.name, revision, judged))
}

/// What is published, and what is said of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Release<'a> {
    /// Revision the draft must have.
    pub revision: Option<i64>,
    /// What the author says of the version.
    pub note: &'a str,
}

/// Makes an immutable version of the draft and lets hooks and callers run it from now on.
///
/// Errors: those of [`validate`]; `workflow.no_trigger`, `workflow.not_found`, `workflow.archived`,
/// `request.conflict`, and what an observer refuses.
pub async fn publish(
    tx: &mut Tx,
    author: Author<'_>,
    publishing: &Publishing,
    reference: &str,
    release: Release<'_>,
) -> Result<PublishedView, Problem> {
    let row = lock(tx, author.workspace, reference).await?;
    in_use(&row)?;
    expect_revision(release.revision, &row)?;
    check_note(release.note)?;
    let document = stored(&row.document)?;
    let registry = &publishing.registry;
    let warnings = validate(&document, registry)?;
    require_trigger(&warnings)?;
    let (id, source) = (row.view.id, row.source.as_ref());
    let version = add_version(tx, author, registry, id, document, source, release.note).await?;
    let hooks = let_run(tx, author.workspace, publishing, &version).await?;
    let (number, revision) = (version.number, row.view.revision);
    Ok(PublishedView { id, version: version.id, number, revision, hooks, warnings })
}

/// What cannot be stored as a note.
fn check_note(note: &str) -> Result<(), Problem> {
    let fault = match note {
        long if long.len() > NOTE_BYTES_MAX => {
            Some(format!("The note has more than {NOTE_BYTES_MAX} bytes."))
        }
        note if note.contains('\0') => Some("The note has a NUL in it.".to_owned()),
        _ => None,
    };
    invalid(fault.into_iter().map(|detail| ("/query/note", detail)).collect())
}

/// Longest note on a version, in bytes.
const NOTE_BYTES_MAX: usize = 10_000;

/// Makes a stored version the published one.
async fn let_run(
    tx: &mut Tx,
    workspace: WorkspaceId,
    publishing: &Publishing,
    version: &Version,
) -> Result<Vec<HookView>, Problem> {
    let Version { workflow, id, document, .. } = version;
    store::set_published(tx, workspace, *workflow, Some(*id)).await?;
    let graph = Graph::build(workspace, *workflow, *id, document, &publishing.registry)?;
    let told = Stored { workspace, workflow: *workflow, version: Some(*id), graph: Some(&graph) };
    publishing.stored(tx, told).await?;
    tracing::info!(workflow.id = %workflow, workflow.version = %id, "workflow published");
    Ok(hooks(&graph))
}

/// The webhooks that listen for a graph.
fn hooks(graph: &Graph) -> Vec<HookView> {
    let enabled = graph.nodes.iter().filter(|node| !node.disabled);
    enabled
        .filter_map(|node| match node.prepared.trigger()? {
            TriggerKind::Webhook(hook) => Some(HookView {
                node: node.name.to_string(),
                path: hook.path,
                methods: hook.methods,
            }),
            TriggerKind::Manual => None,
        })
        .collect()
}

/// Tells the observers of a saved draft.
async fn tell_of_draft(
    tx: &mut Tx,
    workspace: WorkspaceId,
    publishing: &Publishing,
    workflow: WorkflowId,
    incoming: &Incoming,
    judged: &Judgement,
) -> Result<(), Problem> {
    if publishing.observers.is_empty() {
        return Ok(());
    }
    let nil = VersionId(Uuid::nil());
    let graph = match judged.problem {
        Some(_) => None,
        None => {
            let registry = &publishing.registry;
            Some(Graph::build(workspace, workflow, nil, &incoming.document, registry)?)
        }
    };
    let told = Stored { workspace, workflow, version: None, graph: graph.as_deref() };
    publishing.stored(tx, told).await
}

/// Stores a document that shall run once without being saved under its name: a file, or a draft
/// that is tried out. The same content gives the same version.
///
/// Errors: those of [`validate`]; `workflow.no_trigger`.
pub async fn store_file(
    tx: &mut Tx,
    author: Author<'_>,
    registry: &Registry,
    incoming: &Incoming,
) -> Result<Version, Problem> {
    require_trigger(&validate(&incoming.document, registry)?)?;
    let json = incoming.document.to_json();
    let draft = draft(&incoming.document, incoming.source.as_ref(), &json, author.principal);
    let new = WorkflowId::new(author.clock, author.dice);
    let id = store::upsert_file(tx, author.workspace, new, &draft).await?;
    let source = incoming.source.as_ref();
    add_version(tx, author, registry, id, incoming.document.clone(), source, "").await
}

/// Stores the draft of a workflow as a version, without publishing it: for a test run.
///
/// Errors: those of [`validate`]; `workflow.no_trigger`, `workflow.not_found`.
pub async fn store_draft(
    tx: &mut Tx,
    author: Author<'_>,
    registry: &Registry,
    reference: &str,
) -> Result<Version, Problem> {
    let row = lock(tx, author.workspace, reference).await?;
    in_use(&row)?;
    let document = stored(&row.document)?;
    require_trigger(&validate(&document, registry)?)?;
    add_version(tx, author, registry, row.view.id, document, row.source.as_ref(), "").await
}

/// The workflow of this id, else the saved one of this name.
pub(crate) async fn find(
    tx: &mut Tx,
    workspace: WorkspaceId,
    reference: &str,
) -> Result<WorkflowRow, Problem> {
    // PostgreSQL's texts hold no NUL, so no workflow is called so.
    if reference.contains('\0') {
        return Err(not_found(reference));
    }
    let id = reference.parse::<WorkflowId>().ok();
    let row = store::find(tx, workspace, id, reference).await?;
    row.ok_or_else(|| not_found(reference))
}

/// Like [`find`], and nobody else changes it until the transaction ends.
pub(crate) async fn lock(
    tx: &mut Tx,
    workspace: WorkspaceId,
    reference: &str,
) -> Result<WorkflowRow, Problem> {
    let id = find(tx, workspace, reference).await?.view.id;
    store::lock(tx, workspace, id).await?.ok_or_else(|| not_found(reference))
}

/// Refuses what is put away.
pub(crate) fn in_use(row: &WorkflowRow) -> Result<(), Problem> {
    if row.view.archived_at.is_none() {
        return Ok(());
    }
    let name = &row.view.name;
    let detail = format!("The workflow \"{name}\" is archived; take it out of the archive first.");
    Err(Problem::new(codes::WORKFLOW_ARCHIVED, detail))
}

/// Refuses when the draft has another revision than the one that is given.
pub(crate) fn expect_revision(wanted: Option<i64>, row: &WorkflowRow) -> Result<(), Problem> {
    match wanted {
        Some(revision) if revision != row.view.revision => Err(stale(wanted, row.view.revision)),
        Some(_) | None => Ok(()),
    }
}

/// The id of the workflow that an id or a name means.
///
/// Errors: `workflow.not_found`.
pub async fn find_id(
    tx: &mut Tx,
    workspace: WorkspaceId,
    reference: &str,
) -> Result<WorkflowId, Problem> {
    Ok(find(tx, workspace, reference).await?.view.id)
}

/// A document as the database holds it.
pub(crate) fn stored(json: &str) -> Result<Document, Problem> {
    Document::from_json(json)
}

/// What the draft is worth, never failing.
pub(crate) fn look_over(
    document: &Document,
    registry: &Registry,
) -> (Vec<Warning>, Option<DraftProblem>) {
    match validate(document, registry) {
        Ok(warnings) => (warnings, None),
        Err(problem) => (Vec::new(), Some(draft_problem(problem))),
    }
}

pub(crate) fn not_found(reference: &str) -> Problem {
    let detail = format!("There is no workflow \"{reference}\" in this workspace.");
    Problem::new(codes::WORKFLOW_NOT_FOUND, detail)
}

fn judge(
    incoming: &Incoming,
    registry: &Registry,
    strictness: Strictness,
) -> Result<Judgement, Problem> {
    let (mut warnings, problem) = match validate(&incoming.document, registry) {
        Ok(warnings) => (warnings, None),
        Err(problem) => {
            let problem = match &incoming.source {
                Some(source) => source.place(problem),
                None => problem,
            };
            // A name that cannot be stored cannot wait for the publish.
            let unnamed = problem.errors.iter().any(|fault| fault.pointer == "/name");
            if strictness == Strictness::Valid || unnamed {
                return Err(problem);
            }
            (Vec::new(), Some(problem))
        }
    };
    warnings.extend(incoming.notes.iter().map(|note| Warning {
        code: codes::WORKFLOW_MALFORMED.to_string(),
        pointer: String::new(),
        node: None,
        detail: note.clone(),
    }));
    Ok(Judgement { warnings, problem })
}

fn saved(id: WorkflowId, name: &str, revision: i64, judged: Judgement) -> Saved {
    let problem = judged.problem.map(draft_problem);
    Saved { id, name: name.to_owned(), revision, warnings: judged.warnings, problem }
}

fn draft_problem(problem: Problem) -> DraftProblem {
    DraftProblem { code: problem.code.to_string(), detail: problem.detail }
}

fn draft<'a>(
    document: &'a Document,
    source: Option<&'a Source>,
    json: &'a str,
    principal: Option<PrincipalId>,
) -> Draft<'a> {
    // The column is only for lists; PostgreSQL's texts cannot hold NUL, the document's JSON can.
    let description = document.description.replace('\0', "\u{fffd}");
    Draft { name: &document.name, description, document: json, source, principal }
}

/// Writes the version of every node type out, and stores the result.
async fn add_version(
    tx: &mut Tx,
    author: Author<'_>,
    registry: &Registry,
    workflow: WorkflowId,
    mut document: Document,
    source: Option<&Source>,
    note: &str,
) -> Result<Version, Problem> {
    spell_types_out(&mut document, registry);
    let json = document.to_json();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, json.as_bytes());
    let new = VersionId::new(author.clock, author.dice);
    let row = draft(&document, source, &json, author.principal);
    let (id, number) =
        store::versions::add(tx, author.workspace, workflow, new, &row, hash.as_ref(), note)
            .await?;
    Ok(Version { workflow, id, number, document })
}

/// Names the version of every node type there is.
pub(crate) fn spell_types_out(document: &mut Document, registry: &Registry) {
    for node in &mut document.nodes {
        if let Some(kind) = registry.find(&node.kind) {
            node.kind = full_name(kind).to_string();
        }
    }
}

fn require_trigger(warnings: &[Warning]) -> Result<(), Problem> {
    let code = codes::WORKFLOW_NO_TRIGGER;
    match warnings.iter().find(|warning| warning.code == code.to_string()) {
        Some(warning) => {
            Err(Problem::new(code, warning.detail.clone()).at("/nodes", code, &warning.detail))
        }
        None => Ok(()),
    }
}

/// All wrong fields of a request at once; nothing when there is none.
fn invalid(faults: Vec<(&str, String)>) -> Result<(), Problem> {
    let Some((_, first)) = faults.first() else { return Ok(()) };
    let code = codes::REQUEST_INVALID;
    let problem = Problem::new(code, first.clone());
    Err(faults
        .into_iter()
        .fold(problem, |problem, (pointer, detail)| problem.at(pointer, code, detail)))
}

fn stale(wanted: Option<i64>, current: i64) -> Problem {
    let wanted = wanted.map_or_else(|| "another".to_owned(), |revision| revision.to_string());
    let detail = format!(
        "This is based on revision {wanted}, but the draft is at revision {current}: somebody \
         saved it in between. Read it again and repeat the change."
    );
    Problem::new(codes::REQUEST_CONFLICT, detail)
        .with_current(function::Version::from(current).tag())
}

fn name_taken(error: db::Error, name: &str) -> Problem {
    match error.constraint() {
        Some("workflows_name_unique") => {
            let problem = copies::taken(name);
            let detail = problem.detail.clone();
            problem.at("/name", codes::WORKFLOW_NAME_TAKEN, detail)
        }
        Some(store::projects::HAS_WORKFLOWS) => projects::not_found("given"),
        _ => error.into(),
    }
}
