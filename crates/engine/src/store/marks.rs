//! What stands about a run beside its row in history: taken away with it, or after it.

use db::{Columns, Statement, sql};
use kernel::{Problem, RunId, WorkspaceId};

use super::Store;
use crate::flusher::columns::Day;

/// Removes a finished run: its row in history, its journal, its marks, and its key `$4`. `$3` is the UTC
/// day of its id. Answers how many runs that were. Blobs go by themselves when nobody names them.
pub(crate) const DELETE: Statement = sql!(
    "engine.delete_run",
    reads(runs[workspace_id = $1, id = $2])
    writes(history[workspace_id = $1, run_id = $2], journal, run_labels, run_failures, run_keys),
    (UUID, UUID, DATE, TEXT),
    "WITH gone AS (
    DELETE FROM forge.history WHERE workspace_id = $1 AND run_id = $2 AND day >= $3
        AND NOT EXISTS (SELECT FROM forge.runs r WHERE r.workspace_id = $1 AND r.id = $2)
    RETURNING workspace_id, run_id
), journal AS (
    DELETE FROM forge.journal j USING gone
    WHERE j.segment >= $3 AND j.workspace_id = gone.workspace_id AND j.run_id = gone.run_id
), labels AS (
    DELETE FROM forge.run_labels l USING gone
    WHERE l.workspace_id = gone.workspace_id AND l.run_id = gone.run_id
), failures AS (
    DELETE FROM forge.run_failures f USING gone
    WHERE f.workspace_id = gone.workspace_id AND f.run_id = gone.run_id
), keys AS (
    DELETE FROM forge.run_keys k USING gone
    WHERE k.workspace_id = gone.workspace_id AND k.key = $4 AND k.run_id = gone.run_id
)
SELECT count(*) AS deleted FROM gone",
);

/// Removes labels whose run's time in history is over on day `$1`, or that was not kept, in the pages
/// `$2` to `$3` of the table; see [`super::upkeep::EXPIRE_KEYS`]. A partition of history spans up to 31
/// days.
pub(crate) const EXPIRE_LABELS: Statement = sql!(
    "engine.expire_run_labels",
    writes(run_labels),
    (DATE, INT8, INT8),
    "DELETE FROM forge.run_labels
WHERE ctid >= format('(%s,0)', $2)::tid AND ctid < format('(%s,0)', $3)::tid
    AND (class < 0 OR (class > 0 AND day + class + 31 < $1))",
);

/// The same for failures.
pub(crate) const EXPIRE_FAILURES: Statement = sql!(
    "engine.expire_run_failures",
    writes(run_failures),
    (DATE, INT8, INT8),
    "DELETE FROM forge.run_failures
WHERE ctid >= format('(%s,0)', $2)::tid AND ctid < format('(%s,0)', $3)::tid
    AND class > 0 AND day + class + 31 < $1",
);

/// Pages of the larger of the two tables.
pub(crate) const PAGES: Statement = sql!(
    "engine.count_run_mark_pages",
    reads(run_labels, run_failures),
    (),
    "SELECT greatest(pg_relation_size('forge.run_labels'), pg_relation_size('forge.run_failures'))
    / current_setting('block_size')::int8 AS pages",
);

impl Store {
    /// Removes a finished run and everything that stands about it; false when there is none.
    pub async fn delete(
        &self,
        workspace: WorkspaceId,
        run: RunId,
        key: Option<&str>,
    ) -> Result<bool, Problem> {
        let born = Day::of_run(run);
        let row = self.lane.query_opt(&DELETE, &[&workspace.0, &run.0, &born, &key]).await?;
        let deleted: i64 = row.map_or(Ok(0), |row| row.column("deleted"))?;
        Ok(deleted > 0)
    }
}
