//! `GET /v1/workflow-files`

use function::{Page, Problem, QueryContext, query};

use super::incoming::SourceForm;
use crate::file_names;
use crate::model::{ExportedFile, SourceView};
use crate::service::{self, projects};
use crate::store::lists::{self, Exported, Filter};

function::list_query! {
    /// Which workflows, and in which form.
    pub(super) struct ExportQuery {
        /// Only those of the project with this id or name.
        #[schemars(length(min = 1, max = 200))]
        project: Option<String>,
        /// Only those with this tag.
        #[schemars(length(max = 64))]
        tag: Option<String>,
        /// Archived ones instead of those in use.
        archived: bool,
        /// YAML unless given.
        form: Option<SourceForm>,
    }
}

/// Workflows as files, to be kept elsewhere or imported again, by name.
///
/// The drafts are exported, as their authors wrote them where the form is the same. What this answers
/// can be sent to the import as it is.
#[query(GET "/v1/workflow-files", permission = crate::READ)]
pub(super) async fn export_workflows(
    cx: &QueryContext,
    query: ExportQuery,
) -> Result<Page<ExportedFile>, Problem> {
    let page = cx.page::<String>(&query)?;
    let mut tx = cx.tx().await;
    let mut filter = Filter { tag: query.tag, archived: query.archived, ..Filter::default() };
    if let Some(project) = &query.project {
        filter.project = Some(projects::find(&mut tx, cx.workspace(), project).await?.id);
    }
    let after = page.after.as_deref();
    let rows = lists::export(&mut tx, cx.workspace(), &filter, after, page.rows()).await?;
    let form = query.form.unwrap_or(SourceForm::Yaml);
    let Page { items, next } = page.of(rows, |row| row.name.clone());
    let items: Result<_, Problem> = items.into_iter().map(|row| file(row, form)).collect();
    Ok(Page { items: items?, next })
}

fn file(row: Exported, form: SourceForm) -> Result<ExportedFile, Problem> {
    let document = service::stored(&row.document)?;
    let text = SourceView::of(form.media_type(), &document, row.source.as_ref()).text;
    let ending = match form {
        SourceForm::Yaml => "yaml",
        SourceForm::Json => "json",
    };
    let folder = file_names::written(&row.project);
    let mut stem = file_names::shown(&row.name);
    if stem != row.name {
        // Two names may look the same to a file system.
        let id = row.id.to_string();
        stem = format!("{stem}-{}", &id[id.len() - 8..]);
    }
    let path = format!("{folder}/{stem}.{ending}");
    Ok(ExportedFile { path, text, project: row.project, tags: row.tags })
}
