//! `GET /v1/runs/{run_id}/activations/{activation}/items/{item}`

use function::{ActionContext, Problem, action};
use schemars::JsonSchema;
use serde::Deserialize;

use super::path::{ItemPath, not_found};
use crate::Engine;
use crate::inspect::{ItemView, PortOf, Side, item};

/// Of which port.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ItemQuery {
    /// One that came in, or one that was put out (unless given).
    pub(super) side: Side,
    /// Number of the port, from 0 (unless given).
    pub(super) port: u16,
}

/// One item of an activation with all of its data, however large.
#[action(
    GET "/v1/runs/{run_id}/activations/{activation}/items/{item}",
    permission = crate::READ,
    timeout = "60s"
)]
pub(super) async fn get_item(
    cx: &ActionContext,
    path: ItemPath,
    query: ItemQuery,
) -> Result<ItemView, Problem> {
    let (run, activation, index) = path.item()?;
    let port = PortOf { activation, side: query.side, port: query.port.into() };
    let look = move |state: &_| item(state, port, index);
    let seen = cx.service::<Engine>().look(cx.workspace(), run, look).await?;
    seen.ok_or_else(|| not_found(&run.to_string()))?
}
