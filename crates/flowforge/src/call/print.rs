//! Answers on a terminal.

use std::io::Write as _;

use kernel::{Value, json};

use super::command;
use crate::show;

/// Columns of a table at most; the rest is seen with `--json`.
const COLUMNS_MAX: usize = 6;

/// Every function: its name and what it does.
pub(super) fn list(document: &Value, as_json: bool) {
    let mut rows: Vec<Vec<String>> = command::operations(document)
        .map(|(method, path, operation)| {
            let summary = operation["summary"].as_str().unwrap_or_default();
            vec![
                command::typed_name(operation),
                format!("{} {path}", method.to_uppercase()),
                summary.to_owned(),
            ]
        })
        .collect();
    rows.sort();
    if as_json {
        let one = |row: &Vec<String>| serde_json::json!({ "function": row[0], "route": row[1], "summary": row[2] });
        write(&format!("{}\n", Value::Array(rows.iter().map(one).collect())));
    } else {
        write(&show::table(&["function", "route", ""], &rows));
        write("\nflowforge api FUNCTION --help explains one of them.\n");
    }
}

/// The body of an answer: as it came, or as people like to read it.
pub(super) fn answer(body: &[u8], as_json: bool) {
    let parsed = json::parse_own(body).ok().map(|parsed| parsed.value);
    match parsed {
        // Bytes that are no JSON are passed on as they are.
        None => {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(body).and_then(|()| out.flush());
        }
        Some(value) if as_json => write(&format!("{value}\n")),
        Some(value) => write(&readable(&value)),
    }
}

/// A page of rows as a table, everything else as indented JSON.
fn readable(value: &Value) -> String {
    let rows = value.get("items").and_then(Value::as_array);
    let Some(rows) = rows.filter(|rows| rows.iter().all(Value::is_object)) else {
        return serde_json::to_string_pretty(value).unwrap_or_default() + "\n";
    };
    if rows.is_empty() {
        return "Nothing.\n".to_owned();
    }
    let mut columns: Vec<&str> = Vec::new();
    for row in rows.iter().filter_map(Value::as_object) {
        for (name, value) in row {
            let simple = !value.is_object() && !value.is_array();
            if simple && !columns.contains(&name.as_str()) && columns.len() < COLUMNS_MAX {
                columns.push(name);
            }
        }
    }
    let cell = |row: &Value, column: &&str| match row.get(*column) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| columns.iter().map(|column| cell(row, column)).collect()).collect();
    let mut text = show::table(&columns, &cells);
    if let Some(next) = value.get("next").and_then(Value::as_str) {
        text.push_str(&format!("\nThere is more: --cursor {next}\n"));
    }
    text
}

fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever closed our standard output still gets the exit code.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_table_and_says_that_there_is_more() {
        let page = json::parse_str(
            r#"{"items":[{"id":1,"name":"a","more":{"x":1}},{"id":2,"name":null}],"next":"n"}"#,
        );
        let text = readable(&page.unwrap());
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["id", "name"]);
        assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["1", "a"]);
        assert_eq!(lines.last(), Some(&"There is more: --cursor n"));
    }

    #[test]
    fn everything_else_is_indented_json() {
        assert_eq!(readable(&json::parse_str(r#"{"a":1}"#).unwrap()), "{\n  \"a\": 1\n}\n");
    }
}
