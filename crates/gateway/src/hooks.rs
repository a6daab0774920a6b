//! `/hooks/{workspace}/{path}` and `/hooks-test/…`: requests that start runs.

use axum::body::Body;
use axum::http::request::Parts as Head;
use axum::http::uri::Authority;
use axum::http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use trigger::{HookAnswer, HookError, HookRequest, Stage};

use crate::body;
use crate::limits::Spent;
use crate::problem;
use crate::request::About;
use crate::shared::Shared;

/// The run a hook started.
const RUN_ID: HeaderName = HeaderName::from_static("flowforge-run-id");

/// Whether a path is a hook's, and what follows the part that says so.
pub(crate) fn split(path: &str) -> Option<(Stage, &str)> {
    let rest = path.strip_prefix("/hooks")?;
    match rest.strip_prefix('/') {
        Some(rest) => Some((Stage::Published, rest)),
        None => rest.strip_prefix("-test/").map(|rest| (Stage::Draft, rest)),
    }
}

/// Answers a hook.
pub(crate) async fn respond(
    shared: &Shared,
    request: Request<Incoming>,
    about: &About,
) -> Response<Body> {
    match answer(shared, request, about).await {
        Ok(answer) => render(answer),
        Err(error) => refuse(error, about),
    }
}

async fn answer(
    shared: &Shared,
    request: Request<Incoming>,
    about: &About,
) -> Result<HookAnswer, HookError> {
    let (head, incoming) = request.into_parts();
    let path = head.uri.path();
    Spent::default().take_address(shared, about, &head.headers)?;
    // The dispatch looked before it came here.
    let (stage, rest) = split(path).unwrap_or((Stage::Published, ""));
    let (slug, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let found = shared.hooks.find(stage, slug, rest, head.method.as_str()).await?;
    let settings = &shared.settings;
    let (bytes_max, within) = (settings.hook_body_bytes_max, settings.body_timeout);
    let body = body::read(incoming, &head.headers, bytes_max, within).await?;
    let request = HookRequest {
        url: address(settings.public_url.as_deref(), &head, about.is_secure()),
        query: head.uri.query().unwrap_or_default(),
        headers: &head.headers,
        trace: about.traceparent(),
        body,
    };
    shared.hooks.answer(found, request).await
}

/// The address as the caller sees it.
fn address(public_url: Option<&str>, head: &Head, secure: bool) -> String {
    let path = head.uri.path();
    match public_url {
        Some(url) => format!("{}{path}", url.trim_end_matches('/')),
        None => {
            let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
            // With HTTP/2 the host is a part of the address.
            let host = host.or(head.uri.authority().map(Authority::as_str)).unwrap_or("localhost");
            let scheme = if secure { "https" } else { "http" };
            format!("{scheme}://{host}{path}")
        }
    }
}

fn render(answer: HookAnswer) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    for (name, value) in answer.headers {
        match (HeaderName::try_from(&name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => {
                headers.append(name, value);
            }
            _ => tracing::warn!(
                run.id = %answer.run,
                header.name = name,
                "a header of a workflow's reply is not valid and was left out"
            ),
        }
    }
    put(headers, RUN_ID, &answer.run.to_string());
    if answer.replaced_surrogates > 0 {
        let count = answer.replaced_surrogates;
        let text = format!("299 flowforge \"{count} lone surrogates of the body became U+FFFD\"");
        put(headers, header::WARNING, &text);
    }
    response
}

fn refuse(error: HookError, about: &About) -> Response<Body> {
    let HookError { problem, status, run, allow } = error;
    let mut response = problem::render(&problem, status, run, about);
    let headers = response.headers_mut();
    if let Some(run) = run {
        put(headers, RUN_ID, &run.to_string());
    }
    if !allow.is_empty() {
        put(headers, header::ALLOW, &allow.join(", "));
    }
    response
}

fn put(headers: &mut axum::http::HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
