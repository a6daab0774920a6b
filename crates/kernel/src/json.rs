//! JSON as it comes from outside: exact numbers, bounded depth, errors with line and column.
//!
//! Numbers keep their digits (2^53 and beyond, decimals too). A lone surrogate in a `\u` escape
//! becomes U+FFFD and is reported as a warning; NUL is kept. Text goes through [`parse`] into a
//! [`Value`] first and from there into a type by [`from_value`]: straight from text, exact numbers
//! do not survive untagged or flattened types.
//!
//! What comes in is nested at most [`JSON_DEPTH_MAX`] levels, and so is an item's data. What the
//! product writes around it (the journal's records, a run as the API shows it) needs up to seven
//! levels more; it is read back by [`parse_own`], whose 127 levels leave room for exactly that.

use serde::de::DeserializeOwned;

use crate::limits::{BODY_VALUES_MAX, JSON_DEPTH_MAX};
use crate::{Problem, codes};

/// A JSON value.
pub type Value = serde_json::Value;
/// A JSON object; keys keep their order.
pub type Object = serde_json::Map<String, Value>;

/// Where and why a text is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct JsonError {
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
    /// What is wrong there.
    pub what: String,
}

/// A parsed text and how many lone surrogates had to be replaced in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The value.
    pub value: Value,
    /// How many `\uD8xx` escapes without their partner became U+FFFD.
    pub replaced_surrogates: usize,
}

/// Parses one JSON text from outside (UTF-8, with or without a byte order mark, at most
/// [`JSON_DEPTH_MAX`] levels deep).
pub fn parse(text: &[u8]) -> Result<Parsed, JsonError> {
    let parsed = parse_own(text)?;
    match first_beyond(text, JSON_DEPTH_MAX) {
        None => Ok(parsed),
        Some(at) => {
            let before = &text[..at];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
            let what = format!("nested deeper than {JSON_DEPTH_MAX} levels");
            Err(JsonError { line, column, what })
        }
    }
}

/// Parses a text that the product wrote around data from outside: at most 127 levels deep.
pub fn parse_own(text: &[u8]) -> Result<Parsed, JsonError> {
    // Editors of Windows write the mark; RFC 8259 lets a reader pass over it.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(JsonError { line: 1, column: 1, what: "the text is empty".to_owned() });
    }
    match strict(text) {
        Ok(value) => Ok(Parsed { value, replaced_surrogates: 0 }),
        Err(error) => {
            let (mended, replaced_surrogates) = mend_surrogates(text);
            if replaced_surrogates == 0 {
                return Err(error);
            }
            strict(&mended).map(|value| Parsed { value, replaced_surrogates })
        }
    }
}

/// [`parse`] for text in hand, without the count of replacements.
pub fn parse_str(text: &str) -> Result<Value, JsonError> {
    parse(text.as_bytes()).map(|parsed| parsed.value)
}

/// Whether a JSON text has more than this many levels of lists and objects.
pub fn is_deeper(text: &[u8], levels: usize) -> bool {
    first_beyond(text, levels).is_some()
}

/// Whether the members of an object are nested so that the object has more than this many levels.
pub fn is_object_deeper(object: &Object, levels: usize) -> bool {
    levels == 0 || object.values().any(|value| is_value_deeper(value, levels - 1))
}

fn is_value_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(list) => {
            levels == 0 || list.iter().any(|value| is_value_deeper(value, levels - 1))
        }
        Value::Object(object) => is_object_deeper(object, levels),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Where the first list or object opens that lies deeper than `levels`.
fn first_beyond(text: &[u8], levels: usize) -> Option<usize> {
    // Every level takes a byte: most texts are too short for many.
    if text.len() <= levels {
        return None;
    }
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' if depth == levels => return Some(at),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// At least as many as a JSON text has values: what parsing it would make, found without making it.
/// Text that is no JSON is counted, too.
pub fn count_values(text: &[u8]) -> usize {
    let mut values = 1;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b',' | b'[' | b'{' => values += 1,
            b'"' => {
                at += 1;
                while let Some(byte) = text.get(at).filter(|byte| **byte != b'"') {
                    at += if *byte == b'\\' { 2 } else { 1 };
                }
            }
            _ => {}
        }
        at += 1;
    }
    values
}

/// Refuses the body of a request that has too many values.
///
/// # Errors
/// `request.body_too_large`.
pub fn check_values(values: usize) -> Result<(), Problem> {
    if values <= BODY_VALUES_MAX {
        return Ok(());
    }
    let detail = format!(
        "The body has more than {BODY_VALUES_MAX} values (numbers, texts, arrays and so on); send it \
         in parts, or as a file."
    );
    Err(Problem::new(codes::REQUEST_BODY_TOO_LARGE, detail))
}

/// A value as a type; the error names the field that does not fit.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, serde_json::Error> {
    T::deserialize(value)
}

#[expect(clippy::disallowed_methods, reason = "the one place where text becomes a value")]
fn strict(text: &[u8]) -> Result<Value, JsonError> {
    serde_json::from_slice(text).map_err(|error| {
        let what = error.to_string();
        let what = what.split(" at line ").next().unwrap_or(&what);
        let (line, column) = match (error.line(), error.column()) {
            (line, 0) => end_of_line_before(text, line),
            place => place,
        };
        JsonError { line, column, what: what.to_owned() }
    })
}

/// A fault noticed at a line's end is reported in column 0 of the next line: where nobody looks.
fn end_of_line_before(text: &[u8], line: usize) -> (usize, usize) {
    let line = line.saturating_sub(1).max(1);
    let length = text.split(|byte| *byte == b'\n').nth(line - 1).map_or(0, <[u8]>::len);
    (line, length.max(1))
}

/// Replaces `\uD800`–`\uDFFF` escapes that have no partner by `\uFFFD`; everything else stays.
fn mend_surrogates(text: &[u8]) -> (Vec<u8>, usize) {
    let mut out = Vec::with_capacity(text.len());
    let mut count = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'\\' {
            out.push(text[at]);
            at += 1;
            continue;
        }
        match escape(&text[at..]) {
            Some(0xd800..=0xdbff) if matches!(escape(&text[at + 6..]), Some(0xdc00..=0xdfff)) => {
                out.extend_from_slice(&text[at..at + 12]);
                at += 12;
            }
            Some(0xd800..=0xdfff) => {
                out.extend_from_slice(b"\\uFFFD");
                count += 1;
                at += 6;
            }
            _ => {
                let end = (at + 2).min(text.len());
                out.extend_from_slice(&text[at..end]);
                at = end;
            }
        }
    }
    (out, count)
}

/// The code unit of a `\uXXXX` at the beginning of `text`.
fn escape(text: &[u8]) -> Option<u32> {
    let hex = text.strip_prefix(b"\\u")?.get(..4)?;
    hex.iter().try_fold(0, |sum, digit| Some(sum * 16 + (*digit as char).to_digit(16)?))
}

/// Applies a merge patch (RFC 7396): objects are merged, null takes a member away, anything else
/// replaces what is there.
pub fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Object::new());
    }
    let Some(target) = target.as_object_mut() else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.shift_remove(key);
        } else {
            merge_patch(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// A key as a step of a JSON pointer (RFC 6901).
pub fn escape_key(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Appends one key to a JSON pointer.
pub fn push_key(pointer: &mut String, key: &str) {
    pointer.push('/');
    pointer.push_str(&escape_key(key));
}

/// What JSON Schema calls the type of a value; whole numbers are a `number` too.
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Whether a value is of a type of JSON Schema.
pub fn is_kind(value: &Value, kind: &str) -> bool {
    match value {
        Value::Number(number) if kind == "integer" => number.is_i64() || number.is_u64(),
        value => kind_of(value) == kind,
    }
}

/// The types a schema accepts; empty: any.
pub fn kinds(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_texts() {
        for (text, values) in [("1", 1), ("[]", 2), ("[1,2]", 3), (r#"{"a":[1],"b":{}}"#, 5)] {
            assert!(count_values(text.as_bytes()) >= values, "{text}");
        }
        assert_eq!(count_values(br#"["a,[{\",,[","\\",1]"#), 4);
        assert_eq!(count_values(br#""broken off,,,\"#), 1);
    }

    #[test]
    fn numbers_beyond_two_to_the_53_keep_their_digits() {
        let text = r#"{"n":9007199254740993,"d":0.10000000000000000001}"#;
        assert_eq!(parse_str(text).unwrap().to_string(), text);
    }

    #[test]
    fn a_lone_surrogate_is_replaced_and_counted_and_a_pair_is_not() {
        let parsed = parse(br#"["\ud83d\ude00","\ud83d","\\ud83d","\u0000"]"#).unwrap();
        assert_eq!(parsed.replaced_surrogates, 1);
        assert_eq!(parsed.value, serde_json::json!(["😀", "\u{fffd}", "\\ud83d", "\0"]));
    }

    #[test]
    fn a_byte_order_mark_is_passed_over_and_an_empty_text_is_called_so() {
        assert_eq!(parse(b"\xef\xbb\xbf[1]").unwrap().value, serde_json::json!([1]));
        for empty in [&b""[..], b" \n", b"\xef\xbb\xbf"] {
            assert_eq!(parse(empty).unwrap_err().what, "the text is empty");
        }
    }

    #[test]
    fn malformed_text_is_refused_with_line_and_column() {
        let error = parse(b"{\n  \"a\": tru\n}").unwrap_err();
        assert_eq!((error.line, error.column), (2, 10));
    }

    #[test]
    fn a_text_from_outside_may_have_120_levels_and_our_own_seven_more() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(nested(120).as_bytes()).is_ok());
        let error = parse(nested(121).as_bytes()).unwrap_err();
        assert_eq!((error.line, error.column), (1, 121));
        assert_eq!(error.what, "nested deeper than 120 levels");
        assert!(parse_own(nested(127).as_bytes()).is_ok());
        assert!(parse_own(nested(128).as_bytes()).is_err());
        let brackets_in_a_text = format!("[\"\\\"{}\"]", "[".repeat(200));
        assert!(parse(brackets_in_a_text.as_bytes()).is_ok());
        let Value::Object(object) = parse_str("{\"a\":[{\"b\":1}]}").unwrap() else { panic!() };
        assert!(!is_object_deeper(&object, 3) && is_object_deeper(&object, 2));
    }

    #[test]
    fn deep_nesting_is_refused_without_a_crash() {
        let text = "[".repeat(100_000);
        assert!(parse(text.as_bytes()).unwrap_err().what.contains("recursion"));
    }
}
