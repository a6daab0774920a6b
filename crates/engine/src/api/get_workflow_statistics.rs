//! `GET /v1/workflows/{workflow_id}/statistics`

use function::{ActionContext, Problem, action};
use workflow::Catalog;

use super::path::WorkflowPath;
use super::statistics::{RunStatistics, StatisticsQuery, read};
use crate::Engine;

/// How many runs of a workflow ended, how, and how long they took.
#[action(GET "/v1/workflows/{workflow_id}/statistics", permission = crate::READ, timeout = "30s")]
pub(super) async fn get_workflow_statistics(
    cx: &ActionContext,
    path: WorkflowPath,
    query: StatisticsQuery,
) -> Result<RunStatistics, Problem> {
    let catalog = cx.service::<Catalog>();
    let workflow = catalog.find_workflow(cx.workspace(), &path.workflow_id).await?;
    read(cx.service::<Engine>(), cx.clock(), cx.workspace(), Some(workflow), query).await
}
