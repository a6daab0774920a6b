//! The merged sources: a tree of settings in which each remembers where it came from.

use std::collections::BTreeMap;
use std::path::Path;

use kernel::suggest::did_you_mean;
use kernel::{Object, Value};
use toml::de::{DeTable, DeValue};

use super::{Config, Fault, interpolate, read_value, schema};

/// Variables that have a name of their own, and the setting they stand for.
const SHORT_NAMES: [(&str, &str); 5] = [
    ("DATABASE_URL", "database.url"),
    ("FLOWFORGE_DATA_DIR", "data_dir"),
    ("FLOWFORGE_DIRECT_URL", "database.direct_url"),
    ("FLOWFORGE_PG_BIN", "database.programs"),
    ("FLOWFORGE_SECRET_KEY", "secrets.key"),
];

/// Where a setting came from.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// File and line.
    File(String, usize),
    /// Name of the variable.
    Variable(String),
    /// Name of the flag.
    Flag(&'static str),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{path} line {line}"),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Settings by path, such as `["server", "listen"]`. A section stands in it, too, as an object.
#[derive(Debug, Default)]
pub(super) struct Tree {
    settings: BTreeMap<Vec<String>, (Value, Origin)>,
}

/// The setting a variable stands for; `None`: the variable is not about configuration.
pub(super) fn variable_path(name: &str) -> Option<Vec<String>> {
    if let Some((_, path)) = SHORT_NAMES.iter().find(|(short, _)| *short == name) {
        return Some(path.split('.').map(str::to_owned).collect());
    }
    let path = name.strip_prefix("FLOWFORGE_").filter(|rest| rest.contains("__"))?;
    Some(path.split("__").map(str::to_lowercase).collect())
}

/// A variable that was meant for a setting and is written with one underscore where two belong.
/// Others that begin like ours are let be: orchestrators set them for services of our name.
pub(super) fn near_miss(name: &str, schema: &Value) -> Option<Fault> {
    let rest = name.strip_prefix("FLOWFORGE_")?.to_lowercase();
    schema::keys(schema, &[]).into_iter().find_map(|section| {
        let key = rest.strip_prefix(section)?.strip_prefix('_')?;
        let path = [section.to_owned(), key.to_owned()];
        schema::find(schema, &path)?;
        let meant = format!("FLOWFORGE_{}", path.join("__").to_uppercase());
        let detail = format!("{name} is not a setting. Did you mean \"{meant}\"?");
        Some(Fault { pointer: format!("/{}", path.join("/")), detail })
    })
}

impl Tree {
    /// Reads a file; the error names line and column.
    pub(super) fn of_toml(path: &Path, text: &str) -> Result<Self, String> {
        let name = path.display().to_string();
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let (line, column) = place(text, at);
            format!("{name} line {line}, column {column}: {}", error.message())
        })?;
        let mut tree = Self::default();
        tree.add(&name, text, &[], table.get_ref());
        Ok(tree)
    }

    fn add(&mut self, name: &str, text: &str, path: &[String], table: &DeTable<'_>) {
        for (key, value) in table {
            let path = [path, &[key.get_ref().to_string()]].concat();
            let origin = Origin::File(name.to_owned(), place(text, key.span().start).0);
            match value.get_ref() {
                DeValue::Table(table) => {
                    let section = Value::Object(Object::new());
                    self.settings.insert(path.clone(), (section, origin));
                    self.add(name, text, &path, table);
                }
                leaf => {
                    self.settings.insert(path, (json(leaf), origin));
                }
            }
        }
    }

    /// Puts a text from outside the file in, read as the type the setting wants.
    pub(super) fn set(
        &mut self,
        path: &[String],
        origin: Origin,
        text: &str,
        schema: &Value,
        faults: &mut Vec<Fault>,
    ) {
        match schema::find(schema, path) {
            Some(setting) => {
                self.settings.insert(path.to_vec(), (typed(text, setting), origin));
            }
            None => faults.push(unknown(path, &origin, schema)),
        }
    }

    /// Replaces `${NAME}` in every text.
    pub(super) fn interpolate(
        &mut self,
        environment: &BTreeMap<String, String>,
        schema: &Value,
        faults: &mut Vec<Fault>,
    ) {
        for (path, (value, origin)) in &mut self.settings {
            let mut put = |text: &str| match interpolate::interpolate(text, environment) {
                Ok(put) => put,
                Err(what) => {
                    faults.push(fault(path, origin, &what));
                    None
                }
            };
            match value {
                Value::String(text) => {
                    if let Some(put) = put(text) {
                        *value = match schema::find(schema, path) {
                            Some(setting) => typed(&put, setting),
                            None => Value::String(put),
                        };
                    }
                }
                Value::Array(entries) => {
                    for entry in entries {
                        if let Some(put) = entry.as_str().and_then(&mut put) {
                            *entry = Value::String(put);
                        }
                    }
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
            }
        }
    }

    /// Reports every setting that is not one, with what may have been meant.
    pub(super) fn find_unknown(&self, schema: &Value, faults: &mut Vec<Fault>) {
        for (path, (_, origin)) in &self.settings {
            // Inside an unknown section only the section is reported.
            let parent_known = schema::find(schema, &path[..path.len() - 1]).is_some();
            if parent_known && schema::find(schema, path).is_none() {
                faults.push(unknown(path, origin, schema));
            }
        }
    }

    /// The configuration, or a fault for every setting whose value does not fit. What is no setting,
    /// or has a fault already, is passed over.
    pub(super) fn read(&self, schema: &Value, faults: &mut Vec<Fault>) -> Option<Config> {
        let known = |path: &Vec<String>| schema::find(schema, path).is_some();
        if let Ok(config) = read_value(self.object(known)) {
            return Some(config);
        }
        let reported: Vec<String> = faults.iter().map(|fault| fault.pointer.clone()).collect();
        for (path, (value, origin)) in self.settings.iter().filter(|(path, _)| known(path)) {
            if reported.contains(&format!("/{}", path.join("/"))) {
                continue;
            }
            // Alone among defaults, a setting that does not fit betrays itself.
            let alone = self.object(|other| other == path);
            if let Err(what) = read_value::<Config>(alone) {
                let shown =
                    if is_secret(path) { "•••".to_owned() } else { value.to_string() };
                faults.push(fault(path, origin, &format!("cannot be {shown}: {what}")));
            }
        }
        None
    }

    /// A fault about a setting, wherever it came from.
    pub(super) fn fault(&self, pointer: &str, what: &str) -> Fault {
        let path: Vec<String> = pointer.split('/').skip(1).map(str::to_owned).collect();
        match self.settings.get(&path) {
            Some((_, origin)) => fault(&path, origin, what),
            None => {
                Fault { pointer: pointer.to_owned(), detail: format!("{} {what}.", path.join(".")) }
            }
        }
    }

    fn object(&self, wanted: impl Fn(&Vec<String>) -> bool) -> Value {
        let mut root = Object::new();
        for (path, (value, _)) in self.settings.iter().filter(|(path, _)| wanted(path)) {
            insert(&mut root, path, value.clone());
        }
        Value::Object(root)
    }
}

fn is_secret(path: &[String]) -> bool {
    path.last().is_some_and(|key| key.ends_with("url") || key.ends_with("key"))
}

fn insert(object: &mut Object, path: &[String], value: Value) {
    match path {
        [] => {}
        [key] => {
            // A section that is there already keeps what it holds.
            if !(value.is_object() && object.contains_key(key)) {
                object.insert(key.clone(), value);
            }
        }
        [section, rest @ ..] => {
            let entry = object.entry(section.clone()).or_insert_with(|| Object::new().into());
            if let Value::Object(inner) = entry {
                insert(inner, rest, value);
            }
        }
    }
}

/// A text as the type its setting wants; texts that do not fit stay texts and fail there.
fn typed(text: &str, setting: &Value) -> Value {
    if schema::takes(setting, "string") {
        return Value::String(text.to_owned());
    }
    match DeValue::parse(text) {
        Ok(value) => json(value.get_ref()),
        // FLOWFORGE_FILES__ALLOW=/a,/b
        Err(_) if schema::takes(setting, "array") => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Value::Array(parts.map(Value::from).collect())
        }
        Err(_) => Value::String(text.to_owned()),
    }
}

fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            parsed.map_or_else(|_| Value::String(number.as_str().to_owned()), Value::from)
        }
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(parsed) => Value::from(parsed),
            Err(_) => Value::String(number.as_str().to_owned()),
        },
        DeValue::Array(entries) => {
            Value::Array(entries.iter().map(|entry| json(entry.get_ref())).collect())
        }
        DeValue::Table(table) => {
            let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
                let key: &toml::de::DeString<'_> = key.get_ref();
                (key.to_string(), json(value.get_ref()))
            };
            Value::Object(table.iter().map(entry).collect())
        }
    }
}

fn unknown(path: &[String], origin: &Origin, schema: &Value) -> Fault {
    // Walk as far as the path is known; the first unknown word gets the suggestion.
    let known =
        (0..path.len()).take_while(|end| schema::find(schema, &path[..=*end]).is_some()).count();
    let section = &path[..known];
    let word = path.get(known).map(String::as_str).unwrap_or_default();
    let keys = schema::keys(schema, section);
    let mut what = format!("is not a setting.{}", did_you_mean(word, keys.iter().copied()));
    if !what.contains('?') && !keys.is_empty() {
        what = format!("is not a setting; known here: {}.", keys.join(", "));
    }
    Fault {
        pointer: format!("/{}", path.join("/")),
        detail: format!("{origin}: {} {what}", path.join(".")),
    }
}

fn fault(path: &[String], origin: &Origin, what: &str) -> Fault {
    Fault {
        pointer: format!("/{}", path.join("/")),
        detail: format!("{origin}: {} {what}.", path.join(".")),
    }
}

/// Line and column (in characters) of a byte, both from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}
