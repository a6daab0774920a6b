//! Labels: short texts by which runs are found again.

use std::collections::BTreeSet;
use std::collections::btree_set::Iter;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Labels of one run, in order and without repetition: at most [`Labels::MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(BTreeSet<String>);

impl Labels {
    /// Labels of one run, those of its workflow included.
    pub const MAX: usize = 16;
    /// Bytes of one label.
    pub const BYTES_MAX: usize = 100;
    /// Labels that begin so are set by the program: `origin:` and the run that this one repeats.
    pub const ORIGIN: &'static str = "origin:";

    /// What is wrong with a label, if anything.
    pub fn fault(label: &str) -> Option<String> {
        if label.is_empty() || label.len() > Self::BYTES_MAX {
            return Some(format!(
                "a label has 1 to {} bytes, not {}",
                Self::BYTES_MAX,
                label.len()
            ));
        }
        if label.trim() != label || label.chars().any(char::is_control) {
            return Some("a label has no control characters, and no space at its ends".to_owned());
        }
        let reserved = label.starts_with(Self::ORIGIN);
        reserved
            .then(|| format!("labels that begin with `{}` are set by the program", Self::ORIGIN))
    }

    /// Adds a label of the program's own.
    pub fn add(&mut self, label: String) {
        self.0.insert(label);
    }

    /// Adds those of another.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Each of them, in order.
    pub fn iter(&self) -> Iter<'_, String> {
        self.0.iter()
    }
}

impl FromIterator<String> for Labels {
    fn from_iter<I: IntoIterator<Item = String>>(labels: I) -> Self {
        Self(labels.into_iter().collect())
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Labels {
    /// Of a run or a document that is stored: what was let in is read back.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeSet::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for Labels {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Labels".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "maxItems": Self::MAX,
            "items": {
                "type": "string", "format": "label", "minLength": 1, "maxLength": Self::BYTES_MAX,
            },
            "examples": [["customer:acme", "nightly"]],
        })
    }
}
