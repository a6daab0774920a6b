//! `GET /v1/runs/{run_id}`

use function::{ActionContext, Problem, action};

use super::path::{RunPath, not_found};
use crate::{Engine, RunView};

/// One run with every activation of its nodes, as it is now.
#[action(GET "/v1/runs/{run_id}", permission = crate::READ, timeout = "30s")]
pub(super) async fn get_run(cx: &ActionContext, path: RunPath) -> Result<RunView, Problem> {
    let run = path.run()?;
    let view = cx.service::<Engine>().find_run(cx.workspace(), run).await?;
    view.ok_or_else(|| not_found(&run.to_string()))
}
