//! Connections: `A -> B`, `A:port -> B:port`, `A ~> B` for a back edge, or the long form.

use std::borrow::Cow;
use std::fmt;

use kernel::Value;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One connection from an output port to an input port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Connection {
    /// Name of the node it starts at.
    pub from: String,
    /// Output port; the first one when absent.
    pub output: Option<Port>,
    /// Name of the node it leads to.
    pub to: String,
    /// Input port; the first one when absent.
    pub input: Option<Port>,
    /// Whether it closes a loop: only such a connection may lead back.
    pub back: bool,
}

/// A port, by its place or its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged, from = "WrittenPort")]
pub enum Port {
    /// Counted from 0.
    Index(usize),
    /// Its name, such as `true` or `error`.
    Name(String),
}

/// A port, by its place or its name.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Port")]
enum WrittenPort {
    /// Counted from 0.
    Index(usize),
    /// Its name, such as `true` or `error`.
    Name(String),
    /// The port `true` or `false`: what YAML makes of these words without quotes.
    Truth(bool),
}

impl From<WrittenPort> for Port {
    fn from(written: WrittenPort) -> Self {
        match written {
            WrittenPort::Index(index) => Self::Index(index),
            WrittenPort::Name(name) => Self::Name(name),
            WrittenPort::Truth(truth) => Self::Name(truth.to_string()),
        }
    }
}

impl JsonSchema for Port {
    fn schema_name() -> Cow<'static, str> {
        WrittenPort::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        WrittenPort::json_schema(generator)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => index.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// The long form.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LongConnection {
    /// Name of the node it starts at.
    from: String,
    /// Output port, by index or name; the first one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output: Option<Port>,
    /// Name of the node it leads to.
    to: String,
    /// Input port, by index or name; the first one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input: Option<Port>,
    /// Whether it closes a loop: only such a connection may lead back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    back: bool,
}

impl From<LongConnection> for Connection {
    fn from(long: LongConnection) -> Self {
        let LongConnection { from, output, to, input, back } = long;
        Self { from, output, to, input, back }
    }
}

impl Connection {
    /// A connection between the first ports of two nodes.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { from: from.into(), output: None, to: to.into(), input: None, back: false }
    }

    /// Both ends with their ports, however the first port is written.
    pub(crate) fn ends(&self) -> (&str, Option<&Port>, &str, Option<&Port>) {
        fn port(port: Option<&Port>) -> Option<&Port> {
            port.filter(|port| **port != Port::Index(0))
        }
        (&self.from, port(self.output.as_ref()), &self.to, port(self.input.as_ref()))
    }

    /// Reads the short form.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| {
            format!(
                "\"{text}\" is not a connection: {what}. Write \"A -> B\", \"A:port -> B:port\" \
                 or, for a back edge, \"A ~> B\"; names with \"->\", \"~>\" or \":\" need the long \
                 form {{from, output, to, input}}"
            )
        };
        let at = match (text.find("->"), text.find("~>")) {
            (Some(forward), Some(back)) => forward.min(back),
            (Some(at), None) | (None, Some(at)) => at,
            (None, None) => return Err(wrong("there is no arrow in it")),
        };
        let (left, right) = (&text[..at], &text[at + 2..]);
        if right.contains("->") || right.contains("~>") {
            return Err(wrong("there is more than one arrow in it"));
        }
        let (from, output) = end(left).ok_or_else(|| wrong("its left side is not a node"))?;
        let (to, input) = end(right).ok_or_else(|| wrong("its right side is not a node"))?;
        Ok(Self { from, output, to, input, back: text[at..].starts_with('~') })
    }

    /// The short form, unless a name or port needs the long one.
    pub fn short(&self) -> Option<String> {
        let arrow = if self.back { "~>" } else { "->" };
        let left = short_end(&self.from, self.output.as_ref())?;
        let right = short_end(&self.to, self.input.as_ref())?;
        Some(format!("{left} {arrow} {right}"))
    }
}

/// One side of the short form: a name, perhaps with a port.
fn end(text: &str) -> Option<(String, Option<Port>)> {
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name.trim(), Some(port.trim())),
        None => (text.trim(), None),
    };
    if name.is_empty() || port.is_some_and(|port| port.is_empty() || port.contains(':')) {
        return None;
    }
    let port = port.map(|port| match port.parse() {
        Ok(index) if is_index(port) => Port::Index(index),
        _ => Port::Name(port.to_owned()),
    });
    Some((name.to_owned(), port))
}

fn is_index(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn short_end(name: &str, port: Option<&Port>) -> Option<String> {
    let plain = |text: &str| {
        let special = text.contains("->") || text.contains("~>") || text.contains(':');
        !special && !text.is_empty() && text.trim() == text
    };
    if !plain(name) {
        return None;
    }
    match port {
        None => Some(name.to_owned()),
        Some(Port::Index(index)) => Some(format!("{name}:{index}")),
        Some(Port::Name(port)) if plain(port) && !is_index(port) => Some(format!("{name}:{port}")),
        Some(Port::Name(_)) => None,
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = if self.back { "~>" } else { "->" };
        write!(f, "{}", self.from)?;
        if let Some(port) = &self.output {
            write!(f, ":{port}")?;
        }
        write!(f, " {arrow} {}", self.to)?;
        if let Some(port) = &self.input {
            write!(f, ":{port}")?;
        }
        Ok(())
    }
}

impl Serialize for Connection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(short) = self.short() {
            return serializer.serialize_str(&short);
        }
        let Self { from, output, to, input, back } = self.clone();
        LongConnection { from, output, to, input, back }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Connection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Self::parse(&text).map_err(D::Error::custom),
            value => {
                let LongConnection { from, output, to, input, back } =
                    LongConnection::deserialize(value).map_err(D::Error::custom)?;
                Ok(Self { from, output, to, input, back })
            }
        }
    }
}

impl JsonSchema for Connection {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Connection".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let long = generator.subschema_for::<LongConnection>();
        schemars::json_schema!({
            "description": "One connection: `A -> B`, with ports `A:port -> B:port` (index or \
                            name), `A ~> B` for a back edge (the only kind that may close a \
                            loop), or the long form, which names with `->`, `~>` or `:` need.",
            "anyOf": [
                { "type": "string", "format": "connection",
                  "examples": ["Ask -> Read", "Is big:true -> Page", "Read -> Join:1"] },
                long,
            ],
        })
    }
}
