//! Putting several items into one: whose value stands where both have a field.

use std::borrow::Cow;
use std::sync::Arc;

use kernel::{Item, Object, Pairing, Value};
use node::params;
use serde::{Deserialize, Deserializer, Serialize};

/// Inputs a merge may have.
pub(crate) const INPUTS_MAX: u8 = 10;

/// Whose value stands where several items have the same field.
#[params]
#[derive(Default, Serialize)]
pub(crate) struct Clash {
    /// `last` (the last input), `input_1`, `input_2` …, or `suffix`: every field is kept, with
    /// `_1`, `_2` … after its name.
    #[serde(default)]
    pub(crate) prefer: Prefer,
    /// Whether objects and lists in the same field are put together or replaced.
    #[serde(default)]
    merge: Depth,
    /// Whether null and empty text never replace a value.
    #[serde(default)]
    keep_filled: bool,
}

/// Who wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Prefer {
    /// The last input.
    #[default]
    Last,
    /// Nobody: names get suffixes.
    Suffix,
    /// This input, counted from 1.
    Input(u8),
}

/// How deep two items are put together.
#[params]
#[derive(Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Depth {
    /// Objects field by field, lists element by element.
    #[default]
    Deep,
    /// The winner's whole value.
    Shallow,
}

impl Prefer {
    fn name(self) -> Cow<'static, str> {
        match self {
            Self::Last => "last".into(),
            Self::Suffix => "suffix".into(),
            Self::Input(number) => format!("input_{number}").into(),
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        [Self::Last, Self::Suffix].into_iter().chain((1..=INPUTS_MAX).map(Self::Input))
    }
}

impl Serialize for Prefer {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Prefer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let text = String::deserialize(deserializer)?;
        Self::all().find(|prefer| prefer.name() == text).ok_or_else(|| {
            D::Error::custom("expected \"last\", \"suffix\" or an input such as \"input_1\"")
        })
    }
}

impl schemars::JsonSchema for Prefer {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Prefer".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names: Vec<_> = Self::all().map(Self::name).collect();
        schemars::json_schema!({ "type": "string", "enum": names })
    }
}

impl Clash {
    /// The items, one of each input named by its number from 1, as one item.
    pub(crate) fn together(&self, parts: &[(u8, &Item)], pairing: Pairing) -> Item {
        let mut order: Vec<&(u8, &Item)> = parts.iter().collect();
        if let Prefer::Input(winner) = self.prefer {
            order.sort_by_key(|(input, _)| *input == winner);
        }
        let mut json = Object::new();
        let mut binary = None;
        for (input, item) in order {
            match self.prefer {
                Prefer::Suffix => json.extend(suffixed(&item.json, *input)),
                Prefer::Last | Prefer::Input(_) => self.put(&mut json, &item.json),
            }
            match (&mut binary, &item.binary) {
                (None, files) => binary.clone_from(files),
                (Some(known), Some(files)) => {
                    let more = files.iter().map(|(name, file)| (name.clone(), file.clone()));
                    Arc::make_mut(known).extend(more);
                }
                (Some(_), None) => {}
            }
        }
        Item { json: Arc::new(json), binary, pairing }
    }

    /// An item that found no partner, under the same names as the others of its input.
    pub(crate) fn alone(&self, input: u8, item: &Item, pairing: Pairing) -> Item {
        let json = match self.prefer {
            Prefer::Suffix => Arc::new(suffixed(&item.json, input).collect()),
            Prefer::Last | Prefer::Input(_) => Arc::clone(&item.json),
        };
        Item { json, binary: item.binary.clone(), pairing }
    }

    fn put(&self, into: &mut Object, from: &Object) {
        if into.is_empty() {
            into.clone_from(from);
            return;
        }
        for (name, value) in from {
            match into.get_mut(name) {
                Some(known) => self.replace(known, value),
                None => {
                    into.insert(name.clone(), value.clone());
                }
            }
        }
    }

    fn replace(&self, known: &mut Value, value: &Value) {
        let blank = value.is_null() || value.as_str().is_some_and(str::is_empty);
        match (&mut *known, value) {
            _ if blank && self.keep_filled => {}
            (Value::Object(known), Value::Object(more)) if self.merge == Depth::Deep => {
                self.put(known, more);
            }
            (Value::Array(known), Value::Array(more)) if self.merge == Depth::Deep => {
                for (index, value) in more.iter().enumerate() {
                    match known.get_mut(index) {
                        Some(known) => self.replace(known, value),
                        None => known.push(value.clone()),
                    }
                }
            }
            (known, value) => known.clone_from(value),
        }
    }
}

fn suffixed(json: &Object, input: u8) -> impl Iterator<Item = (String, Value)> {
    json.iter().map(move |(name, value)| (format!("{name}_{input}"), value.clone()))
}
