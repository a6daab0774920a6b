//! What the answer to an HTTP request becomes: items, or an error that says whether to try again.

use std::time::Duration;

use egress::header::{self, HeaderMap};
use egress::{Response, StatusCode};
use encoding_rs::{Encoding, UTF_8};
use kernel::{Clock, Item, Object, Problem, Value, codes};
use node::{NodeContext, NodeError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aside::aside;
use crate::binary;
use crate::json_read::item_of;

/// Characters of an error's body that are shown.
const EXCERPT: usize = 200;
/// The longest wait that is taken from a server's word.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// What the answer becomes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    /// How to read the body.
    #[serde(default, rename = "as")]
    form: Form,
    /// Whether items hold `statusCode`, `statusMessage`, `headers` and `body` instead of the body
    /// alone.
    #[serde(default)]
    full: bool,
    /// Whether error statuses (400 and above) give items instead of an error.
    #[serde(default)]
    pub(crate) never_error: bool,
    /// Binary property for files.
    #[serde(default = "binary::default_property")]
    property: String,
}

/// How to read a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Form {
    /// As its media type says: JSON, text, else a file.
    #[default]
    Auto,
    /// As JSON.
    Json,
    /// As text, in the item's field `data`.
    Text,
    /// As a file, in a binary property.
    File,
}

impl Default for Answer {
    fn default() -> Self {
        let property = binary::default_property();
        Self { form: Form::Auto, full: false, never_error: false, property }
    }
}

impl Answer {
    /// The items for an answer.
    pub(crate) async fn items(
        &self,
        cx: &NodeContext,
        asked: &str,
        response: Response,
    ) -> Result<Vec<Item>, NodeError> {
        let mime_type = media_type(&response.headers);
        let form = match self.form {
            Form::Auto => guess(&mime_type, response.body.is_empty()),
            form => form,
        };
        let mut head = Object::new();
        if self.full {
            head.insert("statusCode".to_owned(), response.status.as_u16().into());
            let message = response.status.canonical_reason().unwrap_or_default();
            head.insert("statusMessage".to_owned(), message.into());
            head.insert("headers".to_owned(), headers(&response.headers));
        }
        let body = match form {
            Form::Json | Form::Auto => json(asked, &response).await?,
            Form::Text => Value::String(text(&response)),
            Form::File => {
                let name = file_name(&response);
                let bytes = response.body.to_vec();
                let kind = if mime_type.is_empty() {
                    binary::media_type(name.as_deref().unwrap_or_default()).to_owned()
                } else {
                    mime_type
                };
                let item = binary::attach(cx, head, &self.property, bytes, kind, name).await?;
                return Ok(vec![item]);
            }
        };
        if self.full {
            head.insert("body".to_owned(), body);
            return Ok(vec![Item::new(head)]);
        }
        Ok(match body {
            Value::Array(list) => list.into_iter().map(item_of).collect(),
            Value::Null if response.body.is_empty() => vec![Item::default()],
            body => vec![item_of(body)],
        })
    }
}

/// The error for a status of 400 or above: to be tried again if the server is busy or ill.
pub(crate) fn refused(asked: &str, response: &Response, clock: &dyn Clock) -> NodeError {
    let status = response.status;
    let name = status.canonical_reason().unwrap_or("unknown status");
    let mut detail = format!("{asked} answered {} {name}", status.as_u16());
    let excerpt = excerpt(&text(response));
    if !excerpt.is_empty() {
        detail.push_str(": ");
        detail.push_str(&excerpt);
    }
    let mut problem = Problem::new(codes::HTTP_STATUS, detail);
    let passing = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    if !passing {
        return NodeError::Fatal(problem);
    }
    let after = retry_after(&response.headers, clock);
    problem.retry_after_ms = after.map(|after| after.as_millis() as u64);
    NodeError::Retry { problem, after }
}

/// `Retry-After`: seconds, or a moment.
fn retry_after(headers: &HeaderMap, clock: &dyn Clock) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let moment = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            let seconds = moment.as_second().saturating_sub(clock.now().as_second());
            Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

fn excerpt(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().take(EXCERPT).collect();
    let line = line.join(" ");
    match line.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The media type without its parameters, in lower case.
fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = value.unwrap_or_default().split(';').next().unwrap_or_default();
    kind.trim().to_ascii_lowercase()
}

fn guess(mime_type: &str, is_empty: bool) -> Form {
    let is_json = mime_type.ends_with("/json") || mime_type.ends_with("+json");
    let is_text = mime_type.starts_with("text/")
        || mime_type.ends_with("+xml")
        || matches!(
            mime_type,
            "application/xml"
                | "application/javascript"
                | "application/yaml"
                | "application/x-ndjson"
                | "application/x-www-form-urlencoded"
        );
    match (is_json || is_empty, is_text) {
        (true, _) => Form::Json,
        (false, true) => Form::Text,
        (false, false) => Form::File,
    }
}

async fn json(asked: &str, response: &Response) -> Result<Value, NodeError> {
    if response.body.is_empty() {
        return Ok(Value::Null);
    }
    let (asked, body) = (asked.to_owned(), response.body.clone());
    aside(body.len(), move || {
        let start = if body.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let parsed = kernel::json::parse(&body[start..]).map_err(|error| {
            let detail = format!(
                "{asked} answered with something that is not JSON ({error}). Set response.as to \
                 text or file if that is right."
            );
            NodeError::fatal(codes::NODE_FAILED, detail)
        })?;
        Ok(parsed.value)
    })
    .await
}

/// The body as text, in the encoding its media type names, else UTF-8.
fn text(response: &Response) -> String {
    let kind = response.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let label = kind.unwrap_or_default().split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    let encoding = label.and_then(|label| Encoding::for_label(label.as_bytes())).unwrap_or(UTF_8);
    encoding.decode(&response.body).0.into_owned()
}

/// Names in lower case; the values of a repeated header as a list.
fn headers(headers: &HeaderMap) -> Value {
    let mut object = Object::new();
    for name in headers.keys() {
        let mut values: Vec<Value> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned().into())
            .collect();
        let value = if values.len() == 1 { values.remove(0) } else { Value::Array(values) };
        object.insert(name.as_str().to_owned(), value);
    }
    Value::Object(object)
}

/// The name the server gives the file, else the last part of the address.
fn file_name(response: &Response) -> Option<String> {
    let given = response.headers.get(header::CONTENT_DISPOSITION);
    let given = given.and_then(|value| value.to_str().ok()).and_then(|value| {
        value.split(';').skip(1).find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("filename").then(|| value.trim().trim_matches('"'))
        })
    });
    // A name is no path.
    binary::file_name(given.unwrap_or(response.url.path()))
}
