//! Lists of workflows: plain, searched, for export.

use db::{Columns, Error, Statement, Tx, sql};
use kernel::{ProjectId, WorkflowId, WorkspaceId};

use super::{source_of, view};
use crate::document::Source;
use crate::model::{FoundWorkflow, TagView, WorkflowView};

pub(super) const LIST: Statement = sql!(
    "workflow.list",
    reads(workflows[workspace_id = $1]),
    (UUID, UUID, INT8, UUID, TEXT, BOOL, BOOL),
    "SELECT id, project_id, name, description, tags, revision, published_version_id, archived_at,
            created_at, updated_at
     FROM forge.workflows
     WHERE workspace_id = $1 AND origin = 'saved' AND ($2::uuid IS NULL OR id < $2)
       AND ($4::uuid IS NULL OR project_id = $4) AND ($5::text IS NULL OR $5 = ANY (tags))
       AND $6 = (archived_at IS NOT NULL)
       AND ($7::bool IS NULL OR $7 = (published_version_id IS NOT NULL))
     ORDER BY id DESC LIMIT $3"
);

/// A workflow is found when each term begins one of its words. A whole word counts twice.
pub(super) const SEARCH: Statement = sql!(
    "workflow.search",
    reads(workflow_words[workspace_id = $1], workflows[workspace_id = $1]),
    (UUID, TEXT_ARRAY, TEXT_ARRAY, INT8, UUID, INT8, UUID, TEXT, BOOL, BOOL),
    "WITH terms AS (
       SELECT low, high, term
       FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS t (low, high, term)),
     hits AS (
       SELECT k.workflow_id, t.term, array_agg(k.word ORDER BY k.weight DESC, k.word) AS words,
              max(k.weight * CASE WHEN k.word = t.low THEN 2 ELSE 1 END) AS weight
       FROM terms t
       JOIN forge.workflow_words k
         ON k.workspace_id = $1 AND k.word >= t.low AND k.word < t.high
       GROUP BY k.workflow_id, t.term),
     found AS (
       SELECT workflow_id, sum(weight)::int8 AS rank, array_agg(words[1] ORDER BY term) AS matched
       FROM hits GROUP BY workflow_id HAVING count(*) = cardinality($2))
     SELECT f.rank, f.matched, w.id, w.project_id, w.name, w.description, w.tags, w.revision,
            w.published_version_id, w.archived_at, w.created_at, w.updated_at
     FROM found f
     JOIN forge.workflows w ON w.workspace_id = $1 AND w.id = f.workflow_id
     WHERE w.origin = 'saved' AND ($4::int8 IS NULL OR (f.rank, w.id) < ($4, $5::uuid))
       AND ($7::uuid IS NULL OR w.project_id = $7) AND ($8::text IS NULL OR $8 = ANY (w.tags))
       AND $9 = (w.archived_at IS NOT NULL)
       AND ($10::bool IS NULL OR $10 = (w.published_version_id IS NOT NULL))
     ORDER BY f.rank DESC, w.id DESC LIMIT $6"
);

pub(super) const LIST_TAGS: Statement = sql!(
    "workflow.list_tags",
    reads(workflows[workspace_id = $1]),
    (UUID),
    "SELECT tag, count(*) AS workflows
     FROM forge.workflows CROSS JOIN LATERAL unnest(tags) AS t (tag)
     WHERE workspace_id = $1 AND origin = 'saved'
     GROUP BY tag ORDER BY tag"
);

pub(super) const EXPORT: Statement = sql!(
    "workflow.export",
    reads(workflows[workspace_id = $1], projects[workspace_id = $1]),
    (UUID, TEXT, INT8, UUID, TEXT, BOOL),
    "SELECT w.id, w.name, p.name AS project, w.tags, w.document, w.source, w.source_type
     FROM forge.workflows w
     JOIN forge.projects p ON p.workspace_id = w.workspace_id AND p.id = w.project_id
     WHERE w.workspace_id = $1 AND w.origin = 'saved' AND ($2::text IS NULL OR w.name > $2)
       AND ($4::uuid IS NULL OR w.project_id = $4) AND ($5::text IS NULL OR $5 = ANY (w.tags))
       AND $6 = (w.archived_at IS NOT NULL)
     ORDER BY w.name LIMIT $3"
);

/// Names that begin like this one: what a copy must not be called.
pub(super) const NAMES_LIKE: Statement = sql!(
    "workflow.names_like",
    reads(workflows[workspace_id = $1]),
    (UUID, TEXT),
    "SELECT name FROM forge.workflows
     WHERE workspace_id = $1 AND origin = 'saved' AND starts_with(name, $2)"
);

pub(super) const OPTIONS: Statement = sql!(
    "workflow.options",
    reads(workflows[workspace_id = $1]),
    (UUID, TEXT, INT8),
    "SELECT name, description, published_version_id IS NOT NULL AS published
     FROM forge.workflows
     WHERE workspace_id = $1 AND origin = 'saved' AND archived_at IS NULL
       AND strpos(lower(name), lower($2)) > 0
     ORDER BY published DESC, name LIMIT $3"
);

/// Which workflows a list holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) project: Option<ProjectId>,
    pub(crate) tag: Option<String>,
    pub(crate) archived: bool,
    pub(crate) published: Option<bool>,
}

/// Saved workflows, newest first, older than `before`.
pub(crate) async fn list(
    tx: &mut Tx,
    workspace: WorkspaceId,
    filter: &Filter,
    before: Option<WorkflowId>,
    rows: i64,
) -> Result<Vec<WorkflowView>, Error> {
    let before = before.map(|id| id.0);
    let Filter { project, tag, archived, published } = filter;
    let project = project.map(|project| project.0);
    let parameters: [&(dyn db::ToSql + Sync); 7] =
        [&workspace.0, &before, &rows, &project, tag, archived, published];
    let rows = tx.query(&LIST, &parameters).await?;
    rows.iter().map(view).collect()
}

/// Saved workflows in which each term begins a word, the best first, those behind `after`.
pub(crate) async fn search(
    tx: &mut Tx,
    workspace: WorkspaceId,
    terms: &[String],
    filter: &Filter,
    after: Option<(i64, WorkflowId)>,
    rows: i64,
) -> Result<Vec<FoundWorkflow>, Error> {
    // The highest character there is: whatever begins with the term lies below.
    let beyond: Vec<String> = terms.iter().map(|term| format!("{term}\u{10ffff}")).collect();
    let (rank, id) = (after.map(|(rank, _)| rank), after.map(|(_, id)| id.0));
    let Filter { project, tag, archived, published } = filter;
    let project = project.map(|project| project.0);
    let parameters: [&(dyn db::ToSql + Sync); 10] =
        [&workspace.0, &terms, &beyond, &rank, &id, &rows, &project, tag, archived, published];
    let rows = tx.query(&SEARCH, &parameters).await?;
    rows.iter()
        .map(|row| {
            let (rank, matched) = (row.column("rank")?, row.column("matched")?);
            Ok(FoundWorkflow { workflow: view(row)?, rank, matched })
        })
        .collect()
}

/// Every tag with the number of its workflows.
pub(crate) async fn list_tags(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<TagView>, Error> {
    let rows = tx.query(&LIST_TAGS, &[&workspace.0]).await?;
    rows.iter()
        .map(|row| Ok(TagView { tag: row.column("tag")?, workflows: row.column("workflows")? }))
        .collect()
}

/// A workflow as a file holds it.
pub(crate) struct Exported {
    pub(crate) id: WorkflowId,
    pub(crate) name: String,
    pub(crate) project: String,
    pub(crate) tags: Vec<String>,
    pub(crate) document: String,
    pub(crate) source: Option<Source>,
}

/// Drafts by name, those behind `after`.
pub(crate) async fn export(
    tx: &mut Tx,
    workspace: WorkspaceId,
    filter: &Filter,
    after: Option<&str>,
    rows: i64,
) -> Result<Vec<Exported>, Error> {
    let project = filter.project.map(|project| project.0);
    let parameters: [&(dyn db::ToSql + Sync); 6] =
        [&workspace.0, &after, &rows, &project, &filter.tag, &filter.archived];
    let rows = tx.query(&EXPORT, &parameters).await?;
    rows.iter()
        .map(|row| {
            Ok(Exported {
                id: WorkflowId(row.column("id")?),
                name: row.column("name")?,
                project: row.column("project")?,
                tags: row.column("tags")?,
                document: row.column("document")?,
                source: source_of(row)?,
            })
        })
        .collect()
}

/// Names of saved workflows that begin with this text.
pub(crate) async fn names_like(
    tx: &mut Tx,
    workspace: WorkspaceId,
    beginning: &str,
) -> Result<Vec<String>, Error> {
    let rows = tx.query(&NAMES_LIKE, &[&workspace.0, &beginning]).await?;
    rows.iter().map(|row| row.column("name")).collect()
}

/// Workflows whose name holds this text: name, description, and whether one can call it.
pub(crate) async fn options(
    tx: &mut Tx,
    workspace: WorkspaceId,
    text: &str,
    rows: i64,
) -> Result<Vec<(String, String, bool)>, Error> {
    let rows = tx.query(&OPTIONS, &[&workspace.0, &text, &rows]).await?;
    rows.iter()
        .map(|row| Ok((row.column("name")?, row.column("description")?, row.column("published")?)))
        .collect()
}
