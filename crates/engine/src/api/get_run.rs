//! `GET /v1/runs/{run_id}`

use function::{ActionContext, Problem, action};
use schemars::JsonSchema;
use serde::Deserialize;

use super::path::{RunPath, not_found};
use crate::{Engine, RunView, Shown};

/// How much of the run.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RunQuery {
    /// Items shown of each output, the first ones; 100 unless given.
    #[schemars(range(min = 0, max = 1_000))]
    items: Option<u32>,
}

/// Activations shown.
const ACTIVATIONS: usize = 1_000;
/// Items shown of each output.
const ITEMS: u32 = 100;
const ITEMS_MAX: u32 = 1_000;
/// Bytes of items shown, about.
const BYTES: usize = 4 * 1024 * 1024;

/// One run with the activations of its nodes, as it is now.
///
/// Shows the first 1 000 activations and of each output the first items, 4 MiB of them altogether;
/// `activation_count` and `item_counts` say how many there are. The rest is under
/// `/v1/runs/{run_id}/activations`.
#[action(GET "/v1/runs/{run_id}", permission = crate::READ, timeout = "30s")]
pub(super) async fn get_run(
    cx: &ActionContext,
    path: RunPath,
    query: RunQuery,
) -> Result<RunView, Problem> {
    let run = path.run()?;
    let items_per_output = query.items.unwrap_or(ITEMS).min(ITEMS_MAX) as usize;
    let shown = Shown { activations: ACTIVATIONS, items_per_output, bytes: BYTES };
    let view = cx.service::<Engine>().show_run(cx.workspace(), run, shown).await?;
    view.ok_or_else(|| not_found(&run.to_string()))
}
