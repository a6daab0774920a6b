//! Headers that tell browsers what our answers may not be used for.

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::http::{HeaderValue, Response};

use crate::request::About;

/// How long a browser that saw TLS here comes by TLS only: a year.
const TRANSPORT: &str = "max-age=31536000";

/// Adds what the response does not say by itself. Pages bring a content policy of their own.
pub(crate) fn harden(response: &mut Response<Body>, about: &About) {
    let headers = response.headers_mut();
    put(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(headers, header::REFERRER_POLICY, "no-referrer");
    put(headers, header::X_FRAME_OPTIONS, "DENY");
    put(
        headers,
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    );
    if about.is_secure() {
        put(headers, header::STRICT_TRANSPORT_SECURITY, TRANSPORT);
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert_with(|| HeaderValue::from_static(value));
}
