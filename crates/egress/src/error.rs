//! What went wrong on the way, for the user: host and mend, never the query or a header.

use std::error::Error;
use std::time::Duration;

use kernel::{Code, Problem, codes};
use reqwest::Url;

use crate::resolve::AddressRefused;

/// `http.not_allowed`: the guard refuses the target.
pub(crate) fn not_allowed(url: &Url) -> Problem {
    let host = place(url);
    let detail = format!(
        "{host} is not allowed: it is, or leads to, a private or denied address. If workflows \
         shall reach it, add \"{host}\" to [egress] allow in the configuration and make sure \
         that [egress] deny does not name it.",
    );
    Problem::new(codes::HTTP_NOT_ALLOWED, detail)
}

/// `http.not_allowed`: not http or https.
pub(crate) fn scheme(url: &Url) -> Problem {
    let detail = format!(
        "Addresses with {}: are not requested: write one that begins with https:// or http://.",
        url.scheme()
    );
    Problem::new(codes::HTTP_NOT_ALLOWED, detail)
}

/// `http.timeout` after this long.
pub(crate) fn timed_out(url: &Url, after: Duration) -> Problem {
    let detail = format!(
        "{} did not answer completely within {} ms. Give the node a longer timeout, or look at \
         what keeps the other side busy.",
        place(url),
        after.as_millis(),
    );
    Problem::new(codes::HTTP_TIMEOUT, detail)
}

/// `http.failed` with this reason; it will go wrong in the same way again.
pub(crate) fn failed(url: &Url, reason: &str) -> Problem {
    Problem::new(codes::HTTP_FAILED, format!("{}: {reason}", place(url)))
}

/// The problem for a transport error.
pub(crate) fn transport(url: &Url, error: &reqwest::Error, connect: Duration) -> Problem {
    if error_chain(error).any(|cause| cause.is::<AddressRefused>()) {
        return not_allowed(url);
    }
    if error.is_timeout() {
        return timed_out(url, connect);
    }
    let (code, what): (Code, &str) = if error.is_builder() {
        (codes::HTTP_NOT_ALLOWED, "the request cannot be made")
    } else if error.is_dns() {
        (codes::HTTP_FAILED, "the name could not be resolved")
    } else if error.is_connect() {
        (codes::HTTP_FAILED, "no connection could be made")
    } else if error.is_decode() {
        (codes::HTTP_FAILED, "the body could not be decompressed")
    } else if error.is_body() {
        (codes::HTTP_FAILED, "the connection ended in the middle of the body")
    } else {
        (codes::HTTP_FAILED, "the connection ended before an answer came")
    };
    // The innermost cause says what the system said ("Connection refused"); outer ones carry the URL.
    let cause = error_chain(error).last().map(ToString::to_string).unwrap_or_default();
    Problem::new(code, format!("{}: {what} ({cause}).", place(url)))
}

fn error_chain(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

/// `host:port` as the rules write it.
pub(crate) fn place(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => "the address".to_owned(),
    }
}
