//! Versions: look at one, compare two, publish an older one again, take one back into the draft.

use db::Tx;
use kernel::{Problem, VersionId, WorkspaceId, codes};
use uuid::Uuid;

use super::{
    Author, Incoming, Strictness, expect_revision, find, in_use, let_run, lock, save, stored,
};
use crate::diff::{self, DiffSide, DiffView};
use crate::document::Document;
use crate::model::{PublishedView, Saved, Version, VersionView};
use crate::observer::{Publishing, Stored};
use crate::store::versions::{self, FullVersion, Wanted};
use crate::store::{self, WorkflowRow};
use crate::validate::validate;

/// One version by id, number or `published`. Errors: `workflow.not_found`,
/// `workflow.version_not_found`, `workflow.not_published`.
pub(crate) async fn find_version(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: &str,
    version: &str,
) -> Result<FullVersion, Problem> {
    let row = find(tx, workspace, workflow).await?;
    of_workflow(tx, workspace, &row, version).await
}

async fn of_workflow(
    tx: &mut Tx,
    workspace: WorkspaceId,
    row: &WorkflowRow,
    version: &str,
) -> Result<FullVersion, Problem> {
    let unknown = || {
        let name = &row.view.name;
        let detail = format!(
            "The workflow \"{name}\" has no version \"{version}\"; give a number, an id or \
             \"published\"."
        );
        Problem::new(codes::WORKFLOW_VERSION_NOT_FOUND, detail)
    };
    let wanted = match (version, version.parse(), version.parse()) {
        ("published", _, _) => Wanted::Id(row.view.published_version.ok_or_else(|| {
            let detail = format!("Nothing of the workflow \"{}\" is published.", row.view.name);
            Problem::new(codes::WORKFLOW_NOT_PUBLISHED, detail)
        })?),
        (_, Ok(number), _) => Wanted::Number(number),
        (_, _, Ok(id)) => Wanted::Id(id),
        _ => return Err(unknown()),
    };
    versions::find_of(tx, workspace, row.view.id, wanted).await?.ok_or_else(unknown)
}

/// What is different between two versions, or a version and the draft.
///
/// Errors: those of [`find_version`].
pub(crate) async fn compare(
    tx: &mut Tx,
    workspace: WorkspaceId,
    publishing: &Publishing,
    workflow: &str,
    (from, to): (&str, &str),
) -> Result<DiffView, Problem> {
    let row = find(tx, workspace, workflow).await?;
    let mut sides = Vec::with_capacity(2);
    for reference in [from, to] {
        let (side, mut document) = match reference {
            "draft" => (DiffSide::draft(row.view.revision), stored(&row.document)?),
            reference => {
                let version = of_workflow(tx, workspace, &row, reference).await?;
                (DiffSide::version(&version.view), stored(&version.document)?)
            }
        };
        super::spell_types_out(&mut document, &publishing.registry);
        sides.push((side, document));
    }
    let [(from, old), (to, new)] =
        <[(DiffSide, Document); 2]>::try_from(sides).expect("two references make two sides");
    Ok(diff::compare(from, &old, to, &new))
}

/// Makes a stored version the published one again.
///
/// Errors: those of [`find_version`]; `workflow.archived`; those of [`validate`], when this program
/// has lost a node type; what an observer refuses.
pub(crate) async fn publish_version(
    tx: &mut Tx,
    author: Author<'_>,
    publishing: &Publishing,
    workflow: &str,
    version: &str,
) -> Result<PublishedView, Problem> {
    let row = lock(tx, author.workspace, workflow).await?;
    in_use(&row)?;
    let found = of_workflow(tx, author.workspace, &row, version).await?;
    let VersionView { id, number, .. } = found.view;
    let document = stored(&found.document)?;
    let warnings = validate(&document, &publishing.registry)?;
    let version = Version { workflow: row.view.id, id, number, document };
    let hooks = let_run(tx, author.workspace, publishing, &version).await?;
    let (workflow, revision) = (row.view.id, row.view.revision);
    Ok(PublishedView { id: workflow, version: id, number, revision, hooks, warnings })
}

/// Takes a stored version back into the draft.
///
/// Errors: those of [`find_version`]; `workflow.archived`, `workflow.name_taken`, `request.conflict`.
pub(crate) async fn restore(
    tx: &mut Tx,
    author: Author<'_>,
    publishing: &Publishing,
    workflow: &str,
    version: &str,
    revision: Option<i64>,
) -> Result<Saved, Problem> {
    let row = lock(tx, author.workspace, workflow).await?;
    in_use(&row)?;
    expect_revision(revision, &row)?;
    let FullVersion { document, source, .. } =
        of_workflow(tx, author.workspace, &row, version).await?;
    let incoming = Incoming { document: stored(&document)?, source, notes: Vec::new() };
    save(tx, author, publishing, &row, revision, &incoming, Strictness::Draft).await
}

/// Lets no hook and no caller run the workflow any more; what runs goes on.
///
/// Errors: `workflow.not_found`.
pub(crate) async fn unpublish(
    tx: &mut Tx,
    author: Author<'_>,
    publishing: &Publishing,
    workflow: &str,
) -> Result<WorkflowRow, Problem> {
    let mut row = lock(tx, author.workspace, workflow).await?;
    if row.view.published_version.take().is_some() {
        withdraw(tx, author.workspace, publishing, &row).await?;
    }
    Ok(row)
}

/// Takes back what is published of a workflow whose row is locked.
pub(crate) async fn withdraw(
    tx: &mut Tx,
    workspace: WorkspaceId,
    publishing: &Publishing,
    row: &WorkflowRow,
) -> Result<(), Problem> {
    let workflow = row.view.id;
    store::set_published(tx, workspace, workflow, None).await?;
    let version = Some(VersionId(Uuid::nil()));
    publishing.stored(tx, Stored { workspace, workflow, version, graph: None }).await?;
    tracing::info!(workflow.id = %workflow, "workflow unpublished");
    Ok(())
}
