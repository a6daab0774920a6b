//! The words by which workflows are found.

use db::{Error, Statement, Tx, sql};
use kernel::{WorkflowId, WorkspaceId};

use crate::words::Word;

/// Writes only what is different: most saves change a few words. Rows that stay are not offered at all,
/// for a conflict locks its row, which is a write.
pub(super) const REPLACE: Statement = sql!(
    "workflow.replace_words",
    reads(workflow_words[workflow_id = $2]) writes(workflow_words[workflow_id = $2]),
    (UUID, UUID, TEXT_ARRAY, INT2_ARRAY),
    "WITH wanted AS (
       SELECT word, weight FROM unnest($3::text[], $4::int2[]) AS w (word, weight)),
     gone AS (
       DELETE FROM forge.workflow_words k
       WHERE k.workspace_id = $1 AND k.workflow_id = $2
         AND NOT EXISTS (SELECT FROM wanted w WHERE w.word = k.word))
     INSERT INTO forge.workflow_words AS k (workspace_id, workflow_id, word, weight)
     SELECT $1, $2, word, weight FROM wanted w
     WHERE NOT EXISTS (SELECT FROM forge.workflow_words k
       WHERE k.workspace_id = $1 AND k.workflow_id = $2 AND k.word = w.word AND k.weight = w.weight)
     ON CONFLICT (workspace_id, workflow_id, word) DO UPDATE SET weight = excluded.weight"
);

pub(super) const FORGET: Statement = sql!(
    "workflow.forget_words",
    writes(workflow_words[workflow_id = $2]),
    (UUID, UUID),
    "DELETE FROM forge.workflow_words WHERE workspace_id = $1 AND workflow_id = $2"
);

/// Makes these the words of a workflow, each of them once.
pub(crate) async fn replace(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: WorkflowId,
    words: Vec<Word>,
) -> Result<(), Error> {
    let (words, weights): (Vec<String>, Vec<i16>) =
        words.into_iter().map(|Word { text, weight }| (text, weight)).unzip();
    tx.execute(&REPLACE, &[&workspace.0, &workflow.0, &words, &weights]).await.map(drop)
}

/// Takes a workflow out of the search.
pub(crate) async fn forget(
    tx: &mut Tx,
    workspace: WorkspaceId,
    workflow: WorkflowId,
) -> Result<(), Error> {
    tx.execute(&FORGET, &[&workspace.0, &workflow.0]).await.map(drop)
}
