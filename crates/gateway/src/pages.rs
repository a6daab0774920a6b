//! Pages of the program's own: the front page, the documentation of the API and the error codes.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, header};
use kernel::{Problem, codes};
use serde_json::json;

use crate::request::About;
use crate::{accept, markdown, problem};

include!(concat!(env!("OUT_DIR"), "/error_pages.rs"));

const FRONT: &str = include_str!("pages/front.html");
const STYLE: &str = include_str!("pages/style.css");
const DOCS: &str = include_str!("pages/docs.html");
/// Files that pages load: name, media type, text.
const FILES: [(&str, &str, &str); 3] = [
    ("style.css", "text/css; charset=utf-8", STYLE),
    ("docs.css", "text/css; charset=utf-8", include_str!("pages/docs.css")),
    ("docs.js", "text/javascript; charset=utf-8", include_str!("pages/docs.js")),
];

/// Nothing but files of this server, and nothing that stands in the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page at `/`.
pub(crate) fn front() -> Response<Body> {
    page(FRONT, "text/html; charset=utf-8")
}

/// The documentation of the API.
pub(crate) fn docs() -> Response<Body> {
    page(DOCS, "text/html; charset=utf-8")
}

/// A file that a page loads.
pub(crate) fn file(name: &str, about: &About) -> Response<Body> {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, text)) => page(*text, kind),
        None => missing(&format!("There is no file `{name}` of the documentation."), about),
    }
}

/// The page of a code, in what the caller likes best of HTML, Markdown and JSON.
pub(crate) fn error(code: &str, headers: &HeaderMap, about: &About) -> Response<Body> {
    let Ok(at) = PAGES.binary_search_by(|(known, _)| (*known).cmp(code)) else {
        return missing(&format!("There is no error code `{code}`."), about);
    };
    let (code, text) = PAGES[at];
    let Some(known) = codes::ALL.iter().find(|row| row.code == code) else {
        return missing(&format!("There is no error code `{code}`."), about);
    };
    let as_json = || json!({ "code": row(known), "page": text }).to_string();
    negotiate(known.title, text, as_json, headers, about)
}

/// All codes.
pub(crate) fn errors(headers: &HeaderMap, about: &About) -> Response<Body> {
    let as_json = || {
        let rows: Vec<_> = codes::ALL.iter().map(row).collect();
        json!({ "items": rows }).to_string()
    };
    negotiate("Error codes", INDEX, as_json, headers, about)
}

fn row(row: &codes::Row) -> serde_json::Value {
    json!({
        "code": row.code,
        "status": row.status,
        "title": row.title,
        "retryable": row.retryable,
        "page": format!("/errors/{}", row.code),
    })
}

fn negotiate(
    title: &str,
    text: &'static str,
    as_json: impl Fn() -> String,
    headers: &HeaderMap,
    about: &About,
) -> Response<Body> {
    const OFFERED: [&str; 4] = ["text/html", "application/json", "text/markdown", "text/plain"];
    let mut response = match accept::choose(headers, &OFFERED) {
        Some("text/html") => page(document(title, text), "text/html; charset=utf-8"),
        Some("application/json") => page(as_json(), "application/json"),
        Some("text/markdown") => page(text, "text/markdown; charset=utf-8"),
        Some(_) => page(text, "text/plain; charset=utf-8"),
        None => {
            let detail = "This page is HTML, Markdown, plain text or JSON.";
            problem::respond(&Problem::new(codes::REQUEST_NOT_ACCEPTABLE, detail), about)
        }
    };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// A page of Markdown as a whole HTML document.
fn document(title: &str, text: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{} · FlowForge</title>\n<link rel=\"stylesheet\" href=\"/docs/style.css\">\n\
         </head>\n<body class=\"article\">\n<nav><a href=\"/\">FlowForge</a> \
         <a href=\"/docs\">API</a> <a href=\"/errors\">Error codes</a></nav>\n\
         <main>\n{}</main>\n</body>\n</html>\n",
        markdown::escape(title),
        markdown::html(text)
    )
}

fn missing(detail: &str, about: &About) -> Response<Body> {
    problem::respond(&Problem::new(codes::REQUEST_NOT_FOUND, detail), about)
}

fn page(text: impl Into<Body>, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(text.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
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

    #[test]
    fn the_contract_of_error_codes_is_what_the_table_says() {
        let rows: Vec<_> = codes::ALL
            .iter()
            .map(|row| {
                json!({
                    "code": row.code, "status": row.status, "title": row.title,
                    "retryable": row.retryable,
                })
            })
            .collect();
        let written = serde_json::to_string_pretty(&rows).unwrap() + "\n";
        checkout::assert_current("contracts/errors.json", &written);
    }
}
