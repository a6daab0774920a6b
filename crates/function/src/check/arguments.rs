//! A request's arguments: read, checked as a whole, and then handed out as types.

use kernel::json::{escape_key, push_key};
use kernel::{Code, FieldProblem, Object, Problem, Value, codes, json};
use serde::de::DeserializeOwned;

use super::shape::{Body, Checks};
use super::text::{decode_query, object};
use super::walk::{Fault, faults};
use crate::request::{RawBody, Request};

/// The arguments of one call. They fit the schemas of their types.
#[derive(Debug)]
pub struct Arguments {
    path: Value,
    query: Value,
    body: Value,
    raw: RawBody,
}

impl Arguments {
    /// Reads and checks them.
    ///
    /// # Errors
    /// `request.not_found` for a path that cannot be; `request.unsupported` for a body of another
    /// media type; `request.malformed` with line and column for one that is no JSON;
    /// `request.invalid` with every fault of query and body.
    pub(crate) fn read(checks: &Checks, request: &Request) -> Result<Self, Problem> {
        let path = read_path(checks, request)?;
        let mut wrong = Vec::new();
        let query = read_query(checks, request, &mut wrong);
        let (mut body, mut raw) = (Value::Null, RawBody::default());
        match &checks.body {
            Body::None => {}
            Body::Raw => raw = request.raw(),
            Body::Json(shape) => {
                body = request.json()?;
                wrong.extend(faults(checks, shape, &body, ""));
            }
        }
        if wrong.is_empty() { Ok(Self { path, query, body, raw }) } else { Err(invalid(wrong)) }
    }

    /// The path's parameters.
    pub fn path<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        typed(&self.path, "/path").map_err(|fault| refuse(codes::REQUEST_NOT_FOUND, vec![fault]))
    }

    /// The parameters of the query string.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        typed(&self.query, "/query").map_err(|fault| invalid(vec![fault]))
    }

    /// The JSON body.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        typed(&self.body, "").map_err(|fault| invalid(vec![fault]))
    }

    /// The body as it came.
    pub fn raw(&self) -> RawBody {
        self.raw.clone()
    }
}

fn read_path(checks: &Checks, request: &Request) -> Result<Value, Problem> {
    let Some(shape) = &checks.path else { return Ok(Value::Null) };
    let (path, _) = object(checks, shape, request.path.iter().cloned());
    let mut wrong = nul(&path, "/path");
    if wrong.is_empty() {
        wrong = faults(checks, shape, &path, "/path");
    }
    if wrong.is_empty() { Ok(path) } else { Err(refuse(codes::REQUEST_NOT_FOUND, wrong)) }
}

fn read_query(checks: &Checks, request: &Request, wrong: &mut Vec<Fault>) -> Value {
    let Some(shape) = &checks.query else {
        let fault = |(name, _): (String, String)| Fault {
            pointer: format!("/query/{}", escape_key(&name)),
            what: "is not known: nothing is taken here".to_owned(),
        };
        wrong.extend(decode_query(&request.query).into_iter().map(fault));
        return Value::Object(Object::new());
    };
    let (query, repeated) = object(checks, shape, decode_query(&request.query));
    wrong.extend(repeated.iter().map(|name| Fault {
        pointer: format!("/query/{}", escape_key(name)),
        what: "is given more than once".to_owned(),
    }));
    wrong.extend(faults(checks, shape, &query, "/query"));
    wrong.extend(nul(&query, "/query"));
    query
}

/// Texts with NUL, which no name and no id has and PostgreSQL's texts cannot hold.
fn nul(fields: &Value, pointer: &str) -> Vec<Fault> {
    let fields = fields.as_object().into_iter().flatten();
    let with_nul = fields.filter(|(_, value)| match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(list) => {
            list.iter().any(|entry| entry.as_str().is_some_and(|text| text.contains('\0')))
        }
        _ => false,
    });
    with_nul
        .map(|(name, _)| Fault {
            pointer: format!("{pointer}/{}", escape_key(name)),
            what: "must not contain NUL".to_owned(),
        })
        .collect()
}

/// A checked value as its type. What a schema cannot say, such as that two fields exclude each
/// other, is refused here, one fault at a time.
fn typed<T: DeserializeOwned>(value: &Value, root: &str) -> Result<T, Fault> {
    serde_path_to_error::deserialize(value).map_err(|error| Fault {
        pointer: format!("{root}{}", pointer(error.path())),
        what: error.into_inner().to_string(),
    })
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => push_key(&mut pointer, key),
            // The variant of an externally tagged enum is a key of the document.
            Segment::Enum { variant } => push_key(&mut pointer, variant),
            Segment::Unknown => {}
        }
    }
    pointer
}

fn invalid(wrong: Vec<Fault>) -> Problem {
    refuse(codes::REQUEST_INVALID, wrong)
}

fn refuse(code: Code, wrong: Vec<Fault>) -> Problem {
    let place = |fault: &Fault| match fault.pointer.as_str() {
        "" => "The body".to_owned(),
        pointer => format!("`{pointer}`"),
    };
    let first = wrong.first().map(|fault| format!("{} {}", place(fault), fault.what));
    let first = first.unwrap_or_default();
    let full_stop = if first.ends_with(['.', '?']) { "" } else { "." };
    let detail = match wrong.len() {
        0 | 1 => format!("{first}{full_stop}"),
        count => format!("{count} places do not fit, see `errors`; the first: {first}{full_stop}"),
    };
    let mut problem = Problem::new(code, detail);
    problem.errors = wrong
        .into_iter()
        .map(|fault| FieldProblem {
            pointer: fault.pointer,
            code: code.to_string(),
            detail: fault.what,
        })
        .collect();
    problem
}

impl Request {
    /// The body as JSON; an empty one reads as `{}`.
    fn json(&self) -> Result<Value, Problem> {
        let media_type = self.media_type();
        let is_json = media_type == "application/json" || media_type.ends_with("+json");
        if !(media_type.is_empty() || is_json) {
            let detail = format!("Send the body as application/json, not as {media_type}.");
            return Err(Problem::new(codes::REQUEST_UNSUPPORTED, detail));
        }
        let text: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        match json::parse(text) {
            Ok(parsed) => Ok(parsed.value),
            Err(error) => {
                let detail = format!("The body is not JSON: {error}.");
                Err(Problem::new(codes::REQUEST_MALFORMED, detail))
            }
        }
    }
}
