//! `core.split_out`: a list in an item becomes items.

use kernel::{FieldProblem, Item, Items, Object, Problem, Value, codes, limits};
use node::{About, AllItems, NodeContext, NodeError, NodeType, params};

use crate::field::FieldName;
use crate::passing::{first, from};
use crate::paths::Path;
use crate::set::Keep;

/// The name under which an item's files are split.
const FILES: &str = "$binary";

/// Makes an item of each element of a list. Several lists are taken side by side.
#[params(check = SplitOut::faults)]
pub(crate) struct SplitOut {
    /// The lists: field names, or `{field, as}` to give the elements another name. Of an object,
    /// the values are taken; a single value counts as a list of one; `$binary` takes the files.
    #[schemars(length(min = 1))]
    fields: Vec<FieldName>,
    /// Which of the item's other fields go with each element.
    #[serde(default)]
    keep: Keep,
    /// The fields `keep: only` keeps or `keep: except` drops.
    #[serde(default)]
    names: Vec<String>,
    /// Whether a dot in a field's name leads into nested objects.
    #[serde(default = "yes")]
    dot_notation: bool,
    /// Whether the item's files go with each element.
    #[serde(default)]
    keep_binary: bool,
}

fn yes() -> bool {
    true
}

pub(crate) const NODE: NodeType = NodeType::all::<SplitOut>();

impl SplitOut {
    fn faults(&self) -> Vec<FieldProblem> {
        self.keep.fault(&self.names).into_iter().collect()
    }
}

impl AllItems for SplitOut {
    const ABOUT: About = About::new("core.split_out", 1)
        .synonyms(&["explode", "unwind", "flatten", "loop over", "each"])
        .examples(include_str!("../cases/split_out.json"))
        .imports(&["n8n-nodes-base.splitOut", "n8n-nodes-base.itemLists"])
        .example(r#"{"fields": ["orders"], "keep": "only", "names": ["customer"]}"#);

    async fn all(&self, _: &NodeContext, inputs: &[Items]) -> Result<Vec<Items>, NodeError> {
        let paths: Vec<Path> =
            self.fields.iter().map(|field| Path::new(field.field(), self.dot_notation)).collect();
        let names: Vec<Path> =
            self.names.iter().map(|name| Path::new(name, self.dot_notation)).collect();
        let mut split = Vec::new();
        for (index, item) in first(inputs).iter().enumerate() {
            let lists: Vec<Vec<Element<'_>>> =
                paths.iter().map(|path| elements(item, path)).collect();
            let count = lists.iter().map(Vec::len).max().unwrap_or(0);
            if split.len() + count > limits::ITEMS_PER_OUTPUT_MAX {
                let detail = format!("More than {} elements.", limits::ITEMS_PER_OUTPUT_MAX);
                return Err(Problem::new(codes::NODE_LIMIT, detail).into());
            }
            if count == 0 {
                continue;
            }
            let others = self.others(item, &paths, &names);
            for at in 0..count {
                let mut out =
                    Item { json: Default::default(), binary: None, pairing: from(index, 0) };
                let mut json = others.clone();
                if self.keep_binary {
                    out.binary.clone_from(&item.binary);
                }
                for (field, list) in self.fields.iter().zip(&lists) {
                    match list.get(at) {
                        Some(Element::Value(value)) => self.put(&mut json, field, value),
                        Some(Element::File(name)) => {
                            let file = item.binary.as_deref().and_then(|files| files.get(*name));
                            let file = file.map(|file| ((*name).to_owned(), file.clone()));
                            out.binary = Some(std::sync::Arc::new(file.into_iter().collect()));
                        }
                        None => {}
                    }
                }
                out.json = json.into();
                split.push(out);
            }
        }
        Ok(vec![split.into()])
    }
}

/// An element of a list, or a file by its name.
enum Element<'i> {
    Value(&'i Value),
    File(&'i str),
}

fn elements<'i>(item: &'i Item, path: &Path) -> Vec<Element<'i>> {
    if path.text() == FILES {
        let files = item.binary.as_deref();
        return files
            .into_iter()
            .flat_map(|files| files.keys())
            .map(|n| Element::File(n))
            .collect();
    }
    match path.get(&item.json) {
        None => Vec::new(),
        Some(Value::Array(list)) => list.iter().map(Element::Value).collect(),
        Some(Value::Object(object)) => object.values().map(Element::Value).collect(),
        Some(single) => vec![Element::Value(single)],
    }
}

impl SplitOut {
    /// What goes with each element: never the lists themselves.
    fn others(&self, item: &Item, paths: &[Path], names: &[Path]) -> Object {
        let mut kept = self.keep.of(&item.json, names, paths.len());
        for path in paths {
            path.remove(&mut kept);
        }
        kept
    }

    /// Writes one element. The fields of an object are spread where nothing else is in the item.
    fn put(&self, json: &mut Object, field: &FieldName, value: &Value) {
        match (value, field.given()) {
            (Value::Object(object), None) if self.fields.len() == 1 && self.keep == Keep::None => {
                json.clone_from(object);
            }
            (value, given) => {
                json.insert(given.unwrap_or_else(|| field.field()).to_owned(), value.clone());
            }
        }
    }
}
