//! `GET /v1/runs/{run_id}/compare`

use function::{ActionContext, Problem, action};
use schemars::JsonSchema;
use serde::Deserialize;

use super::path::{RunPath, not_found};
use crate::Engine;
use crate::compare::{RunComparison, compare};

/// With which run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OtherRun {
    /// The other run's id.
    with: String,
}

/// What differs between two finished runs: for each node its state, its times, its numbers of items, and
/// which places of its items changed.
///
/// Nodes are known by their names, so that runs of different versions can be compared. The
/// activations of a node are compared in their order, its items by their places. At most 50
/// changes of a node are told, and 1 000 altogether.
#[action(GET "/v1/runs/{run_id}/compare", permission = crate::READ, timeout = "60s")]
pub(super) async fn compare_runs(
    cx: &ActionContext,
    path: RunPath,
    query: OtherRun,
) -> Result<RunComparison, Problem> {
    let other = query.with.parse().map_err(|_| not_found(&query.with))?;
    let engine = cx.service::<Engine>();
    let left = engine.find_finished(cx.workspace(), path.run()?).await?;
    let right = engine.find_finished(cx.workspace(), other).await?;
    Ok(compare(&left, &right))
}
