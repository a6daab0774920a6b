//! Use cases: save a draft, publish it, read it back.

use db::Tx;
use kernel::{Clock, Dice, PrincipalId, Problem, VersionId, WorkflowId, WorkspaceId, codes};
use node::{Registry, TriggerKind};
use uuid::Uuid;

use crate::check::full_name;
use crate::document::{Document, Source};
use crate::graph::Graph;
use crate::model::{DraftProblem, HookView, PublishedView, Saved, Version};
use crate::observer::{Publishing, Stored};
use crate::store::{self, Draft, WorkflowRow};
use crate::validate::{Warning, validate};

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

/// A document's faults and oddities.
struct Judgement {
    warnings: Vec<Warning>,
    problem: Option<Problem>,
}

/// Saves a new workflow.
///
/// Errors: those of [`validate`]; `workflow.name_taken`.
pub async fn create(
    tx: &mut Tx,
    author: Author<'_>,
    publishing: &Publishing,
    incoming: &Incoming,
    strictness: Strictness,
) -> Result<Saved, Problem> {
    let judged = judge(incoming, &publishing.registry, strictness)?;
    let id = WorkflowId::new(author.clock, author.dice);
    let json = incoming.document.to_json();
    let draft = draft(&incoming.document, incoming.source.as_ref(), &json, author.principal);
    store::create(tx, author.workspace, id, &draft)
        .await
        .map_err(|error| name_taken(error, &incoming.document.name))?;
    tell_of_draft(tx, author.workspace, publishing, id, incoming, &judged).await?;
    Ok(saved(id, &incoming.document.name, 1, judged))
}

/// Replaces the draft of a workflow, provided it still has `revision` (when given).
///
/// Errors: those of [`validate`]; `workflow.not_found`, `workflow.name_taken`, `request.conflict`.
pub async fn update(
    tx: &mut Tx,
    author: Author<'_>,
    publishing: &Publishing,
    reference: &str,
    revision: Option<i64>,
    incoming: &Incoming,
    strictness: Strictness,
) -> Result<Saved, Problem> {
    let judged = judge(incoming, &publishing.registry, strictness)?;
    let current = find(tx, author.workspace, reference).await?;
    let id = current.view.id;
    let json = incoming.document.to_json();
    let draft = draft(&incoming.document, incoming.source.as_ref(), &json, author.principal);
    let updated = store::update(tx, author.workspace, id, revision, &draft)
        .await
        .map_err(|error| name_taken(error, &incoming.document.name))?;
    let revision = updated.ok_or_else(|| stale(revision, current.view.revision))?;
    tell_of_draft(tx, author.workspace, publishing, id, incoming, &judged).await?;
    Ok(saved(id, &incoming.document.name, revision, judged))
}

/// Makes an immutable version of the draft and lets hooks and callers run it from now on.
///
/// Errors: those of [`validate`]; `workflow.no_trigger`, `workflow.not_found`, `request.conflict`,
/// and what an observer refuses.
pub async fn publish(
    tx: &mut Tx,
    author: Author<'_>,
    publishing: &Publishing,
    reference: &str,
    revision: Option<i64>,
) -> Result<PublishedView, Problem> {
    let id = find(tx, author.workspace, reference).await?.view.id;
    let row = store::lock(tx, author.workspace, id).await?.ok_or_else(|| not_found(reference))?;
    if revision.is_some_and(|revision| revision != row.view.revision) {
        return Err(stale(revision, row.view.revision));
    }
    let document = stored(&row.document)?;
    let registry = &publishing.registry;
    let warnings = validate(&document, registry)?;
    require_trigger(&warnings)?;
    let source = row.source.as_ref();
    let version = add_version(tx, author, registry, id, document, source).await?;
    store::set_published(tx, author.workspace, id, version.id).await?;
    let workspace = author.workspace;
    let graph = Graph::build(workspace, id, version.id, &version.document, registry)?;
    let told = Stored { workspace, workflow: id, version: Some(version.id), graph: Some(&graph) };
    publishing.stored(tx, told).await?;
    tracing::info!(workflow.id = %id, workflow.version = %version.id, "workflow published");
    let (number, revision, hooks) = (version.number, row.view.revision, hooks(&graph));
    Ok(PublishedView { id, version: version.id, number, revision, hooks, warnings })
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
    add_version(tx, author, registry, id, incoming.document.clone(), source).await
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
    let id = find(tx, author.workspace, reference).await?.view.id;
    let row = store::lock(tx, author.workspace, id).await?.ok_or_else(|| not_found(reference))?;
    let document = stored(&row.document)?;
    require_trigger(&validate(&document, registry)?)?;
    add_version(tx, author, registry, id, document, row.source.as_ref()).await
}

/// The workflow of this id, else the saved one of this name.
pub(crate) async fn find(
    tx: &mut Tx,
    workspace: WorkspaceId,
    reference: &str,
) -> Result<WorkflowRow, Problem> {
    let id = reference.parse::<WorkflowId>().ok();
    let row = store::find(tx, workspace, id, reference).await?;
    row.ok_or_else(|| not_found(reference))
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
) -> Result<Version, Problem> {
    for node in &mut document.nodes {
        if let Some(kind) = registry.find(&node.kind) {
            node.kind = full_name(kind).to_string();
        }
    }
    let json = document.to_json();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, json.as_bytes());
    let new = VersionId::new(author.clock, author.dice);
    let row = draft(&document, source, &json, author.principal);
    let (id, number) =
        store::add_version(tx, author.workspace, workflow, new, &row, hash.as_ref()).await?;
    Ok(Version { workflow, id, number, document })
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
            let detail = format!("Another workflow is called \"{name}\"; choose another name.");
            let code = codes::WORKFLOW_NAME_TAKEN;
            Problem::new(code, detail.clone()).at("/name", code, detail)
        }
        _ => error.into(),
    }
}
