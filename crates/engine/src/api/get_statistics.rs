//! `GET /v1/statistics`

use function::{ActionContext, Problem, action};

use super::statistics::{RunStatistics, StatisticsQuery, read};
use crate::Engine;

/// How many runs of the workspace ended, how, and how long they took.
///
/// Counted as they end, so that a long history costs nothing. What a member counted in the last two
/// seconds before it was killed is missing.
#[action(GET "/v1/statistics", permission = crate::READ, timeout = "30s")]
pub(super) async fn get_statistics(
    cx: &ActionContext,
    query: StatisticsQuery,
) -> Result<RunStatistics, Problem> {
    read(cx.service::<Engine>(), cx.clock(), cx.workspace(), None, query).await
}
