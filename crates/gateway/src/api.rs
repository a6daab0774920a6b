//! Functions as routes.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use axum::routing::{MethodFilter, MethodRouter, on};
use function::{Answer, BodyArgument, Caller, Function, Kind, Method};
use kernel::limits::VALUE_BYTES;
use kernel::room::Held;
use kernel::{Problem, codes, json};
use rate::Subject;
use tracing::Instrument;

use crate::cache::Served;
use crate::limits::Spent;
use crate::meter::Meter;
use crate::request::About;
use crate::shared::Shared;
use crate::{accept, body, problem, raw};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

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
    raw::add_routes(router, shared).fallback(not_found).method_not_allowed_fallback(wrong_method)
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
            let mut spent = Spent::default();
            let answer = call(&shared, &function, path, request, &about, &mut spent);
            let mut response = match answer.instrument(span).await {
                Ok((answer, served)) => render(&shared, &answer, served),
                Err(problem) => problem::respond(&problem, &about),
            };
            spent.sign(&mut response);
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
    about: &About,
    spent: &mut Spent,
) -> Result<(Arc<Answer>, Served), Problem> {
    spent.take_address(shared, about, request.headers())?;
    let caller = authenticate(shared, request.headers()).await?;
    spent.take(shared, Subject::key(caller.key))?;
    spent.take(shared, Subject::workspace(caller.workspace))?;
    caller.require(function.permission)?;
    check_accept(function, request.headers())?;
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
    let sent = |name: HeaderName| head.headers.get(name).map(HeaderValue::as_bytes);
    let key = sent(IDEMPOTENCY_KEY).map(function::idempotency_key).transpose()?;
    let idempotency_key = key.map(ToOwned::to_owned);
    if !matches!(function.body, BodyArgument::None) {
        function::check_encoding(sent(header::CONTENT_ENCODING))?;
    }
    let fresh = text("cache-control").is_some_and(|wish| wish.contains("no-cache"));
    let query = head.uri.query().unwrap_or_default().to_owned();
    let settings = &shared.settings;
    let (bytes_max, within) = (settings.api_body_bytes_max, settings.body_timeout);
    let mut held = shared.bodies.enter();
    let body = body::read(incoming, &head.headers, bytes_max, within, &mut held).await?;
    let content_type = text("content-type");
    weigh(function, content_type.as_deref(), &body, &mut held)?;
    let request = function::Request {
        path,
        query,
        content_type,
        idempotency_key,
        if_match: text("if-match"),
        if_none_match: text("if-none-match"),
        prefer: text("prefer"),
        range: text("range"),
        if_range: text("if-range"),
        request_id: Some(about.id().to_owned()),
        trace_id: Some(about.trace_id()).filter(|id| !id.is_empty()),
        body: body.into(),
    };
    if matches!(function.kind, Kind::Query) && shared.cache.is_on() && !fresh {
        let run = run(shared, function, &caller, &request);
        let (found, served) = shared.cache.answer(function, &caller, &request, run).await;
        return Ok((found?, served));
    }
    // Whatever comes of it: a refusal may follow a commit. What is asked by GET changes nothing.
    let changes = function.method != Method::Get;
    let _forgetting = changes.then(|| shared.cache.forgetting(caller.workspace));
    let answer = run(shared, function, &caller, &request).await?;
    Ok((Arc::new(answer), Served::Ran))
}

/// Refuses a body that would become too many values, and takes the room of those it becomes.
fn weigh(
    function: &Function,
    content_type: Option<&str>,
    body: &[u8],
    held: &mut Held,
) -> Result<(), Problem> {
    let kind = content_type.unwrap_or_default().to_ascii_lowercase();
    let values = match function.body {
        BodyArgument::None => return Ok(()),
        // Lines and quotes mean other things in YAML: every byte that may begin a value counts.
        BodyArgument::Raw { .. } if kind.contains("yaml") => {
            body.iter().filter(|byte| b",[{\n".contains(byte)).count()
        }
        BodyArgument::Raw { .. } if !kind.is_empty() && !kind.contains("json") => return Ok(()),
        BodyArgument::Raw { .. } | BodyArgument::Json(_) => json::count_values(body),
    };
    json::check_values(values)?;
    held.take(values * VALUE_BYTES)
}

/// Runs the function when its turn has come.
async fn run(
    shared: &Shared,
    function: &Function,
    caller: &Caller,
    request: &function::Request,
) -> Result<Answer, Problem> {
    let place = Arc::new(shared.admission.enter().await?);
    let call = shared.host.call_in_turn(function, caller, request, Some(place));
    match function.kind {
        // An action has a time of its own.
        Kind::Action { .. } => call.await,
        Kind::Query | Kind::Mutation { .. } => {
            let within = shared.settings.calls.timeout;
            tokio::time::timeout(within, call).await.unwrap_or_else(|_| {
                let took = within.as_millis();
                let detail =
                    format!("`{}` was not done after {took} ms and was stopped.", function.name);
                Err(Problem::new(codes::REQUEST_TIMEOUT, detail))
            })
        }
    }
}

/// Refuses a caller who does not want what the function answers.
fn check_accept(function: &Function, headers: &HeaderMap) -> Result<(), Problem> {
    const ANSWERED: &str = "application/json";
    if function.output.is_none() || accept::weight(headers, ANSWERED) > 0.0 {
        return Ok(());
    }
    let detail = format!("The answer is {ANSWERED}, which the header `accept` does not name.");
    Err(Problem::new(codes::REQUEST_NOT_ACCEPTABLE, detail))
}

/// The caller behind `Authorization: Bearer …`.
pub(crate) async fn authenticate(shared: &Shared, headers: &HeaderMap) -> Result<Caller, Problem> {
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

/// Refuses unless the sender sits on this machine or shows a key of an operator: what the server counts
/// is about all workspaces.
pub(crate) async fn privileged(
    shared: &Shared,
    about: &About,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    if about.is_local(headers) {
        return Ok(());
    }
    let caller = authenticate(shared, headers).await?;
    caller.require(crate::READ_SERVER)?;
    if &*caller.workspace_slug == identity::FIRST_SLUG {
        return Ok(());
    }
    let detail = "This is about the whole server: it needs a key of the first workspace.";
    Err(Problem::new(codes::AUTH_FORBIDDEN, detail))
}

async fn not_found(request: Request) -> Response<Body> {
    let about = about(&request);
    let detail = format!("There is nothing at {}; see /docs.", about.path());
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

fn render(shared: &Shared, answer: &Arc<Answer>, served: Served) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.body.clone()));
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
    if shared.cache.is_on() {
        let status = match served {
            Served::Ran => HeaderValue::from_static("FlowForge; fwd=miss"),
            Served::Joined => HeaderValue::from_static("FlowForge; fwd=miss; collapsed"),
            Served::Kept { age } => {
                headers.insert(header::AGE, HeaderValue::from(age.as_secs()));
                HeaderValue::from_static("FlowForge; hit")
            }
        };
        headers.insert(CACHE_STATUS, status);
    }
    response
}
