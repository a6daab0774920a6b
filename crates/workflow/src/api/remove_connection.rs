//! `DELETE /v1/workflows/{workflow_id}/connections/{connection}`

use function::{MutationContext, Problem, mutation};
use kernel::{codes, json};
use schemars::JsonSchema;
use serde::Deserialize;

use super::change;
use super::incoming::SaveQuery;
use crate::document::{Connection, LongConnection};
use crate::model::Saved;
use crate::service::edit;

/// Which connection of which workflow.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ConnectionPath {
    /// The workflow's id, or its name.
    #[schemars(length(min = 1, max = 200))]
    workflow_id: String,
    /// The connection: `A:true -> B`, or the long form as JSON; percent-encoded.
    #[schemars(length(min = 1, max = 1_000))]
    connection: String,
}

/// Removes the connection with these ends from the draft.
#[mutation(
    DELETE "/v1/workflows/{workflow_id}/connections/{connection}",
    permission = crate::WRITE,
    audit = "workflow.connection_removed"
)]
pub(super) async fn remove_connection(
    cx: &MutationContext,
    path: ConnectionPath,
    query: SaveQuery,
) -> Result<Saved, Problem> {
    change::edit(cx, query.draft(&path.workflow_id), |document, _| {
        edit::remove_connection(document, &read(&path.connection)?)
    })
    .await
}

/// The short form, or the long one as JSON. What is neither names no connection.
fn read(text: &str) -> Result<Connection, Problem> {
    let long = text.starts_with('{').then(|| json::parse_str(text).ok()).flatten();
    let long = long.and_then(|long| json::from_value::<LongConnection>(long).ok());
    match long {
        Some(long) => Ok(long.into()),
        None => Connection::parse(text)
            .map_err(|what| Problem::new(codes::WORKFLOW_CONNECTION_NOT_FOUND, what)),
    }
}
