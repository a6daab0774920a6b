//! The routes that are no functions, each once: served from here, described from here.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, Response, header};
use axum::routing::{MethodRouter, get};
use axum::{Extension, Router};
use bytes::Bytes;
use function::Function;
use function::openapi::{self, Raw};
use kernel::Value;

use crate::api::privileged;
use crate::health::Health;
use crate::request::About;
use crate::shared::Shared;
use crate::{pages, problem};

/// What answers a raw route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Served {
    /// By the dispatch, before the router.
    Hook,
    Front,
    Docs,
    DocsFile,
    Live,
    Ready,
    Health,
    Metrics,
    Openapi,
    OlderOpenapi,
    Errors,
    Error,
}

const GET: &[&str] = &["get"];

/// Every raw route.
const ROUTES: &[(Served, Raw)] = &[
    (
        Served::Front,
        Raw {
            name: "show_front_page",
            methods: GET,
            path: "/",
            tag: "system",
            summary: "A page that says where to go",
            description: "",
            answers: &[(200, "text/html", "The page.")],
            key: openapi::Key::None,
        },
    ),
    (
        Served::Docs,
        Raw {
            name: "show_documentation",
            methods: GET,
            path: "/docs",
            tag: "system",
            summary: "This API as a page, for reading and for trying it out",
            description: "",
            answers: &[(200, "text/html", "The page.")],
            key: openapi::Key::None,
        },
    ),
    (
        Served::DocsFile,
        Raw {
            name: "get_documentation_file",
            methods: GET,
            path: "/docs/{file}",
            tag: "system",
            summary: "A file that the pages load",
            description: "",
            answers: &[
                (200, "text/css", "The file."),
                (200, "text/javascript", "The file."),
                (404, "", "There is no such file."),
            ],
            key: openapi::Key::None,
        },
    ),
    (
        Served::Errors,
        Raw {
            name: "list_error_codes",
            methods: GET,
            path: "/errors",
            tag: "system",
            summary: "Every error code",
            description: "HTML, Markdown or JSON, as `Accept` says.",
            answers: &[
                (200, "application/json", "The codes."),
                (200, "text/html", "The codes."),
                (200, "text/markdown", "The codes."),
                (200, "text/plain", "The codes."),
                (406, "", "None of these was asked for."),
            ],
            key: openapi::Key::None,
        },
    ),
    (
        Served::Error,
        Raw {
            name: "get_error_code",
            methods: GET,
            path: "/errors/{code}",
            tag: "system",
            summary: "What an error code means and what to do about it",
            description: "HTML, Markdown or JSON, as `Accept` says. `type` of every problem leads here.",
            answers: &[
                (200, "application/json", "The code."),
                (200, "text/html", "Its page."),
                (200, "text/markdown", "Its page."),
                (200, "text/plain", "Its page."),
                (404, "", "There is no such code."),
                (406, "", "None of these was asked for."),
            ],
            key: openapi::Key::None,
        },
    ),
    (
        Served::Health,
        Raw {
            name: "get_health",
            methods: GET,
            path: "/health",
            tag: "system",
            summary: "What the server depends on, and whether it is there",
            description: "Each dependency is named to callers on the same machine or with a key of the first \
            workspace that has the scope `server.read`.",
            answers: &[
                (200, "application/json", "What cannot be done without is there."),
                (503, "application/json", "Something critical is away, or the server is stopping."),
            ],
            key: openapi::Key::Optional,
        },
    ),
    (
        Served::Live,
        Raw {
            name: "get_live",
            methods: GET,
            path: "/live",
            tag: "system",
            summary: "Whether the process answers",
            description: "",
            answers: &[(200, "application/json", "It does.")],
            key: openapi::Key::None,
        },
    ),
    (
        Served::Ready,
        Raw {
            name: "get_ready",
            methods: GET,
            path: "/ready",
            tag: "system",
            summary: "Whether the server can take work",
            description: "",
            answers: &[
                (200, "application/json", "It can."),
                (503, "application/json", "It cannot now, or it is stopping."),
            ],
            key: openapi::Key::None,
        },
    ),
    (
        Served::Metrics,
        Raw {
            name: "get_metrics",
            methods: GET,
            path: "/metrics",
            tag: "system",
            summary: "What is counted and measured, for Prometheus",
            description: "For callers on the same machine or with a key of the first workspace that has the \
            scope `server.read`.",
            answers: &[
                (200, "text/plain", "Every metric."),
                (401, "", "The caller is elsewhere and shows no valid key."),
                (
                    403,
                    "",
                    "The key is not one of the first workspace with the scope `server.read`.",
                ),
            ],
            key: openapi::Key::Optional,
        },
    ),
    (
        Served::Openapi,
        Raw {
            name: "get_openapi",
            methods: GET,
            path: "/v1/openapi.json",
            tag: "system",
            summary: "This document: OpenAPI 3.1",
            description: "",
            answers: &[(200, "application/json", "The document.")],
            key: openapi::Key::None,
        },
    ),
    (
        Served::OlderOpenapi,
        Raw {
            name: "get_openapi_3_0",
            methods: GET,
            path: "/v1/openapi-3.0.json",
            tag: "system",
            summary: "This document for readers of OpenAPI 3.0",
            description: "",
            answers: &[(200, "application/json", "The document.")],
            key: openapi::Key::None,
        },
    ),
    (
        Served::Hook,
        Raw {
            name: "call_hook",
            methods: &["get", "post", "put", "patch", "delete"],
            path: "/hooks/{workspace}/{path}",
            tag: "hooks",
            summary: "Calls the webhook of a published workflow",
            description: "`path` may have several segments. Method, body and answer are what the \
            workflow says; `flowforge-run-id` names the run. With `Idempotency-Key` a repeated call \
            is answered by the first one's run.",
            answers: HOOK_ANSWERS,
            key: openapi::Key::None,
        },
    ),
    (
        Served::Hook,
        Raw {
            name: "call_test_hook",
            methods: &["get", "post", "put", "patch", "delete"],
            path: "/hooks-test/{workspace}/{path}",
            tag: "hooks",
            summary: "Calls the webhook of a draft",
            description: "As `/hooks/{workspace}/{path}`, against what was saved last.",
            answers: HOOK_ANSWERS,
            key: openapi::Key::None,
        },
    ),
];

const HOOK_ANSWERS: &[(u16, &str, &str)] = &[
    (200, "*/*", "What the workflow answers; it may choose another status."),
    (202, "application/json", "The run has begun and answers nobody."),
    (400, "", "The body cannot be parsed."),
    (401, "", "The hook asks for credentials, and what was sent is missing or wrong."),
    (403, "", "The hook takes no calls from this address."),
    (404, "", "Nothing listens here."),
    (405, "", "What listens here does not listen to this method."),
    (408, "", "The body did not arrive in time."),
    (409, "", "A call with this signature was accepted before."),
    (413, "", "The body is larger than allowed, or would become too many values or fields."),
    (
        415,
        "",
        "The body is of a kind that the hook does not take, or encoded otherwise than by gzip.",
    ),
    (422, "", "The idempotency key is not valid."),
    (429, "", "Too many requests came from this address."),
    (500, "", "The run failed."),
    (503, "", "The server takes no more runs or bodies now."),
    (504, "", "The workflow did not answer in time; the run goes on."),
];

/// The OpenAPI 3.1 document of these functions and of every raw route.
pub fn document(functions: &[Function], version: &str) -> Value {
    let raw: Vec<Raw> = ROUTES.iter().map(|(_, raw)| *raw).collect();
    openapi::document(functions, &raw, version)
}

/// Adds the raw routes that the router serves.
pub(crate) fn add_routes(router: Router, shared: &Arc<Shared>) -> Router {
    ROUTES.iter().fold(router, |router, (served, raw)| match answer(*served, shared) {
        Some(route) => router.route(raw.path, route),
        None => router,
    })
}

fn answer(served: Served, shared: &Arc<Shared>) -> Option<MethodRouter> {
    let shared = Arc::clone(shared);
    Some(match served {
        Served::Hook => return None,
        Served::Front => get(async || pages::front()),
        Served::Docs => get(async || pages::docs()),
        Served::DocsFile => {
            get(async |Path(name): Path<String>, Extension(about): Extension<About>| {
                pages::file(&name, &about)
            })
        }
        Served::Errors => get(async |Extension(about): Extension<About>, headers: HeaderMap| {
            pages::errors(&headers, &about)
        }),
        Served::Error => get(
            async |Path(code): Path<String>,
                   Extension(about): Extension<About>,
                   headers: HeaderMap| { pages::error(&code, &headers, &about) },
        ),
        Served::Live => get(async || Health::live()),
        Served::Ready => get(async move || shared.health.ready().await),
        Served::Health => {
            get(async move |Extension(about): Extension<About>, headers: HeaderMap| {
                let details = privileged(&shared, &about, &headers).await.is_ok();
                shared.health.health(details).await
            })
        }
        Served::Metrics => {
            get(async move |Extension(about): Extension<About>, headers: HeaderMap| {
                match privileged(&shared, &about, &headers).await {
                    Ok(()) => text(shared.metrics.render().into(), "text/plain; version=0.0.4"),
                    Err(problem) => problem::respond(&problem, &about),
                }
            })
        }
        Served::Openapi => get(async move || text(shared.openapi.clone(), "application/json")),
        Served::OlderOpenapi => {
            get(async move || text(shared.openapi_3_0.clone(), "application/json"))
        }
    })
}

fn text(text: Bytes, kind: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
