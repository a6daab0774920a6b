//! A request as a function sees it.

use kernel::{Problem, codes};

/// What came in. Kept as it came, so that a mutation can be repeated from it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Parameters of the path, percent-decoded, by name.
    pub path: Vec<(String, String)>,
    /// Query string without the question mark; may be empty.
    pub query: String,
    /// `content-type`, as sent.
    pub content_type: Option<String>,
    /// `idempotency-key`, as sent.
    pub idempotency_key: Option<String>,
    /// `if-match`, as sent; several are joined by commas.
    pub if_match: Option<String>,
    /// `if-none-match`, likewise.
    pub if_none_match: Option<String>,
    /// `prefer`, as sent.
    pub prefer: Option<String>,
    /// `range`, as sent.
    pub range: Option<String>,
    /// `if-range`, as sent.
    pub if_range: Option<String>,
    /// Id of the request, for the audit.
    pub request_id: Option<String>,
    /// Id of the trace the request belongs to, when its sender has one.
    pub trace_id: Option<String>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// A body that the function reads by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawBody {
    /// Media type in lower case without parameters; empty when none was sent.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Request {
    /// The body as it came.
    pub(crate) fn raw(&self) -> RawBody {
        RawBody { media_type: self.media_type(), bytes: self.body.clone() }
    }

    /// Media type in lower case without parameters; empty when none was sent.
    pub(crate) fn media_type(&self) -> String {
        let sent = self.content_type.as_deref().unwrap_or_default();
        sent.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

/// Bytes of an idempotency key.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// The value of the header `idempotency-key` as sent; 422 unless it is 1 to 255 printable ASCII
/// characters. Passing over a key that cannot be read would start twice what was to start once.
pub fn idempotency_key(sent: &[u8]) -> Result<&str, Problem> {
    let printable = sent.iter().all(|byte| matches!(byte, b' '..=b'~'));
    match std::str::from_utf8(sent) {
        Ok(key) if printable && (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) => Ok(key),
        _ => {
            let what = "must have 1 to 255 printable ASCII characters, such as a random UUID";
            let (code, detail) =
                (codes::REQUEST_INVALID, format!("The header `idempotency-key` {what}."));
            Err(Problem::new(code, detail).at("/header/idempotency-key", code, what))
        }
    }
}

/// Refuses a body whose header `content-encoding` says that it was compressed: 415.
pub fn check_encoding(sent: Option<&[u8]>) -> Result<(), Problem> {
    match sent.map(<[u8]>::trim_ascii) {
        None | Some(b"") => Ok(()),
        Some(plain) if plain.eq_ignore_ascii_case(b"identity") => Ok(()),
        Some(other) => {
            let name = String::from_utf8_lossy(other).into_owned();
            let detail = format!("The body is encoded as {name:?}: send it as it is.");
            Err(Problem::new(codes::REQUEST_UNSUPPORTED, detail))
        }
    }
}
