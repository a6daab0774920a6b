//! `GET /v1/runs/{run_id}/activations/{activation}/items`

use function::{ActionContext, Page, Problem, action};

use super::path::{ActivationPath, not_found};
use crate::Engine;
use crate::inspect::{ItemView, PortOf, Side, items};

function::list_query! {
    /// Which items.
    pub(super) struct ItemsQuery {
        /// Those that came in, or those that were put out (unless given).
        side: Side,
        /// Number of the port, from 0 (unless given).
        port: u16,
    }
}

/// The items of one port of an activation, in their order.
///
/// A page holds about 2 MiB at most. An item with more than 256 KiB of data is told of by `json_bytes`.
#[action(
    GET "/v1/runs/{run_id}/activations/{activation}/items",
    permission = crate::READ,
    timeout = "30s"
)]
pub(super) async fn list_items(
    cx: &ActionContext,
    path: ActivationPath,
    query: ItemsQuery,
) -> Result<Page<ItemView>, Problem> {
    let (run, activation) = path.activation()?;
    let page = cx.page::<usize>(&query)?;
    let port = PortOf { activation, side: query.side, port: query.port.into() };
    let (from, limit) = (page.after.unwrap_or(0), page.shown());
    let look = move |state: &_| items(state, port, from, limit);
    let seen = cx.service::<Engine>().look(cx.workspace(), run, look).await?;
    let (items, next) = seen.ok_or_else(|| not_found(&run.to_string()))??;
    Ok(page.up_to(items, next))
}
