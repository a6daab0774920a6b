//! A JSON value as YAML that people like to read: block style, texts plain where that is safe,
//! long texts as literal blocks.

use kernel::{Object, Value};

use super::scalar::resolve_plain;

/// Longest text written as a plain `key:`; YAML ends implicit keys at 1 024 characters.
const KEY_BYTES_MAX: usize = 1_000;

/// Writes one document, ending in a line break.
pub(super) fn write(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(object) if !object.is_empty() => write_object(object, 0, &mut out),
        Value::Array(list) if !list.is_empty() => write_list(list, 0, &mut out),
        value => {
            // A text at the top cannot be a literal block: there is nothing to indent it by.
            match value {
                Value::String(text) => quoted(text, &mut out),
                value => out.push_str(&value.to_string()),
            }
            out.push('\n');
        }
    }
    out
}

fn write_object(object: &Object, indent: usize, out: &mut String) {
    for (index, (key, value)) in object.iter().enumerate() {
        if index > 0 {
            spaces(indent, out);
        }
        write_field(key, value, indent, out);
    }
}

fn write_field(key: &str, value: &Value, indent: usize, out: &mut String) {
    let mut text = String::new();
    scalar_text(key, &mut text);
    if text.len() > KEY_BYTES_MAX {
        out.push_str("? ");
        out.push_str(&text);
        out.push('\n');
        spaces(indent, out);
    } else {
        out.push_str(&text);
    }
    out.push(':');
    match value {
        Value::Object(object) if !object.is_empty() => {
            out.push('\n');
            spaces(indent + 2, out);
            write_object(object, indent + 2, out);
        }
        Value::Array(list) if !list.is_empty() && !is_tuple(list) => {
            out.push('\n');
            spaces(indent + 2, out);
            write_list(list, indent + 2, out);
        }
        value => {
            out.push(' ');
            write_leaf(value, indent + 2, out);
        }
    }
}

fn write_list(list: &[Value], indent: usize, out: &mut String) {
    for (index, value) in list.iter().enumerate() {
        if index > 0 {
            spaces(indent, out);
        }
        out.push_str("- ");
        match value {
            Value::Object(object) if !object.is_empty() => write_object(object, indent + 2, out),
            Value::Array(list) if !list.is_empty() && !is_tuple(list) => {
                write_list(list, indent + 2, out);
            }
            value => write_leaf(value, indent + 2, out),
        }
    }
}

/// A value that begins on the line of its key, with the line break after it.
fn write_leaf(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::String(text) if is_block(text) => write_block(text, indent, out),
        Value::String(text) => {
            scalar_text(text, out);
            out.push('\n');
        }
        Value::Array(list) => {
            let parts: Vec<String> = list.iter().map(Value::to_string).collect();
            out.push_str(&format!("[{}]\n", parts.join(", ")));
        }
        value => {
            out.push_str(&value.to_string());
            out.push('\n');
        }
    }
}

/// A few numbers, such as a position, stay on one line.
fn is_tuple(list: &[Value]) -> bool {
    list.len() <= 4 && list.iter().all(Value::is_number)
}

/// Whether a literal block (`|`) gives exactly this text back.
fn is_block(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let plain = |c: char| c == '\n' || c == '\t' || (!c.is_control() && !needs_escape(c));
    text.contains('\n')
        && !body.starts_with([' ', '\t', '\n'])
        && !body.ends_with('\n')
        && !body.is_empty()
        && body.chars().all(plain)
        && body.lines().all(|line| line.is_empty() || !line.trim().is_empty())
}

fn write_block(text: &str, indent: usize, out: &mut String) {
    out.push_str(if text.ends_with('\n') { "|\n" } else { "|-\n" });
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        if !line.is_empty() {
            spaces(indent, out);
            out.push_str(line);
        }
        out.push('\n');
    }
}

/// A text on one line: plain, in single or in double quotes.
fn scalar_text(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
    } else if text.contains(['"', '\\']) && !text.chars().any(|c| c.is_control() || needs_escape(c))
    {
        out.push('\'');
        out.push_str(&text.replace('\'', "''"));
        out.push('\'');
    } else {
        quoted(text, out);
    }
}

/// Whether a text reads back as itself without quotes, in every place we write one.
fn is_plain(text: &str) -> bool {
    let starts_well =
        text.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '/' | '(' | '<'));
    starts_well
        && text != "<<"
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.chars().any(|c| c.is_control() || needs_escape(c))
        && matches!(resolve_plain(text), Ok(Value::String(_)))
}

/// Characters that YAML does not print or takes for line breaks.
fn needs_escape(c: char) -> bool {
    matches!(
        c,
        '\u{7f}'..='\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
    )
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || needs_escape(c) => {
                out.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn spaces(count: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', count));
}
