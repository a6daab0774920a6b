//! How values are compared, printed and converted, the same in every node.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use kernel::Value;
use serde_json::Number;

use crate::decimal;

/// The kind of a value in the words of messages.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A value in a message: short, on one line.
pub(crate) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A value as text: texts as they are, null as nothing, the rest as JSON.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Null, and text, lists and objects without content.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Equal in value: `1` and `1.0` are, in lists and objects too; the order of keys does not matter.
pub(crate) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => decimal::compare(a, b).is_eq(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        (a, b) => a == b,
    }
}

/// A text that is the same for values that are [`equal`], for finding them by hash.
pub(crate) fn key(value: &Value) -> String {
    let mut out = String::new();
    write_key(value, &mut out);
    out
}

fn write_key(value: &Value, out: &mut String) {
    use std::fmt::Write;
    match value {
        Value::Number(number) => out.push_str(&decimal::canonical(number)),
        Value::Array(list) => {
            out.push('[');
            for value in list {
                write_key(value, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Object(object) => {
            let mut keys: Vec<&String> = object.keys().collect();
            keys.sort_unstable();
            out.push('{');
            for key in keys {
                let _ = write!(out, "{}:", Value::from(key.as_str()));
                write_key(&object[key], out);
                out.push(',');
            }
            out.push('}');
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// A number as `1`, `1.5` or nothing when it is not finite.
pub(crate) fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9.0e15 {
        return Value::from(value as i64);
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// Reads a number as people and scripts write it: surrounding space is allowed.
pub(crate) fn parse_number(text: &str) -> Option<Number> {
    let text = text.trim();
    if let Ok(Value::Number(number)) = kernel::json::parse_str(text) {
        return Some(number);
    }
    // What JSON does not allow and people write: +1, 1., .5, 007
    let plain = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'+' | b'-' | b'e' | b'E'));
    let double: f64 = text.parse().ok().filter(|_| plain)?;
    match number(double) {
        Value::Number(number) => Some(number),
        _ => None,
    }
}

/// Reads a moment: ISO 8601 with or without zone (then `zone`), `2026-03-01 12:00`, RFC 2822, or
/// milliseconds since 1970 as a number.
pub(crate) fn moment(value: &Value, zone: &TimeZone) -> Option<Timestamp> {
    match value {
        Value::Number(number) => {
            let millis = number.as_i64().or_else(|| number.as_f64().map(|double| double as i64))?;
            Timestamp::from_millisecond(millis).ok()
        }
        Value::String(text) => moment_of_text(text.trim(), zone),
        _ => None,
    }
}

fn moment_of_text(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    if let Ok(zoned) = text.parse::<jiff::Zoned>() {
        return Some(zoned.timestamp());
    }
    if let Ok(zoned) = jiff::fmt::rfc2822::parse(text) {
        return Some(zoned.timestamp());
    }
    let civil = text
        .parse::<DateTime>()
        .or_else(|_| text.parse::<Date>().map(|date| date.at(0, 0, 0, 0)))
        .or_else(|_| DateTime::strptime("%Y-%m-%d %H:%M", text))
        .ok()?;
    zone.to_timestamp(civil).ok()
}

/// The workflow's zone; UTC if its name is unknown to this machine's zone data.
pub(crate) fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whole_numbers_compare_exactly_beyond_two_to_the_53() {
        let a = kernel::json::parse_str("9007199254740993").unwrap();
        let b = kernel::json::parse_str("9007199254740992").unwrap();
        assert!(!equal(&a, &b));
        assert_ne!(key(&a), key(&b));
    }

    #[test]
    fn equal_values_have_equal_keys_and_others_do_not() {
        let one = kernel::json::parse_str(r#"{"a":1.0,"b":[true,null]}"#).unwrap();
        let same = json!({"b": [true, null], "a": 1});
        assert!(equal(&one, &same));
        assert_eq!(key(&one), key(&same));
        assert_ne!(key(&json!("1")), key(&json!(1)));
        assert_ne!(key(&json!(["a", "b"])), key(&json!(["a\",\"b"])));
    }

    #[test]
    fn moments_are_read_in_the_forms_people_use() {
        let berlin = zone("Europe/Berlin");
        let noon: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        for text in [
            "2026-03-01T12:00:00Z",
            "2026-03-01T13:00:00+01:00",
            "2026-03-01T13:00:00",
            "2026-03-01 13:00:00",
            "2026-03-01 13:00",
            "2026-03-01T13:00:00[Europe/Berlin]",
            "Sun, 01 Mar 2026 13:00:00 +0100",
        ] {
            assert_eq!(moment(&json!(text), &berlin), Some(noon), "{text}");
        }
        assert_eq!(moment(&json!(noon.as_millisecond()), &berlin), Some(noon));
        assert_eq!(moment(&json!("2026-02-30"), &berlin), None);
        assert_eq!(moment(&json!("soon"), &berlin), None);
    }

    #[test]
    fn numbers_are_read_from_text_without_losing_digits() {
        for (text, number) in [("12", "12"), (" 1.50 ", "1.50"), ("+1", "1"), (".5", "0.5")] {
            assert_eq!(parse_number(text).unwrap().to_string(), number);
        }
        for text in ["", " ", "abc", "1,5", "inf", "nan", "0x10", "1 2"] {
            assert!(parse_number(text).is_none(), "{text}");
        }
    }
}
