//! A request as a function sees it, and how its parts become typed arguments.

use kernel::{FieldProblem, Problem, codes, json};
use serde::de::DeserializeOwned;

use crate::fields;

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
    /// The whole body.
    pub body: Vec<u8>,
}

/// A body that the function reads by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawBody {
    /// Media type in lower case without parameters; empty when none was sent.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Request {
    /// The path's parameters as a struct; 404 when one cannot be what it should be.
    pub fn path<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if let Some((name, _)) = self.path.iter().find(|(_, value)| value.contains('\0')) {
            let detail = format!("`{name}` in the path: nothing has a NUL character in its name.");
            return Err(Problem::new(codes::REQUEST_NOT_FOUND, detail));
        }
        fields::read(self.path.iter().cloned()).map_err(|error| {
            let detail = format!("`{}` in the path: {}.", error.field, error.what);
            Problem::new(codes::REQUEST_NOT_FOUND, detail)
        })
    }

    /// The query string as a struct; 422 with the field's pointer when it does not fit.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let pairs = fields::decode_query(&self.query);
        if let Some((name, _)) = pairs.iter().find(|(_, value)| value.contains('\0')) {
            let pointer = format!("/query/{}", escape_pointer(name));
            let what = "must not have a NUL character in it".to_owned();
            return Err(invalid("The query string", pointer, what));
        }
        fields::read(pairs).map_err(|error| {
            let pointer = if error.field.is_empty() {
                "/query".to_owned()
            } else {
                format!("/query/{}", escape_pointer(&error.field))
            };
            invalid("The query string", pointer, error.what)
        })
    }

    /// The JSON body as a type; 415, 400 with line and column, or 422 with a JSON pointer. An
    /// empty body reads as `{}`.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let media_type = self.media_type();
        if !(media_type.is_empty() || is_json(&media_type)) {
            let detail = format!("Send the body as application/json, not as {media_type}.");
            return Err(Problem::new(codes::REQUEST_UNSUPPORTED, detail));
        }
        let text: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        let value = json::parse(text)
            .map_err(|error| {
                Problem::new(codes::REQUEST_MALFORMED, format!("The body is not JSON: {error}."))
            })?
            .value;
        // A list would be read as the fields in their order.
        if !value.is_object() {
            let what = "must be an object, such as {}".to_owned();
            return Err(invalid("The body", String::new(), what));
        }
        serde_path_to_error::deserialize(value).map_err(|error| {
            let pointer = pointer(error.path());
            invalid("The body", pointer, error.into_inner().to_string())
        })
    }

    /// The body as it came.
    pub fn raw(&self) -> RawBody {
        RawBody { media_type: self.media_type(), bytes: self.body.clone() }
    }

    fn media_type(&self) -> String {
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
        _ => Err(Problem::new(
            codes::REQUEST_INVALID,
            "The header `idempotency-key` must have 1 to 255 printable ASCII characters.",
        )),
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

/// Whether a media type (lower case, without parameters) is JSON.
fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || media_type.ends_with("+json")
}

fn invalid(subject: &str, pointer: String, what: String) -> Problem {
    let place = if pointer.is_empty() { String::new() } else { format!(" at {pointer}") };
    let mut problem =
        Problem::new(codes::REQUEST_INVALID, format!("{subject} does not fit{place}: {what}."));
    let code = codes::REQUEST_INVALID.to_string();
    problem.errors.push(FieldProblem { pointer, code, detail: what });
    problem
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", escape_pointer(key))),
            // The variant of an externally tagged enum is a key of the document.
            Segment::Enum { variant } => pointer.push_str(&format!("/{}", escape_pointer(variant))),
            Segment::Unknown => {}
        }
    }
    pointer
}

fn escape_pointer(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[expect(dead_code, reason = "only read by serde")]
        names: Vec<String>,
    }

    fn post(body: &str) -> Request {
        Request { body: body.as_bytes().to_vec(), ..Request::default() }
    }

    #[test]
    fn text_that_is_no_json_is_refused_with_line_and_column() {
        let problem = post("{\n  \"names\": [tru]\n}").body::<Body>().unwrap_err();
        assert_eq!(problem.code, codes::REQUEST_MALFORMED);
        assert!(problem.detail.contains("line 2, column"), "{}", problem.detail);
    }

    #[test]
    fn a_value_that_does_not_fit_is_named_by_its_pointer() {
        let problem = post(r#"{"names": ["a", 5]}"#).body::<Body>().unwrap_err();
        assert_eq!(problem.code, codes::REQUEST_INVALID);
        assert_eq!(problem.errors[0].pointer, "/names/1");
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let problem = post(r#"{"names": [], "extra": 1}"#).body::<Body>().unwrap_err();
        assert!(problem.detail.contains("extra"), "{}", problem.detail);
    }

    #[test]
    fn another_media_type_is_refused() {
        let mut request = post("{}");
        request.content_type = Some("text/xml; charset=utf-8".to_owned());
        assert_eq!(request.body::<Body>().unwrap_err().code, codes::REQUEST_UNSUPPORTED);
    }
}
