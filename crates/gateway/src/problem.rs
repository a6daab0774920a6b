//! Problems as RFC 9457 `application/problem+json`.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use kernel::{FieldProblem, Problem, RunId, codes};
use serde::Serialize;

use crate::request::About;

#[derive(Serialize)]
struct Rendered<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    code: &'static str,
    request_id: &'a str,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<RunId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<&'a str>,
    #[serde(skip_serializing_if = "<[FieldProblem]>::is_empty")]
    errors: &'a [FieldProblem],
}

/// The response of a problem.
pub(crate) fn respond(problem: &Problem, about: &About) -> Response<Body> {
    render(problem, problem.code.0.status, None, about)
}

/// The response of a problem with another status than its code's, and the run it is about.
pub(crate) fn render(
    problem: &Problem,
    status: u16,
    run_id: Option<RunId>,
    about: &About,
) -> Response<Body> {
    let row = problem.code.0;
    let rendered = Rendered {
        r#type: format!("/errors/{}", row.code),
        title: row.title,
        status,
        detail: &problem.detail,
        instance: about.path(),
        code: row.code,
        request_id: about.id(),
        retryable: row.retryable,
        node: problem.node.as_deref(),
        run_id,
        current: problem.current.as_ref().map(|current| current.tag.as_str()),
        errors: &problem.errors,
    };
    let body = serde_json::to_vec(&rendered).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if problem.code == codes::AUTH_REQUIRED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(current) = &problem.current
        && let Ok(tag) = HeaderValue::from_str(&current.tag)
    {
        headers.insert(header::ETAG, tag);
    }
    let wait_ms = problem.retry_after_ms.or_else(|| (status == 503).then_some(1_000));
    if let Some(wait_ms) = wait_ms {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait_ms.div_ceil(1_000).max(1)));
    }
    response
}
