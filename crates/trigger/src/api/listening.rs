//! A workflow's waiting for a call, as it is shown.

use jiff::Timestamp;
use kernel::{Problem, RunId, Value, WorkflowId, json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::store::listenings::ListeningRow;

/// Which workflow.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct WorkflowPath {
    /// The workflow's id, or its name.
    pub(super) workflow_id: String,
}

/// How far the waiting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ListeningState {
    /// The next call of the draft will be kept.
    Waiting,
    /// One was kept.
    Captured,
    /// None came in time.
    Expired,
}

/// A workflow that waits for a call of its draft, or has got one.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Listening {
    /// Id of the waiting; another one begins with each call of `listen_to_hooks`.
    id: Uuid,
    /// Id of the workflow.
    workflow_id: WorkflowId,
    /// How far it is.
    state: ListeningState,
    /// Name of the webhook node whose call was kept, or alone is waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    /// Until when is waited.
    expires_at: Timestamp,
    /// When the call came.
    #[serde(skip_serializing_if = "Option::is_none")]
    captured_at: Option<Timestamp>,
    /// The run it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<RunId>,
    /// The items the trigger put out: pin them to the node to run with them again.
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Value>,
}

impl Listening {
    /// At this time.
    pub(super) fn of(
        workflow: WorkflowId,
        row: ListeningRow,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let ListeningRow { id, node, expires_at, captured } = row;
        let empty = Self {
            id,
            workflow_id: workflow,
            state: ListeningState::Waiting,
            node,
            expires_at,
            captured_at: None,
            run_id: None,
            items: None,
        };
        let Some(captured) = captured else {
            let state = match expires_at > now {
                true => ListeningState::Waiting,
                false => ListeningState::Expired,
            };
            return Ok(Self { state, ..empty });
        };
        let items = json::parse_own(captured.items.as_bytes()).map_err(|error| {
            tracing::error!(error = %error, "the items of a kept call are no JSON");
            Problem::internal()
        })?;
        Ok(Self {
            state: ListeningState::Captured,
            node: Some(captured.node),
            captured_at: Some(captured.at),
            run_id: Some(captured.run),
            items: Some(items.value),
            ..empty
        })
    }
}
