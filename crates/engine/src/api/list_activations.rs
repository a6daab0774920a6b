//! `GET /v1/runs/{run_id}/activations`

use function::{ActionContext, Page, Problem, action};
use schemars::JsonSchema;
use serde::Deserialize;

use super::path::{RunPath, not_found};
use crate::Engine;
use crate::inspect::{ActivationLine, Activations, activations};
use crate::record::ActivationId;

function::list_query! {
    /// Which activations.
    pub(super) struct ActivationsQuery {
        /// Only those of the node with this name.
        node: Option<String>,
        /// Only those in this state.
        status: Option<ActivationStatus>,
    }
}

/// State of an activation.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ActivationStatus {
    /// May begin.
    Ready,
    /// Begun.
    Running,
    /// A timer, a called run or a person is waited for.
    Waiting,
    /// Ended well.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Stopped because its run ended.
    Cancelled,
}

impl ActivationStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The activations of a run, in the order in which they were made, without their items.
#[action(GET "/v1/runs/{run_id}/activations", permission = crate::READ, timeout = "30s")]
pub(super) async fn list_activations(
    cx: &ActionContext,
    path: RunPath,
    query: ActivationsQuery,
) -> Result<Page<ActivationLine>, Problem> {
    let run = path.run()?;
    let page = cx.page::<ActivationId>(&query)?;
    let wanted = Activations {
        node: query.node,
        status: query.status.map(|status| status.as_str().to_owned()),
        from: page.after.unwrap_or(0),
        limit: page.shown(),
    };
    let look = move |state: &_| activations(state, &wanted);
    let seen = cx.service::<Engine>().look(cx.workspace(), run, look).await?;
    let (items, next) = seen.ok_or_else(|| not_found(&run.to_string()))?;
    Ok(page.up_to(items, next))
}
