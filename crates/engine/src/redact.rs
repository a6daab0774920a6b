//! Fields of items that are not shown: `settings.redact` of a workflow.
//!
//! A path leads from an item's data through objects by name, `*` being any one name; a list on the way
//! means each of its elements. What lies at its end is masked wherever a run is shown, and in the body
//! that stays in history when the run has ended. While the run lives its journal holds the values,
//! because it could not go on without them after a crash; no function shows the journal.

use std::sync::Arc;

use kernel::{Item, Items, Object, Value, json};

/// What stands where a value was.
pub(crate) const MASK: &str = "[redacted]";

/// Masks the fields at these paths.
#[derive(Clone, Copy)]
pub(crate) struct Redaction<'a>(pub(crate) &'a [String]);

impl Redaction<'_> {
    /// Whether nothing is masked.
    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The item as it may be shown.
    pub(crate) fn item(self, item: &Item) -> Item {
        if self.is_empty() {
            return item.clone();
        }
        let mut data = Value::Object(Object::clone(&item.json));
        self.mask(&mut data);
        let Value::Object(data) = data else { return item.clone() };
        Item { json: Arc::new(data), ..item.clone() }
    }

    /// The items as they may be shown.
    pub(crate) fn items(self, items: &Items) -> Items {
        if self.is_empty() {
            return Arc::clone(items);
        }
        Arc::new(items.iter().map(|item| self.item(item)).collect())
    }

    /// Whether a value is missing from one of these items because it was masked.
    pub(crate) fn has_masked(self, items: &[Item]) -> bool {
        !self.is_empty() && items.iter().any(|item| item.json.values().any(holds_mask))
    }

    /// Masks what lies at the paths from here.
    pub(crate) fn mask(self, data: &mut Value) {
        for path in self.0 {
            let path: Vec<&str> = path.split('.').collect();
            mask_at(data, &path);
        }
    }

    /// The body of a history row, a list of records, without the values: those of items, and every
    /// parameter of effects. The answer to the caller stays: whoever repeats the call gets it again.
    pub(crate) fn history(self, records: Vec<u8>) -> Vec<u8> {
        if self.is_empty() {
            return records;
        }
        match json::parse_own(&records) {
            Ok(mut parsed) => {
                self.mask_records(&mut parsed.value);
                parsed.value.to_string().into_bytes()
            }
            Err(error) => {
                // Our own writing: this cannot be. What cannot be masked is not kept.
                tracing::error!(%error, "a run's records cannot be masked");
                b"[]".to_vec()
            }
        }
    }

    fn mask_records(self, value: &mut Value) {
        match value {
            Value::Object(object) => {
                if let Some(data) = object.get_mut("json") {
                    return self.mask(data);
                }
                for (name, below) in object {
                    match name.as_str() {
                        "parameters" => *below = Value::Null,
                        // The record of a reply.
                        "a" if below.is_array() => {}
                        _ => self.mask_records(below),
                    }
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|below| self.mask_records(below)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

fn mask_at(value: &mut Value, path: &[&str]) {
    match (value, path) {
        (value, []) => *value = Value::String(MASK.to_owned()),
        (Value::Array(list), path) => list.iter_mut().for_each(|below| mask_at(below, path)),
        (Value::Object(object), ["*", rest @ ..]) => {
            object.values_mut().for_each(|below| mask_at(below, rest));
        }
        (Value::Object(object), [name, rest @ ..]) => {
            if let Some(below) = object.get_mut(*name) {
                mask_at(below, rest);
            }
        }
        (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_), _) => {}
    }
}

fn holds_mask(value: &Value) -> bool {
    match value {
        Value::String(text) => text == MASK,
        Value::Array(list) => list.iter().any(holds_mask),
        Value::Object(object) => object.values().any(holds_mask),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(paths: &[&str], text: &str) -> String {
        let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
        let mut value = json::parse_str(text).unwrap();
        Redaction(&paths).mask(&mut value);
        value.to_string()
    }

    #[test]
    fn a_path_leads_through_names_lists_and_stars() {
        let text = r#"{"a":{"b":1,"c":2},"list":[{"b":3},{"b":4},5]}"#;
        let expected = r#"{"a":{"b":"[redacted]","c":2},"list":[{"b":3},{"b":4},5]}"#;
        assert_eq!(masked(&["a.b", "missing.x", "a.c.d"], text), expected);
        let expected =
            r#"{"a":{"b":"[redacted]","c":2},"list":[{"b":"[redacted]"},{"b":"[redacted]"},5]}"#;
        assert_eq!(masked(&["*.b"], text), expected);
    }

    #[test]
    fn records_lose_values_of_items_and_parameters_of_effects() {
        let records = br#"[{"s":{"items":[{"json":{"key":1,"n":2}}]}},
            {"i":[1,1,[{"item":0,"parameters":{"url":"x"}}]]},{"f":[0,[[[0]]],{"b":1,"t":2}]}]"#;
        let paths = ["key".to_owned()];
        let kept = Redaction(&paths).history(records.to_vec());
        let expected = r#"[{"s":{"items":[{"json":{"key":"[redacted]","n":2}}]}},{"i":[1,1,[{"item":0,"parameters":null}]]},{"f":[0,[[[0]]],{"b":1,"t":2}]}]"#;
        assert_eq!(String::from_utf8(kept).unwrap(), expected);
    }
}
