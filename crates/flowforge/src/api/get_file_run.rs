//! `GET /v1/files/run/{run_id}`

use engine::Engine;
use function::{ActionContext, Problem, action};
use kernel::{RunId, codes};
use schemars::JsonSchema;
use serde::Deserialize;

use super::run_file::FileRun;

/// Which run.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct FileRunPath {
    /// The run's id.
    run_id: String,
}

/// The whole run of a file as it is now.
///
/// Shows every activation with all its items, and what a respond node answered: what `POST
/// /v1/files/run` gives of a run that ends while it is waited for.
#[action(GET "/v1/files/run/{run_id}", permission = engine::READ, timeout = "30s")]
pub(super) async fn get_file_run(
    cx: &ActionContext,
    path: FileRunPath,
) -> Result<FileRun, Problem> {
    let missing = || {
        let detail = format!("There is no run \"{}\" (any more).", path.run_id);
        Problem::new(codes::RUN_NOT_FOUND, detail)
    };
    let run: RunId = path.run_id.parse().map_err(|_| missing())?;
    let seen = cx.service::<Engine>().find_run_and_reply(cx.workspace(), run).await?;
    let (view, reply) = seen.ok_or_else(missing)?;
    Ok(FileRun { view, reply })
}
