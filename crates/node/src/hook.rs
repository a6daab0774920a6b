//! What a webhook trigger listens to, whom it lets in, and what it takes.
//!
//! The same types are the parameters of `core.webhook`: their doc comments are the help text.

use std::net::IpAddr;

use ipnet::IpNet;
use kernel::duration::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a webhook trigger listens to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hook {
    /// Path below `/hooks/{workspace}/`; segments may be `:name` parameters.
    pub path: String,
    /// HTTP methods, upper case.
    pub methods: Vec<String>,
    /// Who answers.
    pub respond: HookReply,
    /// What its callers show.
    pub auth: HookAuth,
    /// Networks it may be called from, as [`parse_network`] reads them; empty: anywhere.
    pub allow_from: Vec<String>,
    /// Pages of which other sites may call it from a browser.
    pub cors: Option<HookCors>,
    /// Whether the body is kept as it came, as binary property `data`.
    pub raw_body: bool,
    /// Media types it takes: `application/json`, `image/*`; empty: any.
    pub accepts: Vec<String>,
    /// Bytes of a body; `None`: as many as the server takes.
    pub body_bytes_max: Option<u64>,
    /// Which header tells a call from its repetitions; `None`: `idempotency-key`, when it is sent.
    pub idempotency: Option<HookIdempotency>,
}

/// When and by whom a webhook's caller is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookReply {
    /// 202 as soon as the run is durable.
    #[default]
    Immediately,
    /// With the items of the last node that ran.
    LastNode,
    /// By a `core.respond` node.
    Node,
}

/// Who may call a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum HookAuth {
    /// Everybody who knows the address.
    Open(HookOpen),
    /// Who proves it.
    Proof(HookProof),
}

impl Default for HookAuth {
    fn default() -> Self {
        Self::Open(HookOpen::None)
    }
}

impl HookAuth {
    /// As stored and shown: `none`, `header`, `basic` or `signature`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Open(HookOpen::None) => "none",
            Self::Proof(HookProof::Header { .. }) => "header",
            Self::Proof(HookProof::Basic { .. }) => "basic",
            Self::Proof(HookProof::Signature(_)) => "signature",
        }
    }

    /// The secret it is checked with.
    pub fn secret(&self) -> Option<&SecretRef> {
        match self {
            Self::Open(HookOpen::None) => None,
            Self::Proof(HookProof::Header { value, .. }) => Some(value),
            Self::Proof(HookProof::Basic { password, .. }) => Some(password),
            Self::Proof(HookProof::Signature(signature)) => Some(&signature.key),
        }
    }
}

/// Nothing is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookOpen {
    /// Everybody who knows the address.
    None,
}

/// What a caller shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum HookProof {
    /// A header with a secret value, such as a token.
    Header {
        /// Name of the header. The item shows it without its value.
        name: String,
        /// The value it must have.
        value: SecretRef,
    },
    /// User and password (HTTP Basic).
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: SecretRef,
    },
    /// A signature of the body (HMAC) in a header.
    Signature(HookSignature),
}

/// A secret of the workspace, by name: `{ secret: shop-token }`. Its value never stands in a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretRef {
    /// Name of the secret; set it with `PUT /v1/secrets/{name}`.
    pub secret: String,
}

/// A signature of the body in a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HookSignature {
    /// The key both sides know.
    pub key: SecretRef,
    /// How the secret's text holds the key's bytes.
    #[serde(default)]
    pub key_format: HookKeyFormat,
    /// The hash function of the HMAC.
    #[serde(default)]
    pub algorithm: HookHash,
    /// Header with the signature, such as `X-Hub-Signature-256`. Several signatures may stand in it,
    /// with commas or spaces between them; one must be right.
    pub header: String,
    /// What stands before each signature, such as `sha256=` or `v1=`.
    #[serde(default)]
    pub prefix: String,
    /// How the signature is written.
    #[serde(default)]
    pub encoding: HookEncoding,
    /// What is signed: text with `{body}`, `{timestamp}`, `{method}`, `{path}`, `{query}` and
    /// `{header:NAME}` in it. Without it `{body}`, or `{timestamp}.{body}` when there is a timestamp.
    #[serde(default)]
    pub content: Option<String>,
    /// When it was signed. With it each signature is accepted once, and only for a while.
    #[serde(default)]
    pub timestamp: Option<HookTimestamp>,
}

/// How a text holds the bytes of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookKeyFormat {
    /// The text's own bytes.
    #[default]
    Text,
    /// Hexadecimal digits.
    Hex,
    /// Base64; a `whsec_` before it is left out.
    Base64,
}

/// A hash function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookHash {
    /// SHA-1, for senders that know nothing better.
    Sha1,
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// How bytes are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookEncoding {
    /// Hexadecimal digits.
    #[default]
    Hex,
    /// Base64.
    Base64,
}

/// When a call was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HookTimestamp {
    /// Header with the time: seconds or milliseconds since 1970, or RFC 3339. May be the header of
    /// the signature.
    pub header: String,
    /// What stands before the time, such as `t=`, where the header holds more than that.
    #[serde(default)]
    pub prefix: String,
    /// How far it may be from the server's time, before or after.
    #[serde(default = "five_minutes")]
    pub tolerance: Span,
}

fn five_minutes() -> Span {
    Span(std::time::Duration::from_secs(300))
}

/// Pages of which sites may call a hook from a browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HookCors {
    /// Origins such as `https://shop.example` or `https://*.shop.example`; `*`: any.
    #[schemars(length(min = 1))]
    pub origins: Vec<String>,
    /// Headers a page may send besides those every page may; empty: whatever it asks for.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Headers of the answer that a page may read besides those every page may.
    #[serde(default)]
    pub expose: Vec<String>,
    /// Whether a page may send cookies and credentials. Not together with the origin `*`.
    #[serde(default)]
    pub credentials: bool,
    /// How long a browser may remember the answer.
    #[serde(default = "ten_minutes")]
    pub max_age: Span,
}

fn ten_minutes() -> Span {
    Span(std::time::Duration::from_secs(600))
}

/// Which header tells a call from its repetitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HookIdempotency {
    /// Name of the header, such as `X-GitHub-Delivery`. A second call with the same value within 24
    /// hours starts nothing and gets the first one's answer.
    pub header: String,
    /// Whether calls without it are refused.
    #[serde(default)]
    pub required: bool,
}

/// A network such as `10.1.0.0/16`, or one address.
pub fn parse_network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpNet>() {
        Ok(network) => network,
        Err(_) => text.parse::<IpAddr>().ok()?.into(),
    };
    Some(network.trunc())
}
