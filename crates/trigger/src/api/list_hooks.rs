//! `GET /v1/hooks`

use function::{Page, Problem, QueryContext, query};
use kernel::{VersionId, WorkflowId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::address::Stage;
use crate::hooks::Hooks;
use crate::store::addresses::{self, AddressRow, AfterAddress};

function::list_query! {
    /// Which addresses.
    pub(super) struct HooksQuery {
        /// Only addresses of the workflow with this id.
        workflow: Option<WorkflowId>,
        /// Only those of published versions, or of drafts.
        stage: Option<Stage>,
    }
}

/// One address and what listens there.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct HookAddress {
    /// The whole address; segments `:name` stand for any text.
    url: String,
    /// Method it listens to.
    method: String,
    /// Path below the workspace's.
    path: String,
    /// Whether the published version answers or the draft.
    stage: Stage,
    /// Id of the workflow.
    workflow_id: WorkflowId,
    /// Name of the workflow.
    workflow_name: String,
    /// The published version; absent for drafts.
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<VersionId>,
    /// Name of the webhook node.
    node: String,
    /// What callers show: `none`, `header`, `basic` or `signature`.
    auth: String,
}

/// Every address that workflows listen to, drafts first.
///
/// Of two drafts at one address the one made later answers; published workflows never share one.
#[query(GET "/v1/hooks", permission = crate::READ)]
pub(super) async fn list_hooks(
    cx: &QueryContext,
    query: HooksQuery,
) -> Result<Page<HookAddress>, Problem> {
    let page = cx.page::<AfterAddress>(&query)?;
    let (after, rows) = (page.after.as_ref(), page.rows());
    let tx = &mut *cx.tx().await;
    let rows =
        addresses::list(tx, cx.workspace(), query.workflow, query.stage, after, rows).await?;
    let page = page.of(rows, AfterAddress::of);
    let slug = &cx.caller().workspace_slug;
    let base = cx.service::<Hooks>().base_url();
    let shown = |row: AddressRow| HookAddress {
        url: format!("{base}/{}/{slug}/{}", row.stage.root(), row.path),
        method: row.method,
        path: row.path,
        stage: row.stage,
        workflow_id: row.workflow,
        workflow_name: row.workflow_name,
        version_id: row.version,
        node: row.node,
        auth: row.auth,
    };
    Ok(Page { items: page.items.into_iter().map(shown).collect(), next: page.next })
}
