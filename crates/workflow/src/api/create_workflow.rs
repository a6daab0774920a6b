//! `POST /v1/workflows`

use function::{MutationContext, Problem, RawBody, mutation};

use super::incoming::{self, SaveQuery};
use crate::model::Saved;
use crate::observer::Publishing;
use crate::service;

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
    query: SaveQuery,
    raw: RawBody,
) -> Result<Saved, Problem> {
    let incoming = incoming::read(&raw)?;
    let publishing = cx.service::<Publishing>();
    incoming::tell_when_committed(cx);
    let mut tx = cx.tx().await;
    let (author, strictness) = (incoming::author(cx), query.strictness());
    let saved = service::create(&mut tx, author, publishing, &incoming, strictness).await?;
    incoming::note(cx, saved.id, saved.revision);
    Ok(saved)
}
