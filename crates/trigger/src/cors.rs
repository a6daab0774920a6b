//! Calls from the pages of other sites: what a browser is told.
//!
//! It is the browser that enforces this, on behalf of its user; whoever calls without a browser is
//! not kept out by it.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName};
use node::HookCors;

/// Names and values to put on an answer.
pub type ExtraHeaders = Vec<(HeaderName, String)>;

/// The header with the run's id: pages may read it.
const RUN_ID: &str = "flowforge-run-id";

/// What goes on every answer to a request of a page.
pub(crate) fn answer(cors: &HookCors, headers: &HeaderMap) -> ExtraHeaders {
    let mut extra = vec![(VARY, "origin".to_owned())];
    let Some(origin) = allowed(cors, headers) else { return extra };
    extra.push((ACCESS_CONTROL_ALLOW_ORIGIN, origin));
    if cors.credentials {
        extra.push((ACCESS_CONTROL_ALLOW_CREDENTIALS, "true".to_owned()));
    }
    let expose = std::iter::once(RUN_ID).chain(cors.expose.iter().map(String::as_str));
    let expose = expose.collect::<Vec<_>>().join(", ");
    extra.push((ACCESS_CONTROL_EXPOSE_HEADERS, expose));
    extra
}

/// What goes on the answer to a browser that asks before it sends.
pub(crate) fn preflight(cors: &HookCors, headers: &HeaderMap, methods: &str) -> ExtraHeaders {
    let mut extra = vec![(VARY, "origin, access-control-request-headers".to_owned())];
    let Some(origin) = allowed(cors, headers) else { return extra };
    extra.push((ACCESS_CONTROL_ALLOW_ORIGIN, origin));
    if cors.credentials {
        extra.push((ACCESS_CONTROL_ALLOW_CREDENTIALS, "true".to_owned()));
    }
    extra.push((ACCESS_CONTROL_ALLOW_METHODS, methods.to_owned()));
    let asked = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).and_then(|value| value.to_str().ok());
    let named = match (cors.headers.is_empty(), asked) {
        (false, _) => Some(cors.headers.join(", ")),
        (true, Some(asked)) => Some(asked.to_owned()),
        (true, None) => None,
    };
    extra.extend(named.map(|named| (ACCESS_CONTROL_ALLOW_HEADERS, named)));
    extra.push((ACCESS_CONTROL_MAX_AGE, cors.max_age.0.as_secs().to_string()));
    extra
}

/// What to name as the allowed origin, if the request's is one.
fn allowed(cors: &HookCors, headers: &HeaderMap) -> Option<String> {
    let origin = headers.get(ORIGIN)?.to_str().ok()?;
    if cors.origins.iter().any(|known| known == "*") {
        return Some("*".to_owned());
    }
    cors.origins.iter().any(|known| covers(known, origin)).then(|| origin.to_owned())
}

/// Whether `https://shop.example` or `https://*.shop.example` covers an origin.
fn covers(known: &str, origin: &str) -> bool {
    let Some((scheme, suffix)) = known.split_once("*.") else {
        return known.eq_ignore_ascii_case(origin);
    };
    let host = origin.get(..scheme.len()).filter(|start| start.eq_ignore_ascii_case(scheme));
    let host = host.and_then(|_| origin.get(scheme.len()..));
    let Some((before, end)) =
        host.and_then(|host| host.split_at_checked(host.len().checked_sub(suffix.len())?))
    else {
        return false;
    };
    end.eq_ignore_ascii_case(suffix)
        && before.len() > 1
        && before.ends_with('.')
        && !before.contains(['/', ':', '@'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_covered_by_itself_and_by_a_star_for_what_stands_before_its_host() {
        assert!(covers("https://shop.example", "https://SHOP.example"));
        assert!(!covers("https://shop.example", "http://shop.example"));
        assert!(!covers("https://shop.example", "https://shop.example.evil"));
        assert!(covers("https://*.shop.example", "https://a.b.shop.example"));
        for other in [
            "https://shop.example",
            "https://.shop.example",
            "https://evilshop.example",
            "https://evil.example/.shop.example",
            "http://a.shop.example",
            "null",
            "é",
        ] {
            assert!(!covers("https://*.shop.example", other), "{other}");
        }
    }
}
