//! `POST /v1/workflows`

use function::{MutationContext, Problem, RawBody, mutation};

use super::change::Change;
use super::incoming::{self, CreateQuery};
use crate::model::Saved;
use crate::service::{self, copies, projects};
use crate::store::Place;

/// Saves a new workflow as a draft.
///
/// The body is the document, as JSON or YAML by its content type. A document with faults is
/// refused with all of them, unless `incomplete=true`.
#[mutation(
    POST "/v1/workflows",
    permission = crate::WRITE,
    audit = "workflow.created",
    accepts = "application/json, application/yaml, text/yaml",
    status = 201
)]
pub(super) async fn create_workflow(
    cx: &MutationContext,
    query: CreateQuery,
    raw: RawBody,
) -> Result<Saved, Problem> {
    let incoming = incoming::read(&raw)?;
    let mut change = Change::of_new(cx).await;
    let Change { tx, author, publishing, .. } = &mut change;
    let mut place = Place::default_of(cx.workspace());
    place.tags = copies::tidy_tags(query.tag)?;
    if let Some(project) = &query.project {
        place.project = projects::find(tx, cx.workspace(), project).await?.id;
    }
    let strictness = incoming::strictness(query.incomplete);
    let saved = service::create_in(tx, *author, publishing, &place, &incoming, strictness).await?;
    Ok(change.done(saved))
}
