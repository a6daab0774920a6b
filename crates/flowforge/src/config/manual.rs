//! The manual of the configuration, made from the declarations of the settings.

use std::fmt::Write as _;

use kernel::Value;

use super::{Config, schema};

const OPENING: &str = "\
# Every setting

This page is made from the program: `cargo xtask contracts` writes it anew.

Settings come from `flowforge.toml` in the working directory (or the file named by `--config` or
`FLOWFORGE_CONFIG`), then from variables, then from flags; what comes later wins. A variable is
`FLOWFORGE_` with section and key joined by two underscores: `FLOWFORGE_SERVER__LISTEN`. Lists are
written as in TOML or separated by commas. Texts of the file may name variables as `${NAME}` or
`${NAME:-default}`; `$${` stands for `${` itself.

Durations are texts such as `250ms`, `30s`, `5m`, `2h` or `7d`; sizes are numbers of bytes.

`flowforge config check` says everything that is wrong, `flowforge config print` shows what is in
effect without secrets. The JSON Schema is `contracts/config.schema.json`.
";

impl Config {
    /// The page `docs/guide/configuration.md`.
    pub(crate) fn manual() -> String {
        let schema = schema::of_config();
        let mut page = OPENING.to_owned();
        page.push_str("\n## At the top\n");
        section(&mut page, &schema, &[]);
        page
    }
}

/// The settings of a section, then the sections in it.
fn section(page: &mut String, schema: &Value, path: &[String]) {
    let below = |key: &str| [path, &[key.to_owned()]].concat();
    let (sections, settings): (Vec<&str>, Vec<&str>) = schema::keys(schema, path)
        .into_iter()
        .partition(|key| !schema::keys(schema, &below(key)).is_empty());
    if !settings.is_empty() {
        table(page, schema, path, &settings);
    }
    for key in sections {
        let path = below(key);
        let said = schema::declaration(schema, &path[..path.len() - 1], key)
            .and_then(|declared| text(declared, "description"))
            .or_else(|| schema::find(schema, &path).and_then(|found| text(found, "description")));
        let _ = write!(page, "\n## [{}]\n\n{}\n", path.join("."), said.unwrap_or_default());
        section(page, schema, &path);
    }
}

fn table(page: &mut String, schema: &Value, section: &[String], keys: &[&str]) {
    page.push_str("\n| setting | default | |\n|---|---|---|\n");
    for key in keys {
        let property = schema::declaration(schema, section, key);
        let said = property.and_then(|property| text(property, "description")).unwrap_or_default();
        let default = property.and_then(|property| property.get("default"));
        let default = match default {
            None | Some(Value::Null) => "none".to_owned(),
            Some(Value::Array(entries)) if entries.is_empty() => "`[]`".to_owned(),
            Some(value) => format!("`{value}`"),
        };
        let path = [section, &[(*key).to_owned()]].concat();
        let choices = schema::find(schema, &path).and_then(choices).unwrap_or_default();
        let _ = writeln!(page, "| `{key}` | {default} | {said}{choices} |");
    }
}

/// ` One of: …` for a setting that takes one of a few words.
fn choices(setting: &Value) -> Option<String> {
    let several = setting.get("oneOf")?.as_array()?;
    let one = |choice: &Value| {
        let word = choice.get("const")?.as_str()?;
        let said = text(choice, "description").unwrap_or_default();
        Some(format!("`{word}` ({})", said.trim_end_matches('.')))
    };
    let words: Option<Vec<String>> = several.iter().map(one).collect();
    Some(format!(" One of: {}.", words?.join(", ")))
}

/// A text of the schema on one line.
fn text(schema: &Value, key: &str) -> Option<String> {
    Some(schema.get(key)?.as_str()?.replace('\n', " "))
}
