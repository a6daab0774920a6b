//! `core.respond`: answers the caller of a webhook.

use indexmap::IndexMap;
use kernel::item::BinaryRef;
use kernel::{Item, Items, Object, Problem, Value, codes};
use node::{
    About, Directive, Expr, NodeContext, NodeError, NodeType, Reply, ReplyBody, Steer, params,
};

use crate::passing::first;
use crate::values::text;

type Status = Expr<u16>;
type Headers = Expr<IndexMap<String, Value>>;

/// Answers the HTTP request that started the run, then passes the items on.
#[params(default(with = "first_item"))]
#[serde(tag = "with", rename_all = "snake_case")]
pub(crate) enum Respond {
    /// With the first item, as a JSON object.
    FirstItem {
        /// Status of HTTP.
        #[serde(default = "ok")]
        status: Status,
        /// Headers to add.
        #[serde(default)]
        headers: Headers,
    },
    /// With all items, as a JSON list.
    AllItems {
        /// Status of HTTP.
        #[serde(default = "ok")]
        status: Status,
        /// Headers to add.
        #[serde(default)]
        headers: Headers,
    },
    /// With JSON.
    Json {
        /// The JSON: a value with expressions anywhere in it, or the text of an object or a list.
        body: Expr<Value>,
        /// Status of HTTP.
        #[serde(default = "ok")]
        status: Status,
        /// Headers to add.
        #[serde(default)]
        headers: Headers,
    },
    /// With text.
    Text {
        /// The text.
        body: Expr<Value>,
        /// Status of HTTP.
        #[serde(default = "ok")]
        status: Status,
        /// Headers to add; `content-type` is `text/plain; charset=utf-8` unless given here.
        #[serde(default)]
        headers: Headers,
    },
    /// With a file of the first item.
    Binary {
        /// Name of the item's file.
        #[serde(default = "data")]
        property: Expr<String>,
        /// Status of HTTP.
        #[serde(default = "ok")]
        status: Status,
        /// Headers to add; `content-type` is the file's unless given here.
        #[serde(default)]
        headers: Headers,
    },
    /// With another address to go to.
    Redirect {
        /// The address.
        url: Expr<String>,
        /// Status of HTTP: 301, 302, 303, 307 or 308.
        #[serde(default = "found")]
        status: Status,
        /// Headers to add.
        #[serde(default)]
        headers: Headers,
    },
    /// With nothing but a status.
    Nothing {
        /// Status of HTTP.
        #[serde(default = "ok")]
        status: Status,
        /// Headers to add.
        #[serde(default)]
        headers: Headers,
    },
}

fn ok() -> Status {
    Expr::literal(200)
}

fn found() -> Status {
    Expr::literal(302)
}

fn data() -> Expr<String> {
    Expr::literal("data".to_owned())
}

pub(crate) const NODE: NodeType = NodeType::steer::<Respond>();

impl Steer for Respond {
    const ABOUT: About = About::new("core.respond", 1)
        .synonyms(&["reply", "answer", "response", "return", "webhook response"])
        .examples(include_str!("../cases/respond.json"))
        .group("flow")
        .imports(&["n8n-nodes-base.respondToWebhook"])
        .example(r#"{"with": "json", "body": {"total": "={{ $json.total }}"}, "status": 201}"#);

    fn steer(&self, cx: &NodeContext, inputs: &[Items]) -> Result<Directive, NodeError> {
        let items = first(inputs);
        let (status, headers) = self.head();
        let mut reply = Reply {
            status: status_of(status, cx)?,
            headers: headers_of(headers, cx)?,
            body: ReplyBody::Empty,
        };
        reply.body = match self {
            Self::FirstItem { .. } => ReplyBody::Json(first_json(items)),
            Self::AllItems { .. } => Reply::all_items(items).body,
            Self::Json { body, .. } => ReplyBody::Json(json_of(body, cx)?),
            Self::Text { body, .. } => {
                default_header(&mut reply, "content-type", "text/plain; charset=utf-8");
                ReplyBody::Text(text(&*body.view(&cx.scope, 0)?))
            }
            Self::Binary { property, .. } => {
                let file = file_of(items, &property.view(&cx.scope, 0)?)?;
                default_header(&mut reply, "content-type", &file.mime_type);
                ReplyBody::Blob(file.clone())
            }
            Self::Redirect { url, .. } => {
                let url = url.get(&cx.scope, 0)?;
                check_redirect(reply.status, &url)?;
                reply.headers.retain(|(name, _)| name != "location");
                reply.headers.push(("location".to_owned(), url));
                ReplyBody::Empty
            }
            Self::Nothing { .. } => ReplyBody::Empty,
        };
        Ok(Directive::Respond(reply))
    }
}

impl Respond {
    fn head(&self) -> (&Status, &Headers) {
        match self {
            Self::FirstItem { status, headers }
            | Self::AllItems { status, headers }
            | Self::Json { status, headers, .. }
            | Self::Text { status, headers, .. }
            | Self::Binary { status, headers, .. }
            | Self::Redirect { status, headers, .. }
            | Self::Nothing { status, headers } => (status, headers),
        }
    }
}

fn wrong(detail: String) -> NodeError {
    Problem::new(codes::NODE_PARAMETER, detail).into()
}

fn status_of(status: &Status, cx: &NodeContext) -> Result<u16, NodeError> {
    let status = status.get(&cx.scope, 0)?;
    if (200..=599).contains(&status) {
        Ok(status)
    } else {
        Err(wrong(format!("{status} is no status to answer with: choose one from 200 to 599.")))
    }
}

fn headers_of(headers: &Headers, cx: &NodeContext) -> Result<Vec<(String, String)>, NodeError> {
    let headers = headers.view(&cx.scope, 0)?;
    let mut list = Vec::with_capacity(headers.len());
    for (name, value) in headers.iter() {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(wrong(format!("{name:?} cannot be the name of a header.")));
        }
        let value = text(value);
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(wrong(format!(
                "The value of the header \"{name}\" has a line break or another control character."
            )));
        }
        list.push((name.to_lowercase(), value));
    }
    Ok(list)
}

fn default_header(reply: &mut Reply, name: &str, value: &str) {
    if !reply.headers.iter().any(|(known, _)| known == name) {
        reply.headers.push((name.to_owned(), value.to_owned()));
    }
}

fn first_json(items: &[Item]) -> Value {
    Value::Object(items.first().map(|item| Object::clone(&item.json)).unwrap_or_default())
}

/// The text of an object or a list is that object or list; other values are what they are. What a
/// template splices into such a text is spliced as JSON, between quotes as a part of the text there.
fn json_of(body: &Expr<Value>, cx: &NodeContext) -> Result<Value, Problem> {
    let value = body.get(&cx.scope, 0)?;
    let Value::String(text) = &value else { return Ok(value) };
    if !text.trim_start().starts_with(['{', '[']) {
        return Ok(value);
    }
    let spliced = match body.template() {
        Some(template) if !template.is_one_expression() => {
            template.evaluate_json_safely(&cx.scope, 0)?
        }
        // A text of its own, which may begin with a bracket and be no JSON.
        Some(_) | None => return Ok(kernel::json::parse_str(text).unwrap_or(value)),
    };
    kernel::json::parse_str(&spliced).map_err(|error| {
        let detail = format!(
            "\"body\" is not JSON: {error}. Put expressions for texts between quotes, those for \
             other values not; or write the body as an object instead of as text."
        );
        Problem::new(codes::NODE_PARAMETER, detail)
    })
}

fn file_of<'i>(items: &'i [Item], property: &str) -> Result<&'i BinaryRef, NodeError> {
    let files = items.first().and_then(|item| item.binary.as_deref());
    files.and_then(|files| files.get(property)).ok_or_else(|| {
        let known: Vec<&str> =
            files.into_iter().flat_map(|files| files.keys().map(String::as_str)).collect();
        let known = if known.is_empty() {
            "it has none".to_owned()
        } else {
            format!("it has {}", known.join(", "))
        };
        let detail = format!("The first item has no file \"{property}\": {known}.");
        Problem::new(codes::NODE_INPUT, detail).into()
    })
}

fn check_redirect(status: u16, url: &str) -> Result<(), NodeError> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return Err(wrong(format!(
            "{status} does not redirect: choose 301, 302, 303, 307 or 308."
        )));
    }
    if url.trim().is_empty() || url.chars().any(char::is_control) {
        return Err(wrong("The address to go to is empty or has control characters.".to_owned()));
    }
    Ok(())
}
