//! Problems as RFC 9457 `application/problem+json`.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use kernel::{FieldProblem, Problem, RunId, codes};
use serde::Serialize;

use crate::request::About;

/// The media type of RFC 9457.
const KIND: &str = "application/problem+json";

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

impl<'a> Rendered<'a> {
    fn new(
        problem: &'a Problem,
        status: u16,
        instance: &'a str,
        request_id: &'a str,
        run_id: Option<RunId>,
    ) -> Self {
        let row = problem.code.0;
        Self {
            r#type: format!("/errors/{}", row.code),
            title: row.title,
            status,
            detail: &problem.detail,
            instance,
            code: row.code,
            request_id,
            retryable: row.retryable,
            node: problem.node.as_deref(),
            run_id,
            current: problem.current.as_ref().map(|current| current.tag.as_str()),
            errors: &problem.errors,
        }
    }
}

/// The whole HTTP/1 message for a request that could not be read.
pub(crate) fn unread(problem: &Problem, request_id: &str) -> Vec<u8> {
    let status = problem.code.0.status;
    let rendered = Rendered::new(problem, status, "", request_id, None);
    let body = serde_json::to_vec(&rendered).unwrap_or_default();
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let mut message = format!(
        "HTTP/1.1 {status} {}\r\ncontent-type: {KIND}\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\nx-request-id: {request_id}\r\nconnection: close\r\n\r\n",
        reason.unwrap_or_default(),
        body.len()
    )
    .into_bytes();
    message.extend_from_slice(&body);
    message
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
    let rendered = Rendered::new(problem, status, about.path(), about.id(), run_id);
    let body = serde_json::to_vec(&rendered).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(KIND));
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
