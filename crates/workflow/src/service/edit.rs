//! Changes of single nodes and connections: the whole draft is read, changed and saved in one
//! transaction, so that each of them is checked as a save is.

use db::Tx;
use kernel::json::push_key;
use kernel::{Object, Problem, Value, WorkspaceId, codes, json};
use node::Registry;

use super::{Author, Incoming, Strictness, expect_revision, find, in_use, lock, save, stored};
use crate::document::{Connection, Document, DocumentNode, suggest};
use crate::model::Saved;
use crate::observer::Publishing;
use crate::rename::rename_node;

/// Which draft is changed, and how strictly it is checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) workflow: &'a str,
    /// Revision the change is based on.
    pub(crate) revision: Option<i64>,
    pub(crate) strictness: Strictness,
}

/// Changes a draft by `change` and saves it.
///
/// Errors: `workflow.not_found`, `workflow.archived`, `request.conflict`, what `change` refuses, and
/// those of [`crate::validate`].
pub(crate) async fn edit(
    tx: &mut Tx,
    author: Author<'_>,
    publishing: &Publishing,
    draft: Draft<'_>,
    change: impl FnOnce(&mut Document, &Registry) -> Result<(), Problem>,
) -> Result<Saved, Problem> {
    let row = lock(tx, author.workspace, draft.workflow).await?;
    in_use(&row)?;
    expect_revision(draft.revision, &row)?;
    let mut document = stored(&row.document)?;
    change(&mut document, &publishing.registry)?;
    let incoming = Incoming::of(document);
    save(tx, author, publishing, &row, draft.revision, &incoming, draft.strictness).await
}

/// The draft of a workflow, to look at.
pub(crate) async fn read(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: &str,
) -> Result<Document, Problem> {
    stored(&find(tx, workspace, workflow).await?.document)
}

/// Index of a node by its name. Errors: `workflow.node_not_found`.
pub(crate) fn find_node(document: &Document, name: &str) -> Result<usize, Problem> {
    document.nodes.iter().position(|node| node.name == name).ok_or_else(|| {
        let names = document.nodes.iter().map(|node| node.name.as_str());
        let detail = format!("There is no node \"{name}\"; {}", suggest(name, names));
        Problem::new(codes::WORKFLOW_NODE_NOT_FOUND, detail)
    })
}

/// Adds a node, at `index` or at the end.
pub(crate) fn add_node(
    document: &mut Document,
    node: DocumentNode,
    index: Option<usize>,
) -> Result<(), Problem> {
    free(document, &node.name)?;
    let index = index.unwrap_or(document.nodes.len()).min(document.nodes.len());
    document.nodes.insert(index, node);
    Ok(())
}

/// Puts another node in a node's place. Another name is followed by everything that names it.
pub(crate) fn replace_node(
    document: &mut Document,
    name: &str,
    node: DocumentNode,
    registry: &Registry,
) -> Result<(), Problem> {
    let index = find_node(document, name)?;
    let given = node.name.clone();
    document.nodes[index] = DocumentNode { name: name.to_owned(), ..node };
    rename(document, name, &given, registry)
}

/// Changes parts of a node by a merge patch. Another name is followed by everything that names it.
pub(crate) fn patch_node(
    document: &mut Document,
    name: &str,
    mut patch: Object,
    registry: &Registry,
) -> Result<(), Problem> {
    let index = find_node(document, name)?;
    let given = patch.shift_remove("name");
    with_nodes(document, index, |nodes| {
        json::merge_patch(&mut nodes[index], &Value::Object(patch));
    })?;
    match given {
        None => Ok(()),
        Some(Value::String(given)) => rename(document, name, &given, registry),
        Some(_) => {
            let code = codes::WORKFLOW_INVALID;
            let detail = "A node's name must be a text.";
            Err(Problem::new(code, detail).at("/name", code, detail))
        }
    }
}

/// Removes a node with its connections, its pinned items and its place in groups.
pub(crate) fn remove_node(document: &mut Document, name: &str) -> Result<(), Problem> {
    let index = find_node(document, name)?;
    document.nodes.remove(index);
    document.connections.retain(|one| one.from != name && one.to != name);
    document.pinned.shift_remove(name);
    for group in &mut document.canvas.groups {
        group.nodes.retain(|node| node != name);
    }
    Ok(())
}

/// Removes the connection between these ends; of several only the one whose ports are given.
pub(crate) fn remove_connection(
    document: &mut Document,
    wanted: &Connection,
) -> Result<(), Problem> {
    let same = |one: &Connection| one.ends() == wanted.ends();
    let Some(index) = document.connections.iter().position(same) else {
        let between = |one: &&Connection| one.from == wanted.from && one.to == wanted.to;
        let there: Vec<String> =
            document.connections.iter().filter(between).map(|one| format!("\"{one}\"")).collect();
        let hint = match there.is_empty() {
            true => "these nodes are not connected".to_owned(),
            false => format!("there is {}", there.join(", ")),
        };
        let detail = format!("There is no connection {wanted}; {hint}.");
        return Err(Problem::new(codes::WORKFLOW_CONNECTION_NOT_FOUND, detail));
    };
    document.connections.remove(index);
    Ok(())
}

fn rename(
    document: &mut Document,
    from: &str,
    to: &str,
    registry: &Registry,
) -> Result<(), Problem> {
    if from == to {
        return Ok(());
    }
    free(document, to)?;
    rename_node(document, from, to, registry);
    Ok(())
}

/// Refuses a name that a node has.
fn free(document: &Document, name: &str) -> Result<(), Problem> {
    if document.nodes.iter().all(|node| node.name != name) {
        return Ok(());
    }
    let detail = format!("There is a node \"{name}\" already; choose another name.");
    let code = codes::WORKFLOW_DUPLICATE_NODE;
    Err(Problem::new(code, detail.clone()).at("/name", code, detail))
}

/// Changes the nodes as JSON, and reads the document anew. Faults inside node `index` are placed
/// relative to it: that is what the caller sent.
fn with_nodes(
    document: &mut Document,
    index: usize,
    change: impl FnOnce(&mut Vec<Value>),
) -> Result<(), Problem> {
    let mut value = document.to_value();
    match value.get_mut("nodes").and_then(Value::as_array_mut) {
        Some(nodes) => change(nodes),
        None => return Err(Problem::internal()),
    }
    *document = Document::from_value(value).map_err(|problem| relative(problem, index))?;
    Ok(())
}

/// `/nodes/3/timeout` is `/timeout` of what was sent.
pub(crate) fn relative(mut problem: Problem, index: usize) -> Problem {
    let mut prefix = "/nodes".to_owned();
    push_key(&mut prefix, &index.to_string());
    for fault in &mut problem.errors {
        if let Some(rest) = fault.pointer.strip_prefix(&prefix)
            && (rest.is_empty() || rest.starts_with('/'))
        {
            fault.pointer = rest.to_owned();
        }
    }
    problem
}
