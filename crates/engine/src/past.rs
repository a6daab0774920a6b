//! Runs that have been: finding and removing them.

use std::time::Duration;

use kernel::{Problem, RunId, WorkspaceId, codes};
use tokio::sync::oneshot;

use crate::Engine;
use crate::door::{Answer, RunStatus};
use crate::engine::not_found;
use crate::load;
use crate::state::RunState;
use crate::store::{CountRow, Counts, Found, RunRecord, Search};

/// How often and for how long a run is looked for that is on its way into the database.
const STORED_LOOK: Duration = Duration::from_millis(25);
const STORED_LOOKS: u32 = 200;

/// What has become of a run.
pub(crate) enum Stored {
    /// It goes on and is durable.
    Live(RunStatus),
    /// It has ended.
    Ended(Box<Answer>),
}

impl Engine {
    /// Looks for runs; see [`crate::store::Store::search`].
    pub async fn search_runs(
        &self,
        workspace: WorkspaceId,
        search: Search,
        limit: usize,
    ) -> Result<Found, Problem> {
        self.shared.store.search(workspace, search, limit).await
    }

    /// Removes a finished run from history, with its journal, its labels and its key.
    /// Errors: `run.not_found`, `run.not_finished`.
    pub async fn delete(&self, workspace: WorkspaceId, run: RunId) -> Result<(), Problem> {
        let key = match self.find_finished(workspace, run).await {
            Ok(state) => state.start.key,
            // It can no longer be read: no reason to keep it.
            Err(problem) if problem.code == codes::INTERNAL => None,
            Err(problem) => return Err(problem),
        };
        match self.shared.store.delete(workspace, run, key.as_deref()).await? {
            true => Ok(()),
            false => Err(not_found(run)),
        }
    }

    /// Counts of ended runs, those of this member up to now.
    pub(crate) async fn statistics(
        &self,
        workspace: WorkspaceId,
        counts: Counts,
    ) -> Result<Vec<CountRow>, Problem> {
        self.write_statistics().await?;
        self.shared.store.read_counts(workspace, counts).await
    }

    /// Writes what this member has counted.
    pub async fn write_statistics(&self) -> Result<(), Problem> {
        self.shared.statistics.write(&self.shared).await
    }

    /// Waits until a run that was let in stands in the database, or has ended and is not kept.
    ///
    /// Errors: `server.overloaded` when that does not come; what the run was refused with.
    pub(crate) async fn wait_stored(
        &self,
        workspace: WorkspaceId,
        run: RunId,
        mut answer: oneshot::Receiver<Result<Answer, Problem>>,
    ) -> Result<Stored, Problem> {
        for _ in 0..STORED_LOOKS {
            if let Ok(ended) = answer.try_recv() {
                return Ok(Stored::Ended(Box::new(ended?)));
            }
            match self.shared.store.find(workspace, run).await? {
                Some(RunRecord::Live(live)) => return Ok(Stored::Live(live.status)),
                // Its answer is on its way.
                Some(RunRecord::Finished(_)) | None => load::pause(STORED_LOOK).await,
            }
        }
        let mut problem = Problem::new(codes::SERVER_OVERLOADED, "The run is not durable yet.");
        problem.retry_after_ms = Some(1_000);
        Err(problem)
    }

    /// The last state of a run that is over for good.
    /// Errors: `run.not_found`, `run.not_finished`.
    pub(crate) async fn find_finished(
        &self,
        workspace: WorkspaceId,
        run: RunId,
    ) -> Result<RunState, Problem> {
        match self.shared.store.find(workspace, run).await? {
            None => Err(not_found(run)),
            Some(RunRecord::Live(_)) => {
                let detail = format!("Run {run} has not finished. Wait for its end, or cancel it.");
                Err(Problem::new(codes::RUN_NOT_FINISHED, detail))
            }
            Some(RunRecord::Finished(finished)) => load::finished(&self.shared, finished).await,
        }
    }
}
