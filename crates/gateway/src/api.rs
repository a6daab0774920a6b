//! Functions as routes, and the raw routes beside them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{Path, RawPathParams, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use axum::routing::{MethodFilter, MethodRouter, get, on};
use axum::{Extension, Router};
use function::{Answer, Caller, Function, Method};
use kernel::{Problem, codes};
use tracing::Instrument;

use crate::body;
use crate::health::Health;
use crate::meter::Meter;
use crate::pages;
use crate::problem;
use crate::request::About;
use crate::shared::Shared;

/// The routes of everything but hooks.
pub(crate) fn router(shared: &Arc<Shared>, functions: &[Function]) -> Router {
    let mut by_path: BTreeMap<&str, MethodRouter> = BTreeMap::new();
    for function in functions {
        let routes = by_path.remove(function.path).unwrap_or_default();
        by_path.insert(function.path, routes.merge(handler(shared, *function)));
    }
    let router = by_path
        .into_iter()
        .fold(Router::new(), |router, (path, routes)| router.route(path, routes));
    raw_routes(router, shared).fallback(not_found).method_not_allowed_fallback(wrong_method)
}

fn raw_routes(router: Router, shared: &Arc<Shared>) -> Router {
    let [ready, health, metrics, openapi] = [(); 4].map(|()| Arc::clone(shared));
    router
        .route("/", get(async || pages::front()))
        .route("/live", get(async || Health::live()))
        .route("/ready", get(async move || ready.health.ready().await))
        .route(
            "/health",
            get(async move |Extension(about): Extension<About>, headers: HeaderMap| {
                let details = privileged(&health, &about, &headers).await.is_ok();
                health.health.health(details).await
            }),
        )
        .route(
            "/metrics",
            get(async move |Extension(about): Extension<About>, headers: HeaderMap| {
                match privileged(&metrics, &about, &headers).await {
                    Ok(()) => text(metrics.metrics.render(), "text/plain; version=0.0.4"),
                    Err(problem) => problem::respond(&problem, &about),
                }
            }),
        )
        .route(
            "/v1/openapi.json",
            get(async move || text(openapi.openapi.clone(), "application/json")),
        )
        .route(
            "/errors/{code}",
            get(async |Path(code): Path<String>, request: Request| {
                pages::error(&code, about(&request))
            }),
        )
}

fn filter(method: Method) -> MethodFilter {
    match method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Put => MethodFilter::PUT,
        Method::Patch => MethodFilter::PATCH,
        Method::Delete => MethodFilter::DELETE,
    }
}

/// One function as a route.
fn handler(shared: &Arc<Shared>, function: Function) -> MethodRouter {
    let shared = Arc::clone(shared);
    let meter = Meter::new(function.name);
    on(
        filter(function.method),
        async move |path: Result<RawPathParams, RawPathParamsRejection>, request: Request| {
            let about = about(&request).clone();
            let span = tracing::info_span!(
                "request",
                request.id = about.id(),
                trace.id = about.trace_id(),
                function.name = function.name
            );
            let began = shared.clock.monotonic();
            let answer = call(&shared, &function, path, request).instrument(span).await;
            let response = match answer {
                Ok(answer) => render(answer),
                Err(problem) => problem::respond(&problem, &about),
            };
            let took = shared.clock.monotonic().saturating_sub(began);
            meter.count(response.status(), took);
            response
        },
    )
}

async fn call(
    shared: &Shared,
    function: &Function,
    path: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Result<Answer, Problem> {
    let about = about(&request).clone();
    let caller = authenticate(shared, request.headers()).await?;
    caller.require(function.permission)?;
    let path = path.map_err(|_| {
        Problem::new(codes::REQUEST_NOT_FOUND, "The path is not UTF-8 after decoding.")
    })?;
    let path = path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let (head, incoming) = request.into_parts();
    // A value that is no text is handed on as one that nothing takes, so that it is refused.
    let text = |name: &str| {
        let values = head.headers.get_all(name).iter();
        let values: Vec<_> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    };
    let sent = |name: &str| head.headers.get(name).map(HeaderValue::as_bytes);
    let key = sent("idempotency-key").map(function::idempotency_key).transpose()?;
    let idempotency_key = key.map(ToOwned::to_owned);
    function::check_encoding(sent("content-encoding"))?;
    let query = head.uri.query().unwrap_or_default().to_owned();
    let settings = &shared.settings;
    let (bytes_max, within) = (settings.api_body_bytes_max, settings.body_timeout);
    let body = body::read(incoming, &head.headers, bytes_max, within).await?.into();
    let request = function::Request {
        path,
        query,
        content_type: text("content-type"),
        idempotency_key,
        if_match: text("if-match"),
        if_none_match: text("if-none-match"),
        prefer: text("prefer"),
        range: text("range"),
        if_range: text("if-range"),
        request_id: Some(about.id().to_owned()),
        trace_id: Some(about.trace_id()).filter(|id| !id.is_empty()),
        body,
    };
    shared.host.call(function, &caller, &request).await
}

/// The caller behind `Authorization: Bearer …`.
async fn authenticate(shared: &Shared, headers: &HeaderMap) -> Result<Caller, Problem> {
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = sent.and_then(|sent| {
        let (scheme, key) = sent.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    match key {
        Some(key) => shared.authenticator.authenticate(key).await,
        None => Err(Problem::new(
            codes::AUTH_REQUIRED,
            "Send an API key of the workspace as `Authorization: Bearer ff_…`.",
        )),
    }
}

/// Refuses unless the sender sits on this machine or shows a key.
async fn privileged(shared: &Shared, about: &About, headers: &HeaderMap) -> Result<(), Problem> {
    if about.is_local(headers) {
        return Ok(());
    }
    authenticate(shared, headers).await.map(drop)
}

async fn not_found(request: Request) -> Response<Body> {
    let about = about(&request);
    let detail = format!("There is nothing at {}; see /v1/openapi.json.", about.path());
    problem::respond(&Problem::new(codes::REQUEST_NOT_FOUND, detail), about)
}

async fn wrong_method(request: Request) -> Response<Body> {
    let about = about(&request);
    let detail = format!(
        "{} is not understood at {}; the header `allow` names what is.",
        request.method(),
        about.path()
    );
    problem::respond(&Problem::new(codes::REQUEST_METHOD, detail), about)
}

/// Put there by the dispatch for every request.
fn about(request: &Request) -> &About {
    request.extensions().get().expect("the dispatch marks every request")
}

fn render(answer: Answer) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(&answer.content_type)
        && !kind.is_empty()
    {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    for (name, value) in &answer.headers {
        match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => drop(headers.insert(name, value)),
            _ => tracing::error!(http.header = &**name, "a function's header is not fit for HTTP"),
        }
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn text(text: String, kind: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
