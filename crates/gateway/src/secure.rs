//! Headers that tell browsers what our answers may not be used for.

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::http::{HeaderValue, Response};

use crate::request::About;

/// Pages of other origins that open ours get no hold of them.
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// How long a browser that saw TLS here comes by TLS only: a year.
const TRANSPORT: &str = "max-age=31536000";

/// What a page that a workflow answers with may do: everything but act as a page of this origin, which
/// is also that of the API and its documentation.
const SANDBOX: &str = "sandbox allow-downloads allow-forms allow-modals allow-orientation-lock \
     allow-pointer-lock allow-popups allow-presentation allow-scripts allow-top-navigation \
     allow-top-navigation-by-user-activation allow-top-navigation-to-custom-protocols";

/// Adds to the answer of a hook what its workflow does not say by itself.
pub(crate) fn harden_hook(response: &mut Response<Body>, about: &About) {
    let headers = response.headers_mut();
    put(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // Browsers show JSON, and never run it: the most frequent answers do without the long line.
    if headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind != "application/json") {
        put(headers, header::CONTENT_SECURITY_POLICY, SANDBOX);
    }
    if about.is_secure() {
        put(headers, header::STRICT_TRANSPORT_SECURITY, TRANSPORT);
    }
}

/// Adds what the response does not say by itself. Pages bring a content policy of their own.
pub(crate) fn harden(response: &mut Response<Body>, about: &About) {
    let headers = response.headers_mut();
    put(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(headers, header::REFERRER_POLICY, "no-referrer");
    put(headers, header::X_FRAME_OPTIONS, "DENY");
    put(headers, OPENER_POLICY, "same-origin");
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
