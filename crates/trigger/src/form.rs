//! Forms: `a=1&b=2`.

use kernel::limits::FORM_FIELDS_MAX;
use kernel::{Object, Problem, Value, codes};

/// Name and value pairs of a query string or an urlencoded body. What is not UTF-8 after decoding
/// gets U+FFFD.
pub(crate) fn pairs(text: &[u8]) -> impl Iterator<Item = (String, String)> {
    text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        (decoded(&pair[..at]), decoded(pair.get(at + 1..).unwrap_or_default()))
    })
}

/// The pairs of an urlencoded body: each takes far more memory than the byte or two that say it.
///
/// # Errors
/// `request.body_too_large` when there are more than [`FORM_FIELDS_MAX`].
pub(crate) fn fields(text: &[u8]) -> Result<Vec<(String, String)>, Problem> {
    let fields: Vec<_> = pairs(text).take(FORM_FIELDS_MAX + 1).collect();
    if fields.len() > FORM_FIELDS_MAX {
        let detail =
            format!("The form has more than {FORM_FIELDS_MAX} fields; send so much as JSON.");
        return Err(Problem::new(codes::REQUEST_BODY_TOO_LARGE, detail));
    }
    Ok(fields)
}

fn decoded(text: &[u8]) -> String {
    if text.iter().all(|byte| !matches!(byte, b'+' | b'%')) {
        return String::from_utf8_lossy(text).into_owned();
    }
    let spaced: Vec<u8> =
        text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_encoding::percent_decode(&spaced).decode_utf8_lossy().into_owned()
}

/// An object of the pairs; a name that comes several times gets a list.
pub(crate) fn object(pairs: impl IntoIterator<Item = (String, String)>) -> Value {
    let mut object = Object::new();
    for (name, value) in pairs {
        let value = Value::String(value);
        match object.get_mut(&name) {
            None => {
                object.insert(name, value);
            }
            Some(Value::Array(list)) => list.push(value),
            Some(one) => *one = Value::Array(vec![one.take(), value]),
        }
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_that_comes_several_times_gets_a_list() {
        let value = object(pairs(b"a=1&b=x%20y&a=2&a=&c"));
        assert_eq!(value, json!({"a": ["1", "2", ""], "b": "x y", "c": ""}));
    }
}
