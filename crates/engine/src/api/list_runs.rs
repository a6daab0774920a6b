//! `GET /v1/runs`

use function::{ActionContext, Page, Problem, action};
use jiff::Timestamp;
use kernel::{RunId, WorkflowId};
use schemars::JsonSchema;
use serde::Deserialize;

use super::moment;
use crate::Engine;
use crate::door::RunStatus;
use crate::store::{Search, SearchOrder};
use crate::view::RunLine;

function::list_query! {
    /// Which runs, and in which order.
    pub(super) struct RunsQuery {
        /// Only runs of the workflow with this id.
        workflow: Option<WorkflowId>,
        /// Only runs in one of these states; may be given several times.
        status: Vec<RunStatus>,
        /// Only runs with this label; given several times: with all of them.
        #[schemars(length(max = 16))]
        label: Vec<String>,
        /// Only runs with this text in the code, the node or the message of their error, in capitals
        /// or not.
        error: Option<String>,
        /// Only runs started then or later (RFC 3339).
        #[schemars(schema_with = "moment::schema")]
        started_after: Option<Timestamp>,
        /// Only runs started before (RFC 3339).
        #[schemars(schema_with = "moment::schema")]
        started_before: Option<Timestamp>,
        /// In which order.
        sort: Sort,
    }
}

/// Order of a list of runs.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "RunSort")]
pub(super) enum Sort {
    /// Newest first.
    #[default]
    #[serde(rename = "-started_at")]
    Newest,
    /// Oldest first.
    #[serde(rename = "started_at")]
    Oldest,
}

/// The workspace's runs, newest first.
///
/// A page may hold fewer rows than asked for although there are more: where few runs fit, the search
/// stops after 20 000 candidates and says in `next` where it goes on. Searching by label, by error or for
/// failed runs looks at those only.
#[action(GET "/v1/runs", permission = crate::READ, timeout = "30s")]
pub(super) async fn list_runs(
    cx: &ActionContext,
    query: RunsQuery,
) -> Result<Page<RunLine>, Problem> {
    let page = cx.page::<RunId>(&query)?;
    let search = Search {
        workflow: query.workflow,
        states: query.status,
        labels: query.label.into_iter().map(storable).collect(),
        error: query.error.map(storable).filter(|text| !text.is_empty()),
        since: query.started_after,
        before: query.started_before,
        after_run: page.after,
        order: match query.sort {
            Sort::Newest => SearchOrder::Newest,
            Sort::Oldest => SearchOrder::Oldest,
        },
    };
    let found = cx.service::<Engine>().search_runs(cx.workspace(), search, page.shown()).await?;
    let rows = found.runs.into_iter().map(RunLine::from).collect();
    Ok(page.up_to(rows, found.next))
}

/// What the database's texts cannot hold is not found in them either.
fn storable(text: String) -> String {
    text.replace('\0', "\u{fffd}")
}
