//! A request as the item its trigger puts out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use kernel::item::BinaryRef;
use kernel::room::Held;
use kernel::{Item, Object, Value};

use crate::address::{Parameter, Stage};
use crate::form;
use crate::intake::Body;

/// What is known of a request before its body.
#[derive(Clone, Copy, Debug)]
pub struct HookHead<'a> {
    /// Method, upper case.
    pub method: &'a str,
    /// Path as it was sent.
    pub path: &'a str,
    /// Query string without the question mark.
    pub query: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Who sent it: the peer, or whom a trusted proxy names.
    pub client: IpAddr,
}

/// A request to a hook, read completely.
pub struct HookRequest<'a> {
    /// Everything but the body.
    pub head: HookHead<'a>,
    /// Address as the caller sees it, for `webhookUrl`; without the query.
    pub url: String,
    /// What to carry on of the caller's trace, as a W3C `traceparent`.
    pub trace: Option<String>,
    /// Its body.
    pub body: HookBody,
    /// Whether the caller showed a key of the workspace: then a failure is told in full.
    pub is_insider: bool,
    /// The room the body takes, until the caller is answered.
    pub held: Held,
}

/// The body of a request to a hook.
pub enum HookBody {
    /// As it was sent.
    Whole(Bytes),
    /// Read already, its files stored.
    Taken(Body),
}

/// What shows in the place of a header that holds a secret.
const HIDDEN: &str = "•••";

/// Makes the item: `{headers, params, query, body, webhookUrl, executionMode}`, files as binary. The
/// value of the header `hidden` does not get into it.
pub(crate) fn make(
    head: &HookHead<'_>,
    url: String,
    body: Body,
    stage: Stage,
    parameters: Vec<Parameter>,
    hidden: Option<&HeaderName>,
) -> Item {
    let mut json = Object::with_capacity(6);
    json.insert("headers".to_owned(), headers(head.headers, hidden));
    json.insert("params".to_owned(), Value::Object(parameters.into_iter().map(text).collect()));
    json.insert("query".to_owned(), form::object(form::pairs(head.query.as_bytes())));
    json.insert("body".to_owned(), body.json);
    json.insert("webhookUrl".to_owned(), Value::String(url));
    let mode = match stage {
        Stage::Published => "production",
        Stage::Draft => "test",
    };
    json.insert("executionMode".to_owned(), Value::String(mode.to_owned()));
    let mut item = Item::new(json);
    if !body.files.is_empty() {
        item.binary = Some(Arc::new(named(body.files)));
    }
    item
}

fn text((name, value): Parameter) -> (String, Value) {
    (name, Value::String(value))
}

/// Names in lower case; a header that came several times is joined by commas, as HTTP means it.
fn headers(headers: &HeaderMap, hidden: Option<&HeaderName>) -> Value {
    let mut object = Object::with_capacity(headers.len());
    for (name, value) in headers {
        let value = match hidden {
            Some(hidden) if hidden == name => HIDDEN.into(),
            _ => String::from_utf8_lossy(value.as_bytes()),
        };
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

/// The files by name; a name that comes again gets a number, so that none is lost.
fn named(files: Vec<(String, BinaryRef)>) -> BTreeMap<String, BinaryRef> {
    let mut binary = BTreeMap::new();
    for (name, file) in files {
        let mut free = name.clone();
        let mut number = 1;
        while binary.contains_key(&free) {
            free = format!("{name}_{number}");
            number += 1;
        }
        binary.insert(free, file);
    }
    binary
}
