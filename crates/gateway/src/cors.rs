//! CORS: which pages of other origins may call the API from a browser. Hooks are not covered: what
//! they allow is up to their workflows.

use axum::body::Body;
use axum::http::header::{self, HeaderMap};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use std::time::Duration;

/// Who may call from a browser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// Origins such as `https://app.example.com`, or `*` for any. Empty: none.
    pub origins: Vec<String>,
    /// Whether cookies and client certificates may be sent along; never together with `*`.
    pub credentials: bool,
    /// How long a browser may remember what is allowed.
    pub max_age: Duration,
}

const METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
const REQUEST_HEADERS: &str = "authorization, content-type, accept, idempotency-key, if-match, \
     if-none-match, traceparent, x-request-id";
const RESPONSE_HEADERS: &str = "etag, location, retry-after, ratelimit, ratelimit-policy, \
     x-request-id, flowforge-run-id, idempotency-replayed, age, cache-status";

/// The origin of a request, as far as it is allowed.
pub(crate) struct Origin {
    sent: bool,
    allowed: Option<HeaderValue>,
}

impl Origin {
    pub(crate) fn of(cors: &Cors, headers: &HeaderMap) -> Self {
        if cors.origins.is_empty() {
            return Self { sent: false, allowed: None };
        }
        let Some(origin) = headers.get(header::ORIGIN) else {
            return Self { sent: false, allowed: None };
        };
        let any = cors.origins.iter().any(|allowed| allowed == "*");
        let named = cors.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes());
        let allowed = match (named, any) {
            (true, _) => Some(origin.clone()),
            (false, true) => Some(HeaderValue::from_static("*")),
            (false, false) => None,
        };
        Self { sent: true, allowed }
    }
}

/// Answers a browser's question whether it may send a request; `None`: it is none.
pub(crate) fn preflight<B>(
    cors: &Cors,
    origin: &Origin,
    request: &Request<B>,
) -> Option<Response<Body>> {
    let asks = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() != Method::OPTIONS || !origin.sent || !asks {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        header::VARY,
        HeaderValue::from_static("access-control-request-method, access-control-request-headers"),
    );
    if origin.allowed.is_some() {
        let allow = |text| HeaderValue::from_static(text);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, allow(METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allow(REQUEST_HEADERS));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(cors.max_age.as_secs()));
    }
    Some(response)
}

/// Lets the page that asked see the response.
pub(crate) fn allow(cors: &Cors, origin: &Origin, response: &mut Response<Body>) {
    if cors.origins.is_empty() {
        return;
    }
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    let Some(allowed) = &origin.allowed else { return };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed.clone());
    headers
        .insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(RESPONSE_HEADERS));
    if cors.credentials && allowed != "*" {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}
