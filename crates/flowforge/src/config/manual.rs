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
        let (sections, settings): (Vec<&str>, Vec<&str>) = schema::keys(&schema, &[])
            .into_iter()
            .partition(|key| !schema::keys(&schema, &[(*key).to_owned()]).is_empty());
        page.push_str("\n## At the top\n");
        table(&mut page, &schema, &[], &settings);
        for section in sections {
            let path = [section.to_owned()];
            let said =
                schema::find(&schema, &path).and_then(|section| text(section, "description"));
            let _ = write!(page, "\n## [{section}]\n\n{}\n", said.unwrap_or_default());
            table(&mut page, &schema, &path, &schema::keys(&schema, &path));
        }
        page
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
