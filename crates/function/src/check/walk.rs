//! The walk over a value: collects every fault with its place, in words for people.

use kernel::{Object, Value, json, suggest};

use super::shape::{Bounds, Checks, Kind, Others, Range, Shape};

/// Faults told at most; who has made so many will read the schema.
const FAULTS_MAX: usize = 100;
/// How deep choices stand in choices.
const CHOICES_DEPTH_MAX: u8 = 4;
/// Characters of a value that are shown.
const SHOWN_MAX: usize = 60;

/// A wrong place: its JSON pointer and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) pointer: String,
    pub(super) what: String,
}

/// The faults of a value, at most [`FAULTS_MAX`]; `pointer` is where the value stands.
pub(super) fn faults(checks: &Checks, shape: &Shape, value: &Value, pointer: &str) -> Vec<Fault> {
    let mut walk = Walk { checks, pointer: pointer.to_owned(), faults: Vec::new() };
    walk.look(shape, value);
    walk.faults
}

struct Walk<'c> {
    checks: &'c Checks,
    pointer: String,
    faults: Vec<Fault>,
}

impl Walk<'_> {
    fn look(&mut self, shape: &Shape, value: &Value) {
        if self.faults.len() >= FAULTS_MAX {
            return;
        }
        let shape = self.checks.resolve(shape);
        if !shape.kinds.is_empty() && !shape.kinds.iter().any(|kind| is(value, *kind)) {
            return self.fault(format!("must be {}, not {}", kinds(&shape.kinds), shown(value)));
        }
        if !shape.values.is_empty() && !shape.values.contains(value) {
            return self.fault(not_among(&shape.values.iter().collect::<Vec<_>>(), value));
        }
        for inner in &shape.all {
            self.look(inner, value);
        }
        if !shape.any.is_empty() {
            self.any(&shape.any, value);
        }
        match value {
            Value::String(text) => self.text(shape, text),
            Value::Number(number) => self.number(shape, number),
            Value::Array(list) => self.list(shape, list),
            Value::Object(object) => self.object(shape, object),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn text(&mut self, shape: &Shape, text: &str) {
        let length = text.chars().count() as u64;
        if let Some(wanted) = outside(shape.length, length) {
            self.fault(format!("must have {wanted} characters; it has {length}"));
        }
        if let Some(pattern) = &shape.pattern
            && !pattern.is_match(text)
        {
            self.fault(format!("must match the pattern {pattern}"));
        }
        if let Some(wanted) = shape.format.and_then(|format| format.refuse_text(text)) {
            self.fault(format!("must be {wanted}, not {}", quoted(text)));
        }
    }

    fn number(&mut self, shape: &Shape, number: &serde_json::Number) {
        let size = number.as_f64().unwrap_or(f64::INFINITY);
        if let Some(wanted) = beyond(shape.number, size) {
            self.fault(format!("must be {wanted}, not {number}"));
        } else if let Some(wanted) = shape.format.and_then(|format| format.refuse_number(number)) {
            self.fault(format!("must be {wanted}, not {number}"));
        }
    }

    fn list(&mut self, shape: &Shape, list: &[Value]) {
        let entries = list.len() as u64;
        if let Some(wanted) = outside(shape.entries, entries) {
            self.fault(format!("must have {wanted} entries; it has {entries}"));
        }
        if let Some(items) = &shape.items {
            for (index, entry) in list.iter().enumerate() {
                self.at(&index.to_string(), |walk| walk.look(items, entry));
            }
        }
        if shape.unique {
            for (index, entry) in list.iter().enumerate() {
                if list[..index].contains(entry) {
                    self.at(&index.to_string(), |walk| {
                        walk.fault("stands there twice".to_owned());
                    });
                }
            }
        }
    }

    fn object(&mut self, shape: &Shape, object: &Object) {
        for name in shape.required.iter().filter(|name| !object.contains_key(*name)) {
            self.at(name, |walk| walk.fault("is missing".to_owned()));
        }
        for (name, member) in object {
            let property = shape.properties.iter().find(|(known, _)| known == name);
            match (property, &shape.others) {
                (Some((_, property)), _) => self.at(name, |walk| walk.look(property, member)),
                (None, Others::Allowed) => {}
                (None, Others::Like(other)) => self.at(name, |walk| walk.look(other, member)),
                (None, Others::Refused) => {
                    let known = shape.properties.iter().map(|(known, _)| known.as_str());
                    let what = unknown(name, known.collect());
                    self.at(name, |walk| walk.fault(what));
                }
            }
        }
    }

    /// A value that must fit one of several shapes.
    fn any(&mut self, shapes: &[Shape], value: &Value) {
        let fits = |shape: &&Shape| faults(self.checks, shape, value, "").is_empty();
        if shapes.iter().any(|shape| fits(&shape)) {
            return;
        }
        let resolved = leaves(self.checks, shapes, CHOICES_DEPTH_MAX);
        // Several words of which one is meant.
        let words: Vec<&Value> = resolved.iter().flat_map(|shape| &shape.values).collect();
        let near: Vec<&&Shape> = resolved.iter().filter(|shape| may_mean(shape, value)).collect();
        match near.as_slice() {
            [one] => self.look(one, value),
            [] if !words.is_empty() && !value.is_object() => self.fault(not_among(&words, value)),
            _ if self.tagged(&resolved, value) => {}
            _ => {
                let all: Vec<Kind> =
                    resolved.iter().flat_map(|shape| shape.kinds.clone()).collect();
                let wanted = if all.iter().any(|kind| is(value, *kind)) || all.is_empty() {
                    "does not fit any of the forms allowed here".to_owned()
                } else {
                    format!("must be {}, not {}", kinds(&all), shown(value))
                };
                self.fault(wanted);
            }
        }
    }

    /// An object whose tag says which of several it means: false when there is no tag. A tag that
    /// none has is the fault.
    fn tagged(&mut self, shapes: &[&Shape], value: &Value) -> bool {
        let Some(object) = value.as_object() else { return false };
        let tag = shapes.iter().flat_map(|shape| &shape.properties).find(|(_, property)| {
            let property = self.checks.resolve(property);
            property.values.len() == 1
        });
        let Some((name, _)) = tag else { return false };
        let tags: Vec<&Value> = shapes
            .iter()
            .flat_map(|shape| &shape.properties)
            .filter(|(other, _)| other == name)
            .flat_map(|(_, property)| &self.checks.resolve(property).values)
            .collect();
        let name = name.clone();
        match object.get(&name) {
            None => self.at(&name, |walk| walk.fault("is missing".to_owned())),
            Some(given) => self.at(&name, |walk| walk.fault(not_among(&tags, given))),
        }
        true
    }

    fn at(&mut self, key: &str, look: impl FnOnce(&mut Self)) {
        let length = self.pointer.len();
        json::push_key(&mut self.pointer, key);
        look(self);
        self.pointer.truncate(length);
    }

    fn fault(&mut self, what: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { pointer: self.pointer.clone(), what });
        }
    }
}

/// The shapes of a choice, with those of choices inside of it.
fn leaves<'s>(checks: &'s Checks, shapes: &'s [Shape], depth: u8) -> Vec<&'s Shape> {
    let inside = |shape: &'s Shape| {
        let shape = checks.resolve(shape);
        match shape.any.as_slice() {
            inner @ [_, ..] if depth > 0 => leaves(checks, inner, depth - 1),
            _ => vec![shape],
        }
    };
    shapes.iter().flat_map(inside).collect()
}

/// Whether a shape is what somebody who wrote this value had in mind: it is of its kind, and where
/// the shape has a tag, the value has the same.
fn may_mean(shape: &Shape, value: &Value) -> bool {
    let of_its_kind = shape.kinds.iter().any(|kind| is(value, *kind));
    let tags = shape.properties.iter().filter(|(_, property)| property.values.len() == 1);
    let mut tagged = tags.map(|(name, property)| value.get(name) == property.values.first());
    of_its_kind && shape.values.is_empty() && tagged.all(|one| one)
}

fn is(value: &Value, kind: Kind) -> bool {
    match kind {
        Kind::Null => value.is_null(),
        Kind::Boolean => value.is_boolean(),
        // By its digits: 1.0 and 1e3 are read as fractions by the types behind.
        Kind::Integer => value.as_number().is_some_and(|number| {
            number.to_string().bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        }),
        Kind::Number => value.is_number(),
        Kind::String => value.is_string(),
        Kind::Array => value.is_array(),
        Kind::Object => value.is_object(),
    }
}

fn kinds(kinds: &[Kind]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for kind in kinds {
        let word = match kind {
            Kind::Null => "null",
            Kind::Boolean => "true or false",
            Kind::Integer => "a whole number",
            Kind::Number => "a number",
            Kind::String => "text",
            Kind::Array => "a list",
            Kind::Object => "an object",
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(" or ")
}

/// A value as it is named in a sentence: small ones are shown.
fn shown(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    Value::String(shown).to_string()
}

fn not_among(allowed: &[&Value], value: &Value) -> String {
    let words: Vec<String> = allowed.iter().map(ToString::to_string).collect();
    let wanted = match words.as_slice() {
        [one] => one.clone(),
        several => format!("one of {}", several.join(", ")),
    };
    let words = allowed.iter().filter_map(|allowed| allowed.as_str());
    let meant = value.as_str().map(|text| suggest::did_you_mean(text, words)).unwrap_or_default();
    let full_stop = if meant.is_empty() { "" } else { "." };
    format!("must be {wanted}, not {}{full_stop}{meant}", shown(value))
}

fn unknown(name: &str, known: Vec<&str>) -> String {
    let meant = suggest::did_you_mean(name, known.iter().copied());
    match known.as_slice() {
        [] => "is not known: nothing is taken here".to_owned(),
        _ if !meant.is_empty() => format!("is not a known field.{meant}"),
        _ => format!("is not a known field; there are {}", known.join(", ")),
    }
}

/// What a size must be, when it lies outside.
fn outside(range: Range, size: u64) -> Option<String> {
    let fits = range.min.is_none_or(|min| min <= size) && range.max.is_none_or(|max| size <= max);
    if fits {
        return None;
    }
    Some(match (range.min, range.max) {
        (Some(min), Some(max)) if min == max => format!("exactly {min}"),
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => return None,
    })
}

/// What a number must be, when it is too small or too large.
fn beyond(bounds: Bounds, size: f64) -> Option<String> {
    let low =
        bounds.min.is_some_and(|min| size < min) || bounds.above.is_some_and(|min| size <= min);
    let high =
        bounds.max.is_some_and(|max| size > max) || bounds.below.is_some_and(|max| size >= max);
    if !low && !high {
        return None;
    }
    let from = bounds.min.map(|min| format!("at least {min}"));
    let from = from.or_else(|| bounds.above.map(|min| format!("more than {min}")));
    let to = bounds.max.map(|max| format!("at most {max}"));
    let to = to.or_else(|| bounds.below.map(|max| format!("less than {max}")));
    match (bounds.min, bounds.max) {
        (Some(min), Some(max)) => Some(format!("between {min} and {max}")),
        _ => Some([from, to].into_iter().flatten().collect::<Vec<_>>().join(" and ")),
    }
}
