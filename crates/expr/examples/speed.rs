//! Measures expressions: `cargo run --release -p flowforge-expr --example speed`.
//!
//! Prints nanoseconds per evaluation, the best of five rounds, over 1 000 items of 20 fields.

use std::io::Write;

use expr::Template;
use expr::testing::{Run, items};
use kernel::Clock;
use kernel::clock::SystemClock;
use serde_json::{Value, json};

const ITEMS: usize = 1_000;
const ROUNDS: usize = 5;

fn main() -> std::io::Result<()> {
    let list: Vec<Value> = (0..ITEMS).map(item).collect();
    let mut run = Run::new();
    run.ran("Start", &[], vec![items(Value::Array(list.clone()))]);
    run.ran("Shape", &[("Start", 0)], vec![items(Value::Array(list))]);
    let scope = run.at("Here", &[("Shape", 0)]);
    let mut out = std::io::stdout().lock();
    for source in [
        "={{ $json.id }}",
        "={{ $json.properties.place }}",
        "={{ $json.list[1] }}",
        "={{ $('Start').item.json.id }}",
        "={{ $('Start').first().json.id }}",
        "=Quake {{ $json.id }} at {{ $json.properties.place }}",
        "={{ 1 + 1 }}",
        "={{ $itemIndex + 1 }}",
        "={{ $json.id + 1 }}",
        "={{ $json.properties.place.toUpperCase() }}",
        "={{ $json.list.sort()[0] }}",
        "={{ $('Start').item.json.id + 1 }}",
        "={{ $now.toISO() }}",
        "={{ $json.time.toDateTime().plus(1, 'days').toFormat('yyyy-MM-dd') }}",
    ] {
        let template = Template::parse(source).map_err(std::io::Error::other)?;
        let mut best = f64::INFINITY;
        for _ in 0..ROUNDS {
            let start = SystemClock.monotonic();
            for index in 0..ITEMS {
                template.evaluate(&scope, index).map_err(std::io::Error::other)?;
            }
            let spent = SystemClock.monotonic() - start;
            best = best.min(spent.as_nanos() as f64 / ITEMS as f64);
        }
        let kind = if template.is_native() { "native" } else { "script" };
        writeln!(out, "{best:>9.0} ns  {kind}  {source}")?;
    }
    Ok(())
}

fn item(index: usize) -> Value {
    let mut item = json!({
        "id": index,
        "time": 1_763_600_000_000_i64 + index as i64,
        "list": [3, 1, 2],
        "properties": { "place": "12 km N of Somewhere", "mag": 4.2, "type": "earthquake" },
    });
    for field in 0..16 {
        item[format!("field{field}")] = json!(format!("value {field}"));
    }
    item
}
