//! Runs and tables as people see them on a terminal.

use std::fmt::Write as _;

use kernel::Value;

/// Widest column of a table, in characters.
const COLUMN_MAX: usize = 60;

/// A table with aligned columns. Every row has as many cells as the head.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(head.get(column).map_or(0, |name| name.chars().count())).min(COLUMN_MAX)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut out = String::new();
    let head: Vec<String> = head.iter().map(|name| (*name).to_owned()).collect();
    line(&mut out, &head, &widths);
    let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
    line(&mut out, &rule, &widths);
    for row in rows {
        line(&mut out, row, &widths);
    }
    out
}

fn line(out: &mut String, cells: &[String], widths: &[usize]) {
    let mut text = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        let _ = write!(text, "  {:<width$}", shortened(cell, *width));
    }
    out.push_str(text.trim_end());
    out.push('\n');
}

/// The text on one line and no longer than this.
fn shortened(text: &str, characters_max: usize) -> String {
    let one_line = text.replace('\n', " ");
    if one_line.chars().count() <= characters_max {
        return one_line;
    }
    one_line.chars().take(characters_max.saturating_sub(1)).chain(['…']).collect()
}

/// A run: its state, then every activation with its time and what it put out.
pub(crate) fn run(view: &Value) -> String {
    let text = |key: &str| view.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut out = format!(
        "run {} {} after {}{}\n",
        text("run_id"),
        text("status"),
        milliseconds(view.get("duration_ms")),
        if resumed(view) > 0 { ", resumed after a crash" } else { "" },
    );
    if let Some(error) = view.get("error").filter(|error| error.is_object()) {
        let _ = writeln!(out, "error {}", one_error(error));
        let code = error.get("code").and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(out, "  (see docs/errors/{code}.md)");
    }
    out.push_str(&table(&["node", "state", "time", "items out", ""], &activations(view)));
    out
}

/// How often a run was taken up again.
pub(crate) fn resumed(view: &Value) -> u64 {
    view.get("resumed").and_then(Value::as_u64).unwrap_or(0)
}

fn activations(view: &Value) -> Vec<Vec<String>> {
    let nodes = view.get("nodes").and_then(Value::as_object);
    let all = nodes.into_iter().flatten().flat_map(|(name, list)| {
        list.as_array().into_iter().flatten().map(move |activation| (name, activation))
    });
    all.map(|(name, activation)| {
        let state = activation.get("status").and_then(Value::as_str).unwrap_or_default();
        let counts: Vec<String> = item_counts(activation).iter().map(u64::to_string).collect();
        let error = activation.get("error").filter(|error| error.is_object());
        vec![
            name.clone(),
            state.to_owned(),
            milliseconds(activation.get("duration_ms")),
            counts.join(" · "),
            error.map(one_error).unwrap_or_default(),
        ]
    })
    .collect()
}

/// How many items each output has: said beside them where only the first are there.
fn item_counts(activation: &Value) -> Vec<u64> {
    let list = |key: &str| activation.get(key).and_then(Value::as_array);
    if let Some(counts) = list("item_counts") {
        return counts.iter().filter_map(Value::as_u64).collect();
    }
    let ports = list("outputs").into_iter().flatten();
    ports.map(|port| port.as_array().map_or(0, |items| items.len() as u64)).collect()
}

fn one_error(error: &Value) -> String {
    let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
    let node = match text("node") {
        "" => String::new(),
        node => format!(" in \"{node}\""),
    };
    format!("{}{node}: {}", text("code"), text("message"))
}

fn milliseconds(value: Option<&Value>) -> String {
    match value.and_then(Value::as_f64) {
        Some(ms) if ms < 100.0 => format!("{ms:.1} ms"),
        Some(ms) if ms < 10_000.0 => format!("{ms:.0} ms"),
        Some(ms) => format!("{:.1} s", ms / 1000.0),
        None => String::new(),
    }
}

/// A list of objects as a table, one column for each key of the first; `None`: it is no such list.
pub(crate) fn objects(list: &Value, rows_max: usize) -> Option<String> {
    let list = list.as_array()?;
    let columns: Vec<&str> = list.first()?.as_object()?.keys().map(String::as_str).collect();
    let row = |entry: &Value| {
        let cell = |column: &&str| entry.get(*column).map(cell_text).unwrap_or_default();
        columns.iter().map(cell).collect()
    };
    let rows: Vec<Vec<String>> = list.iter().take(rows_max).map(row).collect();
    let mut out = table(&columns, &rows);
    if list.len() > rows_max {
        let _ = writeln!(out, "  … and {} more", list.len() - rows_max);
    }
    Some(out)
}

fn cell_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up_and_cuts_what_is_too_wide() {
        let rows = vec![vec!["ä".to_owned(), "x".repeat(80)], vec!["long".to_owned(), "y".into()]];
        let text = table(&["a", "b"], &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "  a     b");
        assert!(lines[2].starts_with("  ä     xxx") && lines[2].ends_with("x…"), "{text}");
        assert_eq!(lines[3], "  long  y");
    }

    #[test]
    fn a_run_is_shown_with_every_activation_and_its_error() {
        let view = kernel::json::parse_str(
            r#"{"run_id":"r1","status":"failed","resumed":1,"duration_ms":12.34,
                "error":{"code":"node.failed","message":"no","node":"B"},
                "nodes":{"A":[{"status":"succeeded","outputs":[[{},{}],[]],"error":null,
                "duration_ms":1.0}],"B":[{"status":"failed","outputs":[],
                "error":{"code":"node.failed","message":"no","node":null},"duration_ms":20000}],
                "C":[{"status":"succeeded","outputs":[[{}],[]],"item_counts":[1461,0]}]}}"#,
        )
        .unwrap();
        let text = run(&view);
        assert!(text.starts_with("run r1 failed after 12.3 ms, resumed after a crash\n"), "{text}");
        assert!(
            text.contains("error node.failed in \"B\": no\n  (see docs/errors/node.failed.md)"),
            "{text}"
        );
        assert!(text.contains("2 · 0") && text.contains("20.0 s"), "{text}");
        assert!(text.contains("1461 · 0"), "only the first items are there: {text}");
    }
}
