//! `core.http_request`: asks another server, once per item.

use std::time::Duration;

use egress::header::{HeaderMap, HeaderName, HeaderValue};
use egress::{Method, Redirects, Request, Url, header};
use indexmap::IndexMap;
use kernel::duration::Span;
use kernel::{Item, Problem, Secret, Value, codes};
use node::{About, EachItem, EffectClass, NodeContext, NodeError, NodeType, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http_answer::{self, Answer};
use crate::http_body::Body;
use crate::values;

/// Sends an HTTP request for each item. A JSON list in the answer gives one item per element.
#[params]
pub(crate) struct HttpRequest {
    /// Method. GET, HEAD and OPTIONS only look; the others are sent once all before is durable.
    #[serde(default)]
    method: Verb,
    /// Address, with https:// or http://.
    url: String,
    /// Query parameters, added to those in the address. A list gives one parameter per element;
    /// null leaves the parameter out.
    #[serde(default)]
    query: IndexMap<String, Value>,
    /// Headers. Null leaves the header out.
    #[serde(default)]
    headers: IndexMap<String, Value>,
    /// Body.
    #[serde(default)]
    body: Body,
    /// How to prove who asks.
    #[serde(default)]
    auth: Auth,
    /// How long the whole request may take. Never longer than the node's own timeout.
    #[serde(default)]
    timeout: Option<Span>,
    /// Whether to follow redirects; otherwise the redirect is the answer.
    #[serde(default = "yes")]
    follow_redirects: bool,
    /// What the answer becomes.
    #[serde(default)]
    response: Answer,
}

/// HTTP methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    #[default]
    Get,
    Head,
    Options,
    Post,
    Put,
    Patch,
    Delete,
}

/// How to prove who asks.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Auth {
    /// Not at all.
    #[default]
    None,
    /// With a user's name and password.
    Basic {
        /// Name of the user.
        user: String,
        /// Password.
        password: Secret,
    },
    /// With a token, as `Authorization: Bearer …`.
    Bearer {
        /// Token.
        token: Secret,
    },
    /// With a header of its own, such as `X-Api-Key`.
    Header {
        /// Name of the header.
        name: String,
        /// Value.
        value: Secret,
    },
}

fn yes() -> bool {
    true
}

pub(crate) const NODE: NodeType = NodeType::each::<HttpRequest>();

impl EachItem for HttpRequest {
    const ABOUT: About = About::new("core.http_request", 1)
        .synonyms(&["api", "rest", "curl", "fetch", "webhook call", "url", "get", "post"])
        .examples(include_str!("../cases/http_request.json"))
        .group("http")
        .effect(EffectClass::External)
        .imports(&["n8n-nodes-base.httpRequest"])
        .example(
            r#"{
                "method": "POST",
                "url": "https://api.example.com/orders",
                "body": { "kind": "json", "value": { "id": "={{ $json.id }}" } },
                "auth": { "kind": "bearer", "token": "secret" },
                "timeout": "10s"
            }"#,
        );

    fn effect(&self) -> EffectClass {
        match self.method {
            Verb::Get | Verb::Head | Verb::Options => EffectClass::Read,
            Verb::Post | Verb::Put | Verb::Patch | Verb::Delete => EffectClass::External,
        }
    }

    async fn item(&self, cx: &NodeContext, item: &Item) -> Result<Vec<Item>, NodeError> {
        let request = self.request(cx, item).await?;
        let asked = format!("{} {}", request.method, without_secrets(&request.url));
        let response = cx.services.http.send(request).await?;
        if response.status.as_u16() >= 400 && !self.response.never_error {
            return Err(http_answer::refused(&asked, &response, &*cx.services.clock));
        }
        self.response.items(cx, &asked, response).await
    }
}

impl HttpRequest {
    async fn request(&self, cx: &NodeContext, item: &Item) -> Result<Request, NodeError> {
        let mut request = Request::new(self.method.method(), self.address()?);
        let (body, kind) = self.body.bytes(cx, item).await?;
        if let Some(kind) = kind {
            request.headers.insert(header::CONTENT_TYPE, header_value("/body", &kind)?);
        }
        request.body = body;
        // So that the other side recognises a repetition; a key of the user's own goes before it.
        if self.effect() == EffectClass::External {
            let key = header_value("", &cx.idempotency_key)?;
            request.headers.insert(HeaderName::from_static("idempotency-key"), key);
        }
        if let Some(trace) = cx.traceparent() {
            let trace = header_value("", &trace)?;
            request.headers.insert(HeaderName::from_static("traceparent"), trace);
        }
        self.auth.apply(&mut request.headers)?;
        for (name, value) in self.headers.iter().filter(|(_, value)| !value.is_null()) {
            let pointer = format!("/headers/{name}");
            let parsed = header_name(&pointer, name)?;
            request.headers.insert(parsed, header_value(&pointer, &values::text(value))?);
        }
        request.redirects = if self.follow_redirects { Redirects::Follow } else { Redirects::Stop };
        let wanted = self.timeout.map_or(Duration::MAX, |span| span.0);
        request.timeout = Some(wanted.min(cx.timeout));
        Ok(request)
    }

    fn address(&self) -> Result<Url, NodeError> {
        let mut url = Url::parse(self.url.trim()).map_err(|error| {
            let detail = format!(
                "The address cannot be read ({error}): write it whole, such as \
                 https://api.example.com/orders."
            );
            wrong("/url", detail)
        })?;
        if !self.query.is_empty() {
            let mut pairs = url.query_pairs_mut();
            for (name, value) in &self.query {
                match value {
                    Value::Null => {}
                    Value::Array(list) => {
                        for value in list {
                            pairs.append_pair(name, &values::text(value));
                        }
                    }
                    value => {
                        pairs.append_pair(name, &values::text(value));
                    }
                }
            }
        }
        if url.query() == Some("") {
            url.set_query(None);
        }
        Ok(url)
    }
}

impl Verb {
    fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Head => Method::HEAD,
            Self::Options => Method::OPTIONS,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }
}

impl Auth {
    fn apply(&self, headers: &mut HeaderMap) -> Result<(), NodeError> {
        let (name, text, pointer) = match self {
            Self::None => return Ok(()),
            Self::Basic { user, password } => {
                let pair = format!("{user}:{}", password.expose());
                let text = format!("Basic {}", base64(pair.as_bytes()));
                (header::AUTHORIZATION, text, "/auth")
            }
            Self::Bearer { token } => {
                (header::AUTHORIZATION, format!("Bearer {}", token.expose()), "/auth/token")
            }
            Self::Header { name, value } => {
                (header_name("/auth/name", name)?, value.expose().clone(), "/auth/value")
            }
        };
        let mut value = header_value(pointer, &text)?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(())
    }
}

fn header_name(pointer: &str, name: &str) -> Result<HeaderName, NodeError> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| wrong(pointer, format!("\"{name}\" cannot be the name of a header.")))
}

/// The value itself is not repeated in the error: it may be a secret.
fn header_value(pointer: &str, text: &str) -> Result<HeaderValue, NodeError> {
    HeaderValue::from_str(text).or_else(|_| HeaderValue::from_bytes(text.as_bytes())).map_err(
        |_| {
            let detail = "A header's value cannot hold line breaks or other control characters.";
            wrong(pointer, detail.to_owned())
        },
    )
}

/// A parameter that cannot be used, with its place.
pub(crate) fn wrong(pointer: &str, detail: String) -> NodeError {
    let problem = Problem::new(codes::NODE_PARAMETER, detail.clone());
    NodeError::Fatal(problem.at(pointer, codes::NODE_PARAMETER, detail))
}

/// An address as messages may show it: without user, password, query and fragment.
fn without_secrets(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
        let group = group << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let sextet = (group >> (18 - 6 * digit)) & 63;
            text.push(if digit <= chunk.len() { DIGITS[sextet as usize] as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (text, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }
}
