//! A request as the item its trigger puts out.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use kernel::item::BinaryRef;
use kernel::{Item, Object, Problem, Value, WorkspaceId, codes, json};
use node::Blobs;

use crate::address::{Parameter, Stage};
use crate::form;

/// A request to a hook, read completely.
pub struct HookRequest<'a> {
    /// Address as the caller sees it, for `webhookUrl`; without the query.
    pub url: String,
    /// Query string without the question mark.
    pub query: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// What to carry on of the caller's trace, as a W3C `traceparent`.
    pub trace: Option<String>,
    /// Its body.
    pub body: Bytes,
}

/// What the body became.
#[derive(Default)]
struct Body {
    json: Value,
    files: Vec<(String, File)>,
    replaced_surrogates: usize,
}

/// Bytes that travel beside the JSON.
pub(crate) struct File {
    pub(crate) bytes: Bytes,
    pub(crate) mime_type: String,
    pub(crate) file_name: Option<String>,
}

/// An item and how many lone surrogates were replaced in it.
pub(crate) struct HookItem {
    pub(crate) item: Item,
    pub(crate) replaced_surrogates: usize,
}

/// Makes the item: `{headers, params, query, body, webhookUrl, executionMode}`, files as binary.
pub(crate) async fn make(
    request: HookRequest<'_>,
    stage: Stage,
    parameters: Vec<Parameter>,
    raw_body: bool,
    workspace: WorkspaceId,
    blobs: &dyn Blobs,
) -> Result<HookItem, Problem> {
    let body = read_body(request.headers, request.body, raw_body)?;
    let mut json = Object::with_capacity(6);
    json.insert("headers".to_owned(), headers(request.headers));
    json.insert("params".to_owned(), Value::Object(parameters.into_iter().map(text).collect()));
    json.insert("query".to_owned(), form::object(form::pairs(request.query.as_bytes())));
    json.insert("body".to_owned(), body.json);
    json.insert("webhookUrl".to_owned(), Value::String(request.url));
    let mode = match stage {
        Stage::Published => "production",
        Stage::Draft => "test",
    };
    json.insert("executionMode".to_owned(), Value::String(mode.to_owned()));
    let mut item = Item::new(json);
    if !body.files.is_empty() {
        item.binary = Some(Arc::new(stored(body.files, workspace, blobs).await?));
    }
    Ok(HookItem { item, replaced_surrogates: body.replaced_surrogates })
}

fn text((name, value): Parameter) -> (String, Value) {
    (name, Value::String(value))
}

/// Names in lower case; a header that came several times is joined by commas, as HTTP means it.
fn headers(headers: &HeaderMap) -> Value {
    let mut object = Object::with_capacity(headers.len());
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        match object.get_mut(name.as_str()) {
            Some(Value::String(known)) => {
                known.push_str(", ");
                known.push_str(&value);
            }
            _ => {
                object.insert(name.as_str().to_owned(), Value::String(value.into_owned()));
            }
        }
    }
    Value::Object(object)
}

fn read_body(headers: &HeaderMap, bytes: Bytes, raw_body: bool) -> Result<Body, Problem> {
    let empty = || Value::Object(Object::new());
    if bytes.is_empty() {
        return Ok(Body { json: empty(), ..Body::default() });
    }
    let sent = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = sent.unwrap_or("application/octet-stream");
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let is = |wanted: &str| media_type.eq_ignore_ascii_case(wanted);
    let ends = |suffix: &str| {
        let at = media_type.len().checked_sub(suffix.len());
        at.and_then(|at| media_type.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    };
    let begins = |prefix: &str| {
        media_type.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
    };
    if raw_body {
        let file = File { bytes, mime_type: media_type.to_owned(), file_name: None };
        return Ok(Body {
            json: empty(),
            files: vec![("data".to_owned(), file)],
            ..Body::default()
        });
    }
    let encoding = headers.get(http::header::CONTENT_ENCODING).map(http::HeaderValue::as_bytes);
    function::check_encoding(encoding).map_err(|problem| {
        let detail = format!("{} (A webhook with `raw_body` takes it so.)", problem.detail);
        Problem { detail, ..problem }
    })?;
    if is("application/json") || ends("+json") {
        let parsed = json::parse(&bytes).map_err(|error| {
            Problem::new(codes::REQUEST_MALFORMED, format!("The body is not JSON: {error}."))
        })?;
        let replaced_surrogates = parsed.replaced_surrogates;
        return Ok(Body { json: parsed.value, replaced_surrogates, ..Body::default() });
    }
    if is("application/x-www-form-urlencoded") {
        return Ok(Body { json: form::object(form::pairs(&bytes)), ..Body::default() });
    }
    if is("multipart/form-data") {
        let form = form::multipart(content_type, &bytes)?;
        let json = form::object(form.fields);
        return Ok(Body { json, files: form.files, ..Body::default() });
    }
    if begins("text/") || is("application/xml") || ends("+xml") {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        return Ok(Body { json: Value::String(text), ..Body::default() });
    }
    let file = File { bytes, mime_type: media_type.to_owned(), file_name: None };
    Ok(Body { json: empty(), files: vec![("data".to_owned(), file)], ..Body::default() })
}

/// Stores the files; a name that comes again gets a number, so that none is lost.
async fn stored(
    files: Vec<(String, File)>,
    workspace: WorkspaceId,
    blobs: &dyn Blobs,
) -> Result<BTreeMap<String, BinaryRef>, Problem> {
    let mut binary = BTreeMap::new();
    for (name, file) in files {
        let mut reference = blobs.put(workspace, file.bytes.into()).await?;
        reference.mime_type = file.mime_type;
        reference.file_name = file.file_name;
        let mut free = name.clone();
        let mut number = 1;
        while binary.contains_key(&free) {
            free = format!("{name}_{number}");
            number += 1;
        }
        binary.insert(free, reference);
    }
    Ok(binary)
}
