//! `GET /v1/workflows`

use function::{Page, Problem, QueryContext, query};
use kernel::WorkflowId;

use crate::model::FoundWorkflow;
use crate::service::projects;
use crate::store::lists::{self, Filter};
use crate::words;

function::list_query! {
    /// Which workflows, and from where on.
    pub(super) struct WorkflowsQuery {
        /// Words, or their beginnings, that all stand in the workflow: its name, tags, description,
        /// nodes, node types, parameters, notes. The list is then sorted by how well each fits.
        #[schemars(length(max = 1_000))]
        search: Option<String>,
        /// Only those of the project with this id or name.
        #[schemars(length(min = 1, max = 200))]
        project: Option<String>,
        /// Only those with this tag.
        #[schemars(length(max = 64))]
        tag: Option<String>,
        /// Only archived ones, instead of only those in use.
        archived: bool,
        /// Only published ones, or only the others.
        published: Option<bool>,
    }
}

/// The workspace's workflows, newest first; when searched, the best first.
#[query(GET "/v1/workflows", permission = crate::READ)]
pub(super) async fn list_workflows(
    cx: &QueryContext,
    query: WorkflowsQuery,
) -> Result<Page<FoundWorkflow>, Problem> {
    let page = cx.page::<(i64, WorkflowId)>(&query)?;
    let mut tx = cx.tx().await;
    let workspace = cx.workspace();
    let mut filter = Filter {
        tag: query.tag,
        archived: query.archived,
        published: query.published,
        ..Filter::default()
    };
    if let Some(project) = &query.project {
        filter.project = Some(projects::find(&mut tx, workspace, project).await?.id);
    }
    let terms = query.search.as_deref().map(words::terms).unwrap_or_default();
    let rows = if terms.is_empty() {
        let before = page.after.map(|(_, id)| id);
        let rows = lists::list(&mut tx, workspace, &filter, before, page.rows()).await?;
        rows.into_iter().map(FoundWorkflow::unsearched).collect()
    } else {
        lists::search(&mut tx, workspace, &terms, &filter, page.after, page.rows()).await?
    };
    Ok(page.of(rows, |found| (found.rank, found.workflow.id)))
}
