//! Items: what flows along the connections of a workflow.
//!
//! An item is `{json, binary?, paired_item?}`. Items are shared, never copied: a node that passes
//! an item on clones two pointers.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::json::Object;

/// The items on one port of one activation.
pub type Items = Arc<Vec<Item>>;

/// One item.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// The item's data: always an object.
    pub json: Arc<Object>,
    /// Files that travel with the item, by property name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<Arc<BTreeMap<String, BinaryRef>>>,
    /// Which input items it was made of.
    #[serde(default, rename = "paired_item", skip_serializing_if = "Pairing::is_unknown")]
    pub pairing: Pairing,
}

impl Item {
    /// An item with this data and nothing else.
    pub fn new(json: Object) -> Self {
        Self { json: Arc::new(json), ..Self::default() }
    }

    /// The same item, paired with input item `item` of input 0.
    pub fn paired(mut self, item: usize) -> Self {
        self.pairing = Pairing::One(ItemSource { item: item as u32, input: 0 });
        self
    }
}

/// A file that travels with an item: the bytes stand in the blob store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BinaryRef {
    /// Key of the bytes in the blob store: lower-case hexadecimal SHA-256.
    pub blob: String,
    /// Media type, such as `text/csv`.
    #[serde(default = "octet_stream")]
    pub mime_type: String,
    /// Name to offer when the file is saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// Length in bytes.
    #[serde(default)]
    pub size: u64,
}

fn octet_stream() -> String {
    "application/octet-stream".to_owned()
}

/// One input item: its index on its input port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemSource {
    /// Index of the item.
    pub item: u32,
    /// Input port it came in by.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub input: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Where an output item came from. Reads `3`, `{item, input}` or a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Pairing {
    /// Nobody said: tracing stops here.
    #[default]
    Unknown,
    /// From one input item.
    One(ItemSource),
    /// From several.
    Many(Arc<[ItemSource]>),
}

impl Pairing {
    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }

    /// Every source, in order.
    pub fn sources(&self) -> &[ItemSource] {
        match self {
            Self::Unknown => &[],
            Self::One(source) => std::slice::from_ref(source),
            Self::Many(sources) => sources,
        }
    }

    /// From these input items.
    pub fn of(sources: impl IntoIterator<Item = ItemSource>) -> Self {
        let sources: Vec<_> = sources.into_iter().collect();
        match sources.as_slice() {
            [] => Self::Unknown,
            [one] => Self::One(*one),
            _ => Self::Many(sources.into()),
        }
    }
}

impl Serialize for Pairing {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unknown => serializer.serialize_none(),
            Self::One(ItemSource { item, input: 0 }) => serializer.serialize_u32(*item),
            Self::One(source) => source.serialize(serializer),
            Self::Many(sources) => sources.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Pairing {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let wrong = || D::Error::custom("expected an index, {item, input} or a list of them");
        let one = |value: crate::Value| match value {
            crate::Value::Number(number) => number
                .as_u64()
                .and_then(|item| u32::try_from(item).ok())
                .map(|item| ItemSource { item, input: 0 })
                .ok_or_else(wrong),
            value => ItemSource::deserialize(value).map_err(|_| wrong()),
        };
        match crate::Value::deserialize(deserializer)? {
            crate::Value::Null => Ok(Self::Unknown),
            crate::Value::Array(list) => {
                Ok(Self::of(list.into_iter().map(one).collect::<Result<Vec<_>, _>>()?))
            }
            value => one(value).map(Self::One),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairing_reads_and_prints_in_its_shortest_form() {
        for text in ["3", r#"{"item":1,"input":2}"#, r#"[{"item":0},{"item":4,"input":1}]"#] {
            let pairing: Pairing =
                serde_json::from_value(crate::json::parse_str(text).unwrap()).unwrap();
            assert_eq!(serde_json::to_string(&pairing).unwrap(), text);
        }
    }
}
