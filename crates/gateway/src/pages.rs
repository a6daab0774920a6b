//! Pages of the program's own: the front page and the pages of error codes.

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use kernel::{Problem, codes};

use crate::problem;
use crate::request::About;

include!(concat!(env!("OUT_DIR"), "/error_pages.rs"));

const FRONT: &str = include_str!("pages/front.html");

/// The page at `/`.
pub(crate) fn front() -> Response<Body> {
    page(FRONT, "text/html; charset=utf-8")
}

/// The page of a code.
pub(crate) fn error(code: &str, about: &About) -> Response<Body> {
    match PAGES.binary_search_by(|(known, _)| (*known).cmp(code)) {
        Ok(at) => page(PAGES[at].1, "text/plain; charset=utf-8"),
        Err(_) => {
            let detail = format!("There is no error code `{code}`.");
            problem::respond(&Problem::new(codes::REQUEST_NOT_FOUND, detail), about)
        }
    }
}

fn page(text: &'static str, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_code_has_a_page_and_every_page_a_code() {
        let known: Vec<_> = codes::ALL.iter().map(|row| row.code).collect();
        let pages: Vec<_> = PAGES.iter().map(|(code, _)| *code).collect();
        assert_eq!(pages, known);
    }
}
