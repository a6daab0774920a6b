//! `POST /v1/workflows/{workflow_id}/connections`

use function::{MutationContext, Problem, mutation};
use schemars::JsonSchema;
use serde::Deserialize;

use super::change;
use super::incoming::{SaveQuery, WorkflowPath};
use crate::document::{Connection, Port};
use crate::model::Saved;

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
    let NewConnection { from, output, to, input, back } = body;
    let connection = Connection { from, output, to, input, back };
    change::edit(cx, query.draft(&path.workflow_id), |document, _| {
        document.connections.push(connection);
        Ok(())
    })
    .await
}
