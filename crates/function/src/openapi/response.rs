//! What may be answered: problems by status, and the headers of answers.

use kernel::{Object, Value, codes};
use serde_json::json;

use crate::declaration::{BodyArgument, Function, Kind, Method};

/// What the HTTP layer itself may answer to any request.
pub(super) const EVERYWHERE: &[(u16, &str)] = &[
    (400, "The request cannot be parsed."),
    (414, "The address is longer than allowed."),
    (431, "The headers are larger than allowed."),
    (500, "Something went wrong on our side."),
];

const PREFIX: &str = "#/components/responses/";

/// Each status with the name of its component and what it means.
const STATUSES: &[(u16, &str, &str)] = &[
    (400, "Malformed", "The request cannot be parsed; a body's fault is named by line and column."),
    (401, "Unauthorized", "No API key was sent, or one that is unknown, revoked or expired."),
    (403, "Forbidden", "The key does not have the scope that is needed."),
    (404, "NotFound", "There is no such thing in this workspace."),
    (406, "NotAcceptable", "`Accept` names nothing that is answered here."),
    (408, "Incomplete", "The body did not arrive in time."),
    (409, "Conflict", "The state of things does not allow it, or somebody else changed it first."),
    (412, "PreconditionFailed", "`If-Match` names another version than there is."),
    (413, "TooLarge", "The body is larger than allowed."),
    (414, "UriTooLong", "The address is longer than allowed."),
    (415, "Unsupported", "The body's media type is not understood here."),
    (422, "Invalid", "The request does not fit; `errors` names every place by JSON pointer."),
    (428, "PreconditionRequired", "`If-Match` is needed here."),
    (
        429,
        "TooManyRequests",
        "More requests came than are allowed; `Retry-After` says when to go on.",
    ),
    (431, "HeadersTooLarge", "The headers are larger than allowed."),
    (500, "Internal", "Something went wrong on our side; the log knows more under `request_id`."),
    (502, "BadGateway", "Another server did not do its part."),
    (
        503,
        "Unavailable",
        "The server is at its limit or lacks its database; `Retry-After` says when.",
    ),
    (504, "Timeout", "It was not done in time and was given up."),
];

/// The statuses of problems that a function may answer.
pub(super) fn statuses(function: &Function) -> Vec<u16> {
    let mut statuses = vec![400, 401, 403, 406, 414, 422, 429, 431, 500, 503, 504];
    let body = !matches!(function.body, BodyArgument::None);
    // What a path, a filter or a body names may not be there.
    if function.path_schema.is_some() || function.query_schema.is_some() || body {
        statuses.push(404);
    }
    if body {
        statuses.extend([408, 413, 415]);
    }
    let changes = match function.kind {
        Kind::Query => false,
        Kind::Mutation { .. } => true,
        Kind::Action { .. } => function.method != Method::Get,
    };
    // The state of a thing may also stand against looking at a part of it.
    if changes || function.path_schema.is_some() {
        statuses.push(409);
    }
    if matches!(function.kind, Kind::Mutation { .. }) && function.path_schema.is_some() {
        statuses.push(412);
    }
    statuses.sort_unstable();
    statuses
}

/// A reference to the problem of a status.
pub(super) fn reference(status: u16) -> Value {
    let name = STATUSES.iter().find(|(known, ..)| *known == status).map(|(_, name, _)| *name);
    json!({ "$ref": format!("{PREFIX}{}", name.unwrap_or("Internal")) })
}

/// The problem of a status with a meaning of its own.
pub(super) fn problem(status: u16, meaning: &str) -> Value {
    let mut headers = Object::new();
    if let Value::Object(common) = common_headers() {
        headers.extend(common);
    }
    let extra = match status {
        401 => Some("WWW-Authenticate"),
        412 => Some("ETag"),
        405 => Some("Allow"),
        429 | 503 => Some("Retry-After"),
        _ => None,
    };
    if let Some(name) = extra {
        headers.insert(name.to_owned(), header(name));
    }
    json!({
        "description": meaning,
        "headers": headers,
        "content": {
            "application/problem+json": {
                "schema": { "$ref": "#/components/schemas/Problem" },
                "example": example(status),
            },
        },
    })
}

/// The problem of each status, by name.
pub(super) fn components() -> Value {
    let component = |(status, name, meaning): &(u16, &str, &str)| {
        ((*name).to_owned(), problem(*status, &format!("{meaning}{}", codes_of(*status))))
    };
    STATUSES.iter().map(component).collect::<Object>().into()
}

/// ` Codes: …` of a status, as far as they are not those of one noun's functions only.
fn codes_of(status: u16) -> String {
    let nouns = ["auth.", "database.", "internal", "rate.", "request.", "server.", "storage."];
    let known = codes::ALL
        .iter()
        .filter(|row| row.status == status && nouns.iter().any(|noun| row.code.starts_with(noun)));
    let known: Vec<String> = known.map(|row| format!("`{}`", row.code)).collect();
    if known.is_empty() { String::new() } else { format!(" Codes: {}.", known.join(", ")) }
}

fn example(status: u16) -> Value {
    let rows = codes::ALL.iter().filter(|row| row.status == status);
    // What every function may answer says more than what one of them may.
    let row = rows.min_by_key(|row| {
        let general = ["request.", "auth.", "rate.", "server.", "internal"];
        !general.iter().any(|noun| row.code.starts_with(noun))
    });
    let (code, title, retryable) = row.map_or(("internal", "Something went wrong", false), |row| {
        (row.code, row.title, row.retryable)
    });
    json!({
        "type": format!("/errors/{code}"),
        "title": title,
        "status": status,
        "detail": format!("{title}; here it says what is wrong and how to mend it."),
        "instance": "/v1/workflows",
        "code": code,
        "request_id": "5b1f0c6c1c0e4f0e9a3c2d7f8e6b4a10",
        "retryable": retryable,
    })
}

/// Headers of every answer.
pub(super) fn common_headers() -> Value {
    json!({ "X-Request-Id": header("X-Request-Id") })
}

/// Headers of every answer of a function.
pub(super) fn function_headers(method: Method) -> Value {
    let mut headers = json!({
        "X-Request-Id": header("X-Request-Id"),
        "ETag": header("ETag"),
        "RateLimit": header("RateLimit"),
        "RateLimit-Policy": header("RateLimit-Policy"),
    });
    if method != Method::Get {
        headers["Idempotency-Replayed"] = header("Idempotency-Replayed");
    }
    headers
}

/// The answer to a caller who has it already.
pub(super) fn not_modified() -> Value {
    json!({
        "description": "`If-None-Match` names what there is: nothing changed.",
        "headers": function_headers(Method::Get),
    })
}

/// A header that requests may have.
pub(super) fn request_header(name: &str) -> Value {
    json!({ "$ref": format!("#/components/parameters/{name}") })
}

/// Every header that requests may have.
pub(super) fn parameters() -> Value {
    const TAGS: &str = r#"^(\*|(W/)?"[!#-+\-.-~]*"( *, *(W/)?"[!#-+\-.-~]*")*)$"#;
    let parameter = |name: &str, description: &str, pattern: &str, example: &str| {
        let schema = json!({
            "type": "string", "minLength": 1, "maxLength": 255, "pattern": pattern,
        });
        json!({
            "name": name, "in": "header", "required": false, "description": description,
            "schema": schema, "example": example,
        })
    };
    json!({
        "Idempotency-Key": parameter(
            "Idempotency-Key",
            "Names this call: sent again within 24 hours it does nothing and is answered as the first.",
            "^[ -~]+$",
            "5f0d9c1e-5d0b-4f7e-9a55-0c6f4f6f2b1a",
        ),
        "If-Match": parameter(
            "If-Match",
            "`ETag` of what the change is based on; when it is another one now, nothing is changed.",
            TAGS,
            "\"12\"",
        ),
        "If-None-Match": parameter(
            "If-None-Match",
            "`ETag` of what the caller has; when nothing changed the answer is 304 without a body.",
            TAGS,
            "\"12.kJ8sd02kfoS1q9aB\"",
        ),
    })
}

fn header(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}

/// Every header that is described.
pub(super) fn headers() -> Value {
    let text = |description: &str, example: &str| {
        json!({
            "description": description, "schema": { "type": "string" }, "example": example,
        })
    };
    json!({
        "ETag": text("Names the version that is shown.", "\"12.kJ8sd02kfoS1q9aB\""),
        "Idempotency-Replayed": text("`true` where an earlier call's answer is repeated.", "true"),
        "Allow": text("The methods that are understood here.", "GET, POST"),
        "RateLimit": text(
            "For each policy that applies: `r` requests left, whole again in `t` seconds. Absent \
             where nothing is limited.",
            "\"key\";r=118;t=2",
        ),
        "RateLimit-Policy": text(
            "For each policy that applies: `q` requests in `w` seconds.",
            "\"key\";q=120;w=2",
        ),
        "Retry-After": {
            "description": "Seconds to wait before the next try.",
            "schema": { "type": "integer", "minimum": 1 },
            "example": 1,
        },
        "WWW-Authenticate": text("How to authenticate.", "Bearer"),
        "X-Request-Id": text(
            "Names the request: the caller's own, or a new one.",
            "5b1f0c6c1c0e4f0e9a3c2d7f8e6b4a10",
        ),
    })
}
