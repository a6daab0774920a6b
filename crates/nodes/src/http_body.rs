//! The body of an HTTP request, in the forms that servers take.

use bytes::Bytes;
use indexmap::IndexMap;
use kernel::{Item, Value};
use node::{NodeContext, NodeError};

use crate::binary;
use crate::http_request::wrong;
use crate::values;

/// Body of a request.
#[derive(Clone, Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Body {
    /// None.
    #[default]
    None,
    /// JSON.
    Json {
        /// What to send; a text is sent as a JSON text.
        value: Value,
    },
    /// Fields as `application/x-www-form-urlencoded`.
    Form {
        /// Names and values; a list gives one field per element.
        fields: IndexMap<String, Value>,
    },
    /// Fields and files as `multipart/form-data`.
    Multipart {
        /// Names and values.
        #[serde(default)]
        fields: IndexMap<String, Value>,
        /// Names of the parts, and the binary properties to send as them.
        #[serde(default)]
        files: IndexMap<String, String>,
    },
    /// Text as it is.
    Raw {
        /// The text.
        text: String,
        /// Its media type.
        #[serde(default = "plain_text")]
        content_type: String,
    },
    /// The bytes of a binary property, with its media type.
    Binary {
        /// Name of the property.
        #[serde(default = "binary::default_property")]
        property: String,
    },
}

fn plain_text() -> String {
    "text/plain; charset=utf-8".to_owned()
}

impl Body {
    /// The bytes and their media type.
    pub(crate) async fn bytes(
        &self,
        cx: &NodeContext,
        item: &Item,
    ) -> Result<(Bytes, Option<String>), NodeError> {
        let (bytes, kind) = match self {
            Self::None => return Ok((Bytes::new(), None)),
            Self::Json { value } => (value.to_string().into_bytes(), "application/json".to_owned()),
            Self::Form { fields } => {
                let kind = "application/x-www-form-urlencoded".to_owned();
                (form(fields).into_bytes(), kind)
            }
            Self::Multipart { fields, files } => return multipart(cx, item, fields, files).await,
            Self::Raw { text, content_type } => (text.clone().into_bytes(), content_type.clone()),
            Self::Binary { property } => {
                let kind = binary::find(item, property)?.mime_type.clone();
                (binary::content(cx, item, None, property).await?.bytes, kind)
            }
        };
        Ok((bytes.into(), Some(kind)))
    }
}

/// Each name with each of its values.
fn flat(fields: &IndexMap<String, Value>) -> impl Iterator<Item = (&str, String)> {
    fields.iter().flat_map(|(name, value)| {
        let values: Vec<String> = match value {
            Value::Null => Vec::new(),
            Value::Array(list) => list.iter().map(values::text).collect(),
            value => vec![values::text(value)],
        };
        values.into_iter().map(move |value| (name.as_str(), value))
    })
}

fn form(fields: &IndexMap<String, Value>) -> String {
    // The query of an address is written in the same way.
    let mut url = egress::Url::parse("http://form/").expect("a constant address that is right");
    url.query_pairs_mut().extend_pairs(flat(fields));
    url.query().unwrap_or_default().to_owned()
}

async fn multipart(
    cx: &NodeContext,
    item: &Item,
    fields: &IndexMap<String, Value>,
    files: &IndexMap<String, String>,
) -> Result<(Bytes, Option<String>), NodeError> {
    let mut parts: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, value) in flat(fields) {
        let head = format!("Content-Disposition: form-data; name=\"{}\"", quoted(name)?);
        parts.push((head, value.into_bytes()));
    }
    for (name, property) in files {
        let file = binary::find(item, property)?;
        let file_name = file.file_name.as_deref().unwrap_or(property);
        let head = format!(
            "Content-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: {}",
            quoted(name)?,
            quoted(file_name)?,
            quoted(&file.mime_type)?,
        );
        parts.push((head, binary::content(cx, item, None, property).await?.bytes));
    }
    // 128 random bits: no part holds them but by intent, and the parts are the user's own.
    let dice = &cx.services.dice;
    let boundary = format!("flowforge-{:016x}{:016x}", dice.next_u64(), dice.next_u64());
    let mut body = Vec::new();
    for (head, content) in parts {
        body.extend_from_slice(format!("--{boundary}\r\n{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(&content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok((body.into(), Some(format!("multipart/form-data; boundary={boundary}"))))
}

/// A name inside the quotes of a part's head, as browsers write it.
fn quoted(name: &str) -> Result<String, NodeError> {
    if name.contains(|c: char| c.is_control() && !matches!(c, '\r' | '\n')) {
        let detail = "The name of a part cannot hold control characters.".to_owned();
        return Err(wrong("/body", detail));
    }
    Ok(name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A"))
}
