//! `POST /v1/workflows/{workflow_id}/connections`

use function::{MutationContext, Problem, mutation};
use schemars::JsonSchema;
use serde::Deserialize;

use super::incoming::{self, SaveQuery, WorkflowPath};
use crate::document::{Connection, Port};
use crate::model::Saved;
use crate::observer::Publishing;
use crate::service::edit;

/// A connection to be added.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewConnection {
    /// Name of the node it starts at.
    #[schemars(length(min = 1, max = 200))]
    from: String,
    /// Output port, by index or name; the first one when absent.
    #[serde(default)]
    output: Option<Port>,
    /// Name of the node it leads to.
    #[schemars(length(min = 1, max = 200))]
    to: String,
    /// Input port, by index or name; the first one when absent.
    #[serde(default)]
    input: Option<Port>,
    /// Whether it closes a loop: only such a connection may lead back.
    #[serde(default)]
    back: bool,
}

/// Adds a connection to the draft.
#[mutation(
    POST "/v1/workflows/{workflow_id}/connections",
    permission = crate::WRITE,
    audit = "workflow.connection_added",
    status = 201
)]
pub(super) async fn add_connection(
    cx: &MutationContext,
    path: WorkflowPath,
    query: SaveQuery,
    body: NewConnection,
) -> Result<Saved, Problem> {
    let publishing = cx.service::<Publishing>();
    incoming::tell_when_committed(cx);
    let author = incoming::author(cx);
    incoming::require(cx, &path.workflow_id).await?;
    let mut tx = cx.tx().await;
    let NewConnection { from, output, to, input, back } = body;
    let connection = Connection { from, output, to, input, back };
    let draft = query.draft(&path.workflow_id);
    let done = edit::edit(&mut tx, author, publishing, draft, |document, _| {
        document.connections.push(connection);
        Ok(())
    })
    .await?;
    incoming::note(cx, done.id, done.revision);
    Ok(done)
}
