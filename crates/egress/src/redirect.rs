//! What a redirect makes of a request.

use reqwest::header::{self, HeaderMap};
use reqwest::{Method, StatusCode, Url};

use crate::client::Request;

/// The request that follows `status` with this `Location`, or `None` when it is no redirect to
/// anywhere.
pub(crate) fn next(
    request: &Request,
    status: StatusCode,
    headers: &HeaderMap,
) -> Option<Result<Request, String>> {
    let keeps_body = match status.as_u16() {
        301..=303 => false,
        307 | 308 => true,
        _ => return None,
    };
    let location = headers.get(header::LOCATION)?;
    let Ok(text) = std::str::from_utf8(location.as_bytes()) else {
        return Some(Err("its Location is not text".to_owned()));
    };
    let mut url = match request.url.join(text) {
        Ok(url) => url,
        Err(error) => return Some(Err(format!("its Location is no address ({error})"))),
    };
    if url.fragment().is_none() {
        url.set_fragment(request.url.fragment());
    }
    let mut next = request.clone();
    let becomes_get = match (status.as_u16(), &request.method) {
        (_, method) if *method == Method::HEAD || *method == Method::GET => false,
        (303, _) => true,
        (301 | 302, method) => *method == Method::POST,
        _ => false,
    };
    if becomes_get {
        next.method = Method::GET;
    }
    if becomes_get || (!keeps_body && next.method == Method::GET) {
        next.body = bytes::Bytes::new();
        for name in [
            header::CONTENT_TYPE,
            header::CONTENT_LENGTH,
            header::CONTENT_ENCODING,
            header::TRANSFER_ENCODING,
        ] {
            next.headers.remove(name);
        }
    }
    if !same_origin(&request.url, &url) {
        drop_secrets(&mut next.headers);
    }
    next.url = url;
    Some(Ok(next))
}

fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host() == other.host()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// What proves who asks stays with whom it was meant for: the well-known headers, and every value
/// marked sensitive.
fn drop_secrets(headers: &mut HeaderMap) {
    for name in [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION, header::HOST] {
        headers.remove(name);
    }
    let marked: Vec<_> = headers
        .iter()
        .filter(|(_, value)| value.is_sensitive())
        .map(|(name, _)| name.clone())
        .collect();
    for name in marked {
        headers.remove(name);
    }
}
