//! `core.aggregate`: many items become one.

use std::collections::HashSet;

use kernel::{FieldProblem, Item, Items, Object, Pairing, Value, codes};
use node::{About, AllItems, NodeContext, NodeError, NodeType, params};

use crate::field::FieldName;
use crate::passing::{first, source};
use crate::paths::Path;
use crate::set::Keep;

/// Gathers all items into one item.
#[params(check = Aggregate::faults, default(mode = "fields"))]
#[serde(tag = "mode", rename_all = "snake_case")]
pub(crate) enum Aggregate {
    /// The values of each field as a list; a field that no item has gives an empty one.
    Fields {
        /// The fields: names, or `{field, as}` to call the list otherwise. A list is called by the
        /// last part of its field's path.
        #[schemars(length(min = 1))]
        fields: Vec<FieldName>,
        /// Whether values that are lists are put end to end instead of into each other.
        #[serde(default)]
        merge_lists: bool,
        /// Whether a null stands for every absent value.
        #[serde(default)]
        keep_missing: bool,
        /// Whether a dot in a field's name leads into nested objects.
        #[serde(default = "yes")]
        dot_notation: bool,
    },
    /// The items themselves as a list of objects.
    All {
        /// Name of the list.
        #[serde(default = "data")]
        #[schemars(length(min = 1))]
        into: String,
        /// Which fields of the items are in it.
        #[serde(default = "all")]
        keep: Keep,
        /// The fields `keep: only` keeps or `keep: except` drops.
        #[serde(default)]
        names: Vec<String>,
    },
}

fn yes() -> bool {
    true
}

fn all() -> Keep {
    Keep::All
}

fn data() -> String {
    "data".to_owned()
}

pub(crate) const NODE: NodeType = NodeType::all::<Aggregate>();

impl Aggregate {
    fn faults(&self) -> Vec<FieldProblem> {
        match self {
            Self::All { keep, names, .. } => keep.fault(names).into_iter().collect(),
            Self::Fields { fields, dot_notation, .. } => {
                let mut seen = HashSet::new();
                let mut faults = Vec::new();
                for (index, field) in fields.iter().enumerate() {
                    let name = list_name(field, &Path::new(field.field(), *dot_notation));
                    if !seen.insert(name.clone()) {
                        let detail = format!(
                            "There are two lists \"{name}\": give one of them another name by \
                             \"as\"."
                        );
                        let pointer = format!("/fields/{index}");
                        let code = codes::NODE_PARAMETER.to_string();
                        faults.push(FieldProblem { pointer, code, detail });
                    }
                }
                faults
            }
        }
    }
}

fn list_name(field: &FieldName, path: &Path) -> String {
    field.given().unwrap_or_else(|| path.leaf()).to_owned()
}

impl AllItems for Aggregate {
    const ABOUT: About = About::new("core.aggregate", 1)
        .synonyms(&["collect", "combine", "array", "list"])
        .examples(include_str!("../cases/aggregate.json"))
        .imports(&["n8n-nodes-base.aggregate"])
        .example(r#"{"fields": ["name", {"field": "customer.id", "as": "customers"}]}"#);

    async fn all(&self, _: &NodeContext, inputs: &[Items]) -> Result<Vec<Items>, NodeError> {
        let items = first(inputs);
        let mut json = Object::new();
        match self {
            Self::Fields { fields, merge_lists, keep_missing, dot_notation } => {
                for field in fields {
                    let path = Path::new(field.field(), *dot_notation);
                    let list = gathered(items, &path, *merge_lists, *keep_missing);
                    json.insert(list_name(field, &path), Value::Array(list));
                }
            }
            Self::All { into, keep, names } => {
                let names: Vec<Path> = names.iter().map(|name| Path::new(name, true)).collect();
                let objects = items.iter().map(|item| keep.of(&item.json, &names, 0));
                let chosen = *keep != Keep::All;
                let list = objects.filter(|object| !chosen || !object.is_empty());
                json.insert(into.clone(), list.map(Value::Object).collect());
            }
        }
        let pairing = Pairing::of((0..items.len()).map(|index| source(index, 0)));
        Ok(vec![Items::new(vec![Item { pairing, ..Item::new(json) }])])
    }
}

fn gathered(items: &[Item], path: &Path, merge_lists: bool, keep_missing: bool) -> Vec<Value> {
    let mut list = Vec::with_capacity(items.len());
    let mut put = |value: Option<&Value>| match value {
        None | Some(Value::Null) if !keep_missing => {}
        value => list.push(value.cloned().unwrap_or_default()),
    };
    for item in items {
        match path.get(&item.json) {
            Some(Value::Array(inner)) if merge_lists => {
                inner.iter().for_each(|value| put(Some(value)));
            }
            value => put(value),
        }
    }
    list
}
