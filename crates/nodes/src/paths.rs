//! Paths that name fields: `a.b`, `a[0].b`, `a["x.y"]`. Parsed once, when the workflow is read.

use std::fmt;

use kernel::{Object, Value};

/// Largest list index a path may write, so that a short parameter cannot make a huge list.
const INDEX_MAX: usize = 9_999;

/// A field's place in an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    text: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    key: String,
    /// The same as a list index, if it is one.
    index: Option<usize>,
}

impl Step {
    fn new(key: &str) -> Self {
        let plain = key == "0" || (!key.starts_with('0') && !key.starts_with('+'));
        let index = key.parse().ok().filter(|index| plain && *index <= INDEX_MAX);
        Self { key: key.to_owned(), index }
    }

    fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        match value {
            Value::Object(object) => object.get(&self.key),
            Value::Array(list) => self.index.and_then(|index| list.get(index)),
            _ => None,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Path {
    /// Reads a path. With `dots` off the whole text is one field's name.
    pub(crate) fn new(text: &str, dots: bool) -> Self {
        let steps = if dots { steps(text) } else { vec![Step::new(text)] };
        Self { text: text.to_owned(), steps }
    }

    /// The path as it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The last field's name: what a value taken out of its place is called.
    pub(crate) fn leaf(&self) -> &str {
        self.steps.last().map_or("", |step| &step.key)
    }

    /// The value at this place. A field whose name is the whole text goes before a nested one.
    pub(crate) fn get<'v>(&self, object: &'v Object) -> Option<&'v Value> {
        let [first, rest @ ..] = self.steps.as_slice() else { return None };
        if rest.is_empty() {
            return object.get(&first.key);
        }
        if let Some(value) = object.get(&self.text) {
            return Some(value);
        }
        rest.iter().try_fold(object.get(&first.key)?, |value, step| step.get(value))
    }

    /// Puts a value at this place; what stands in the way of the path is replaced.
    pub(crate) fn set(&self, object: &mut Object, value: Value) {
        let [first, rest @ ..] = self.steps.as_slice() else { return };
        if rest.is_empty() {
            object.insert(first.key.clone(), value);
            return;
        }
        if let Some(same) = object.get_mut(&self.text) {
            *same = value;
            return;
        }
        let mut place = object.entry(first.key.as_str()).or_insert(Value::Null);
        for step in rest {
            place = below(place, step);
        }
        *place = value;
    }

    /// Takes the value away; lists keep their length.
    pub(crate) fn remove(&self, object: &mut Object) {
        let [first, rest @ ..] = self.steps.as_slice() else { return };
        if rest.is_empty() || object.contains_key(&self.text) {
            object.shift_remove(if rest.is_empty() { &first.key } else { &self.text });
            return;
        }
        let (last, between) = rest.split_last().expect("rest was tested not to be empty");
        let Some(mut place) = object.get_mut(&first.key) else { return };
        for step in between {
            let next = match place {
                Value::Object(object) => object.get_mut(&step.key),
                Value::Array(list) => step.index.and_then(|index| list.get_mut(index)),
                _ => None,
            };
            match next {
                Some(next) => place = next,
                None => return,
            }
        }
        match place {
            Value::Object(object) => {
                object.shift_remove(&last.key);
            }
            Value::Array(list) => {
                if let Some(value) = last.index.and_then(|index| list.get_mut(index)) {
                    *value = Value::Null;
                }
            }
            _ => {}
        }
    }
}

/// The place of a step below a value, made if need be.
fn below<'v>(value: &'v mut Value, step: &Step) -> &'v mut Value {
    match (&*value, step.index) {
        (Value::Array(_), Some(_)) | (Value::Object(_), _) => {}
        (_, Some(_)) => *value = Value::Array(Vec::new()),
        (_, None) => *value = Value::Object(Object::new()),
    }
    match (value, step.index) {
        (Value::Array(list), Some(index)) => {
            if list.len() <= index {
                list.resize(index + 1, Value::Null);
            }
            &mut list[index]
        }
        (Value::Object(object), _) => object.entry(step.key.as_str()).or_insert(Value::Null),
        _ => unreachable!("the value was made a list or an object above"),
    }
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = text;
    loop {
        if let Some(inside) = rest.strip_prefix('[')
            && let Some((key, after)) = bracketed(inside)
        {
            steps.push(Step::new(key));
            rest = after.strip_prefix('.').unwrap_or(after);
            if after.is_empty() {
                return steps;
            }
            continue;
        }
        let end = rest
            .char_indices()
            .find(|(at, c)| *c == '.' || (*c == '[' && bracketed(&rest[at + 1..]).is_some()))
            .map_or(rest.len(), |(at, _)| at);
        steps.push(Step::new(&rest[..end]));
        if end == rest.len() {
            return steps;
        }
        rest = rest[end..].strip_prefix('.').unwrap_or(&rest[end..]);
    }
}

/// What stands between brackets, and what follows: `0]`, `"x.y"]`, `'x.y']`.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    for quote in ['"', '\''] {
        if let Some(quoted) = text.strip_prefix(quote) {
            let (key, after) = quoted.split_once(quote)?;
            return Some((key, after.strip_prefix(']')?));
        }
    }
    let (key, after) = text.split_once(']')?;
    key.bytes().all(|b| b.is_ascii_digit()).then_some((key, after)).filter(|_| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Object {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_path_reads_through_objects_and_lists() {
        let item = object(json!({"a": {"b": [{"c": 1}, {"c": 2}]}, "x.y": 3, "d": {"e.f": 4}}));
        for (path, found) in [
            ("a.b[1].c", Some(2)),
            ("a.b.0.c", Some(1)),
            ("x.y", Some(3)),
            ("d[\"e.f\"]", Some(4)),
            ("d['e.f']", Some(4)),
            ("a.c", None),
            ("a.b[7].c", None),
            ("a.b.c", None),
        ] {
            let value = Path::new(path, true).get(&item).and_then(Value::as_i64);
            assert_eq!(value, found, "{path}");
        }
        assert_eq!(Path::new("a.b", false).get(&item), None);
    }

    #[test]
    fn a_path_writes_what_is_missing_and_keeps_the_rest() {
        for (path, before, after) in [
            ("a", json!({}), json!({"a": 1})),
            ("a.b", json!({"a": {"c": 2}}), json!({"a": {"c": 2, "b": 1}})),
            ("a.b", json!({"a": "text"}), json!({"a": {"b": 1}})),
            ("a[1].b", json!({}), json!({"a": [null, {"b": 1}]})),
            ("a.key", json!({"a": [1]}), json!({"a": {"key": 1}})),
            ("a[0]", json!({"a": {"x": 2}}), json!({"a": {"x": 2, "0": 1}})),
        ] {
            let mut item = object(before);
            Path::new(path, true).set(&mut item, json!(1));
            assert_eq!(Value::Object(item), after, "{path}");
        }
        let mut item = Object::new();
        Path::new("a.b", false).set(&mut item, json!(1));
        assert_eq!(Value::Object(item), json!({"a.b": 1}));
    }

    #[test]
    fn a_path_removes_only_what_it_names() {
        let mut item = object(json!({"a": {"b": 1, "c": [1, 2]}, "d": 1}));
        Path::new("a.b", true).remove(&mut item);
        Path::new("a.c[0]", true).remove(&mut item);
        Path::new("a.x.y", true).remove(&mut item);
        Path::new("d", true).remove(&mut item);
        assert_eq!(Value::Object(item), json!({"a": {"c": [null, 2]}}));
    }

    #[test]
    fn an_enormous_index_is_a_key_and_makes_no_enormous_list() {
        let mut item = Object::new();
        Path::new("a[4000000000]", true).set(&mut item, json!(1));
        assert_eq!(Value::Object(item), json!({"a": {"4000000000": 1}}));
    }

    #[test]
    fn odd_brackets_are_part_of_the_name() {
        for path in ["a[", "a[x]", "a[]", "[", "a]b"] {
            let mut item = Object::new();
            Path::new(path, true).set(&mut item, json!(1));
            assert_eq!(Path::new(path, true).get(&item), Some(&json!(1)), "{path}");
        }
    }
}
