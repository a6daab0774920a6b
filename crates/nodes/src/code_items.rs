//! What user code returned becomes items, or an error that says what to return instead.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel::item::BinaryRef;
use kernel::{Item, Object, Pairing, Value, codes};
use node::NodeError;
use serde::Deserialize;

use crate::passing::from;
use crate::values::kind;

/// Keys of an item as opposed to keys of its data. One of them on any item says that every item
/// has been written out.
const ITEM_KEYS: [&str; 6] = ["json", "binary", "pairedItem", "paired_item", "error", "index"];

/// The items of code that ran once for `inputs` items: a list, one object, or nothing.
pub(crate) fn of_all(value: Value, inputs: usize) -> Result<Vec<Item>, NodeError> {
    let list = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(list) => list,
        Value::Object(object) => vec![Value::Object(object)],
        other => {
            return Err(wrong(&format!(
                "The code returned {}. Return a list of items, such as \
                 [{{ json: {{ total: 1 }} }}], or one object.",
                kind(&other)
            )));
        }
    };
    let written_out = list.iter().any(is_written_out);
    let count = list.len();
    let mut items = Vec::with_capacity(count);
    for (index, value) in list.into_iter().enumerate() {
        let mut item = item(value, index, written_out)?;
        if item.pairing.is_unknown() {
            item.pairing = match inputs {
                1 => from(0, 0),
                _ if inputs == count => from(index, 0),
                _ => Pairing::Unknown,
            };
        }
        items.push(item);
    }
    Ok(items)
}

/// The items of code that ran for each item: what each call returned, in order.
pub(crate) fn of_each(value: Value) -> Result<Vec<Item>, NodeError> {
    let results = results(value)?.into_iter().enumerate();
    results.filter_map(|(index, result)| of_one(result, index).transpose()).collect()
}

/// What each call of code that ran for each item returned.
pub(crate) fn results(value: Value) -> Result<Vec<Value>, NodeError> {
    match value {
        Value::Array(results) => Ok(results),
        _ => Err(wrong("The code's results did not come as a list.")),
    }
}

/// The item of what the code returned for input item `index`, if it returned one.
pub(crate) fn of_one(result: Value, index: usize) -> Result<Option<Item>, NodeError> {
    match result {
        Value::Null => Ok(None),
        Value::Object(_) => {
            let written_out = is_written_out(&result);
            let mut item = item(result, index, written_out)?;
            item.pairing = from(index, 0);
            Ok(Some(item))
        }
        other => Err(wrong(&format!(
            "The code returned {} for item {index}. Run for each item, it returns one object, or \
             null to leave the item out; to return several items, run it once.",
            kind(&other)
        ))),
    }
}

fn is_written_out(value: &Value) -> bool {
    value.as_object().is_some_and(|object| ITEM_KEYS.iter().any(|key| object.contains_key(*key)))
}

fn item(value: Value, index: usize, written_out: bool) -> Result<Item, NodeError> {
    let Value::Object(mut object) = value else {
        return Err(wrong(&format!(
            "Item {index} of what the code returned is {}. Every item is an object: put the value \
             into a field, such as {{ json: {{ value: … }} }}.",
            kind(&value)
        )));
    };
    if !written_out {
        return Ok(Item::new(object));
    }
    if let Some(stray) = object.keys().find(|key| !ITEM_KEYS.contains(&key.as_str())) {
        return Err(wrong(&format!(
            "Item {index} of what the code returned has the key \"{stray}\" beside {}. Put the \
             data of an item into json: {{ json: {{ {stray}: … }} }}.",
            ITEM_KEYS.join(", ")
        )));
    }
    let mut json = match object.shift_remove("json") {
        Some(Value::Object(json)) => json,
        None => Object::new(),
        Some(other) => {
            return Err(wrong(&format!(
                "In item {index} of what the code returned json is {}. It must be an object.",
                kind(&other)
            )));
        }
    };
    if let Some(error) = object.shift_remove("error").filter(|error| !error.is_null()) {
        json.insert("error".to_owned(), error);
    }
    let binary = match object.shift_remove("binary") {
        None | Some(Value::Null) => None,
        Some(value) => Some(files(value, index)?),
    };
    let pairing = object.shift_remove("pairedItem").or_else(|| object.shift_remove("paired_item"));
    let pairing = Pairing::deserialize(pairing.unwrap_or_default()).map_err(|_| {
        wrong(&format!(
            "In item {index} of what the code returned pairedItem must be the index of an input \
             item, {{ item, input }}, or a list of them."
        ))
    })?;
    Ok(Item { json: Arc::new(json), binary, pairing })
}

fn files(value: Value, index: usize) -> Result<Arc<BTreeMap<String, BinaryRef>>, NodeError> {
    BTreeMap::deserialize(value).map(Arc::new).map_err(|error| {
        wrong(&format!(
            "In item {index} of what the code returned binary cannot be used ({error}). Pass on \
             binary properties of input items; new files are made by nodes that write them."
        ))
    })
}

fn wrong(detail: &str) -> NodeError {
    NodeError::fatal(codes::NODE_FAILED, detail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn data(items: &[Item]) -> Vec<Value> {
        items.iter().map(|item| Value::Object(Object::clone(&item.json))).collect()
    }

    #[test]
    fn plain_objects_are_wrapped_and_written_out_items_are_taken() {
        let items = of_all(json!([{"a": 1}, {"a": 2}]), 2).unwrap();
        assert_eq!(data(&items), [json!({"a": 1}), json!({"a": 2})]);
        assert_eq!(items[1].pairing, from(1, 0));
        let items = of_all(json!({"json": {"a": 1}, "pairedItem": 4}), 9).unwrap();
        assert_eq!(data(&items), [json!({"a": 1})]);
        assert_eq!(items[0].pairing, from(4, 0));
        assert!(of_all(Value::Null, 1).unwrap().is_empty());
        let items = of_all(json!([{"json": {"a": 1}, "error": "no"}]), 1).unwrap();
        assert_eq!(data(&items), [json!({"a": 1, "error": "no"})]);
    }

    #[test]
    fn wrong_shapes_are_refused_with_the_item_and_the_mend() {
        for (value, word) in [
            (json!(1), "a number"),
            (json!("x"), "a text"),
            (json!([1]), "Item 0"),
            (json!([{"json": {}}, {"a": 1}]), "\"a\""),
            (json!([{"json": 1}]), "json is a number"),
            (json!([{"json": {}, "pairedItem": "x"}]), "pairedItem"),
            (json!([{"json": {}, "binary": {"x": 1}}]), "binary"),
        ] {
            let error = of_all(value.clone(), 1).unwrap_err().problem();
            assert!(error.detail.contains(word), "{value}: {}", error.detail);
        }
    }

    #[test]
    fn per_item_code_may_leave_items_out_and_return_no_lists() {
        let items = of_each(json!([{"a": 1}, null, {"json": {"a": 3}}])).unwrap();
        assert_eq!(data(&items), [json!({"a": 1}), json!({"a": 3})]);
        assert_eq!(items[1].pairing, from(2, 0));
        assert!(of_each(json!([[{"a": 1}]])).unwrap_err().problem().detail.contains("item 0"));
    }
}
