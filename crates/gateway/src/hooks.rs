//! `/hooks/{workspace}/{path}` and `/hooks-test/…`: requests that start runs.

use axum::body::Body;
use axum::http::request::Parts as Head;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use kernel::codes;
use trigger::{
    AnswerBody, CallEnd, Found, HookAnswer, HookBody, HookError, HookHead, HookRequest, Intake,
    Reception, Stage,
};

use crate::api;
use crate::body;
use crate::limits::Spent;
use crate::problem;
use crate::request::About;
use crate::shared::Shared;
use crate::upload;

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
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let hook = HookHead {
        method: head.method.as_str(),
        path,
        query: head.uri.query().unwrap_or_default(),
        headers: &head.headers,
        client: about.address(&head.headers, &shared.settings.proxies),
    };
    let mut spent = Spent::default();
    let taken = spent.take_address(shared, about, &head.headers);
    let mut response = match taken {
        Ok(()) => respond_to(shared, &head, &hook, body, about).await,
        Err(problem) => refuse(problem.into(), about),
    };
    spent.sign(&mut response);
    response
}

/// Answers what is not too much.
async fn respond_to(
    shared: &Shared,
    head: &Head,
    hook: &HookHead<'_>,
    body: Incoming,
    about: &About,
) -> Response<Body> {
    // The dispatch looked before it came here.
    let (stage, rest) = split(hook.path).unwrap_or((Stage::Published, ""));
    let (slug, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let found = match shared.hooks.find(stage, slug, rest, hook).await {
        Ok(Reception::Found(found)) => found,
        Ok(Reception::Preflight(answer)) => return render(answer),
        Err(error) => return refuse(error, about),
    };
    let began = shared.clock.monotonic();
    let answered = answer(shared, &found, head, hook, body, about).await;
    let took = shared.clock.monotonic().saturating_sub(began);
    let (status, run, error) = match &answered {
        Ok(answer) => (answer.status, answer.run, None),
        Err(error) => (error.status, error.run, Some(error)),
    };
    shared.hooks.note(&found, hook, CallEnd { status, run, error, took });
    let mut response = match answered {
        Ok(answer) => render(answer),
        Err(error) => refuse(error, about),
    };
    for (name, value) in found.extra_headers(hook) {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

async fn answer(
    shared: &Shared,
    found: &Found,
    head: &Head,
    hook: &HookHead<'_>,
    body: Incoming,
    about: &About,
) -> Result<HookAnswer, HookError> {
    let settings = &shared.settings;
    let within = settings.body_timeout;
    let mut held = shared.bodies.enter();
    let intake = match found.admit(hook) {
        Ok(()) => shared.hooks.intake(found, hook).map_err(HookError::from),
        Err(error) => Err(error),
    };
    let body = match intake {
        Ok(_) if body.is_end_stream() => HookBody::Whole(Bytes::new()),
        Ok(Intake::Whole(bytes_max)) => {
            HookBody::Whole(body::read(body, hook.headers, bytes_max, within, &mut held).await?)
        }
        Ok(Intake::Stream) => {
            let pieces = upload::pieces(body, within);
            HookBody::Taken(shared.hooks.take(found, hook, pieces, &mut held).await?)
        }
        Err(error) => {
            upload::let_go(body, hook.headers, within).await;
            return Err(error);
        }
    };
    let is_insider = found.is_draft() && is_insider(shared, found, &head.headers).await;
    let request = HookRequest {
        head: *hook,
        url: address(settings.public_url.as_deref(), head, about.is_secure()),
        trace: about.traceparent(),
        body,
        is_insider,
        held,
    };
    shared.hooks.answer(found, request).await
}

/// Whether the caller shows an API key of the hook's workspace.
async fn is_insider(shared: &Shared, found: &Found, headers: &HeaderMap) -> bool {
    let caller = api::authenticate(shared, headers).await;
    caller.is_ok_and(|caller| caller.workspace == found.workspace())
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
    let (body, length) = match answer.body {
        AnswerBody::Whole(bytes) => (Body::from(bytes), None),
        AnswerBody::File(file) => (Body::from_stream(file.pieces), Some(file.size)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    for (name, value) in answer.headers {
        match (HeaderName::try_from(&name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => {
                headers.append(name, value);
            }
            _ => tracing::warn!(
                run.id = answer.run.map(tracing::field::display),
                header.name = name,
                "a header of a workflow's reply is not valid and was left out"
            ),
        }
    }
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if let Some(run) = answer.run {
        put(headers, RUN_ID, &run.to_string());
    }
    if answer.replaced_surrogates > 0 {
        let count = answer.replaced_surrogates;
        let text = format!("299 flowforge \"{count} lone surrogates of the body became U+FFFD\"");
        put(headers, header::WARNING, &text);
    }
    response
}

fn refuse(error: HookError, about: &About) -> Response<Body> {
    let HookError { problem, status, run, allow, challenge, reason: _ } = error;
    let mut response = problem::render(&problem, status, run, about);
    let headers = response.headers_mut();
    if let Some(run) = run {
        put(headers, RUN_ID, &run.to_string());
    }
    if !allow.is_empty() {
        put(headers, header::ALLOW, &allow.join(", "));
    }
    if let Some(challenge) = challenge {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if problem.code == codes::REQUEST_UNSUPPORTED {
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, identity"));
    }
    response
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
