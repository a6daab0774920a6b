//! Paths that name fields: `a.b`, `a[0].b`, `a["x.y"]`. Parsed once, when the workflow is read.

use std::fmt;

use kernel::{Object, Value};

/// Largest list index a path may write, so that a short parameter cannot make a huge list.
const INDEX_MAX: usize = 9_999;
/// Most steps of a path: keys of data become paths too, and each step is a level of what is written.
const STEPS_MAX: usize = 100;
/// Most bytes of a path of several steps.
const PATH_BYTES_MAX: usize = 4_096;

/// A field's place in an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    text: String,
    /// One step, the whole text, when the path is longer than allowed.
    steps: Vec<Step>,
    too_long: bool,
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
        let plain = !dots || !text.contains(['.', '[']);
        let found = match plain {
            true => None,
            false if text.len() > PATH_BYTES_MAX => Some(None),
            false => Some(steps(text)),
        };
        let too_long = found == Some(None);
        let steps = found.flatten().unwrap_or_else(|| vec![Step::new(text)]);
        Self { text: text.to_owned(), steps, too_long }
    }

    /// Why nothing can be written here, whatever the item.
    pub(crate) fn fault(&self) -> Option<String> {
        let start = self.text.get(..40).unwrap_or_default();
        self.too_long.then(|| {
            format!(
                "The path that begins with \"{start}\" has more than {STEPS_MAX} steps or \
                 {PATH_BYTES_MAX} bytes. Set \"dot_notation\": false to take it as one field's name."
            )
        })
    }

    /// Puts a value at this place as [`Self::set`] does, but makes a list at most one element longer:
    /// a short name in data cannot make a huge list.
    pub(crate) fn put(&self, object: &mut Object, value: Value) -> Result<(), String> {
        match self.fault().or_else(|| self.gap(object)) {
            Some(fault) => Err(fault),
            None => {
                self.set(object, value);
                Ok(())
            }
        }
    }

    /// Which step would leave a gap in a list.
    fn gap(&self, object: &Object) -> Option<String> {
        let [first, rest @ ..] = self.steps.as_slice() else { return None };
        if rest.is_empty() || object.contains_key(&self.text) {
            return None;
        }
        let mut place = object.get(&first.key);
        for step in rest {
            let length = match place {
                Some(Value::Array(list)) => list.len(),
                Some(Value::Object(_)) => usize::MAX,
                // A list or an object is made in its place.
                _ => 0,
            };
            if let Some(index) = step.index.filter(|index| *index > length) {
                return Some(format!(
                    "\"{self}\" names element {index} of a list that has {length}: write element \
                     {length} first, or make the list as a whole."
                ));
            }
            place = place.and_then(|place| step.get(place));
        }
        None
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

    /// Puts a value at this place, which exists in the object it was taken out of; what stands in the way of the path is replaced.
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

/// The steps of a path; nothing when there are more than allowed.
fn steps(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = text;
    while steps.len() < STEPS_MAX {
        if let Some(inside) = rest.strip_prefix('[')
            && let Some((key, after)) = bracketed(inside)
        {
            steps.push(Step::new(key));
            rest = after.strip_prefix('.').unwrap_or(after);
            if after.is_empty() {
                return Some(steps);
            }
            continue;
        }
        let end = rest
            .char_indices()
            .find(|(at, c)| *c == '.' || (*c == '[' && bracketed(&rest[at + 1..]).is_some()))
            .map_or(rest.len(), |(at, _)| at);
        steps.push(Step::new(&rest[..end]));
        if end == rest.len() {
            return Some(steps);
        }
        rest = rest[end..].strip_prefix('.').unwrap_or(&rest[end..]);
    }
    None
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
    fn a_list_grows_by_one_element_at_a_time_where_data_names_the_place() {
        let mut item = object(json!({"a": [1], "o": {}}));
        for path in ["a[1]", "a[2].b", "n[0]", "o[7]", "a[2].c[0][0]"] {
            Path::new(path, true).put(&mut item, json!(2)).unwrap();
        }
        let grown = json!({"a": [1, 2, {"b": 2, "c": [[2]]}], "o": {"7": 2}, "n": [2]});
        assert_eq!(Value::Object(item.clone()), grown);
        for path in ["a[4]", "m[1]", "m.x[9999]", "a[0][1]", "n[0].x[1]"] {
            let fault = Path::new(path, true).put(&mut item, json!(3)).unwrap_err();
            assert!(fault.contains("of a list that has"), "{path}: {fault}");
        }
        assert_eq!(Value::Object(item), grown);
    }

    #[test]
    fn a_path_of_more_than_a_hundred_steps_writes_nothing_and_reads_the_field_of_that_name() {
        for (path, steps) in [("a.".repeat(99) + "a", 100), ("[0]".repeat(100), 100)] {
            assert_eq!(Path::new(&path, true).steps.len(), steps);
            assert_eq!(Path::new(&path, true).fault(), None);
        }
        for path in ["a.".repeat(100_000), "a.".repeat(100) + "a", "[0]".repeat(101)] {
            let long = Path::new(&path, true);
            let mut item = object(json!({ "other": 1 }));
            assert!(long.put(&mut item, json!(1)).unwrap_err().contains("more than 100 steps"));
            assert_eq!(Value::Object(item), json!({ "other": 1 }));
            let same = object(json!({ &path: 2 }));
            assert_eq!(long.get(&same), Some(&json!(2)));
        }
        let name = "a".repeat(10_000);
        assert_eq!(Path::new(&name, true).fault(), None);
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
