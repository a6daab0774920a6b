//! Path and query string, where every value is text: what the texts are meant to be.

use kernel::{Object, Value, json};

use super::shape::{Checks, Kind, Shape};

/// Percent-decodes `a=1&b=x+y`. Text that is not UTF-8 after decoding gets U+FFFD.
pub(crate) fn decode_query(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(text))
        })
        .collect()
}

/// Fields as a JSON object: what a schema calls a number or true and false is read as such, a list
/// is made of all texts of its name. What cannot be read stays a text, which the walk then refuses.
/// Names that come twice without being a list are told apart.
pub(super) fn object(
    checks: &Checks,
    shape: &Shape,
    fields: impl IntoIterator<Item = (String, String)>,
) -> (Value, Vec<String>) {
    let shape = checks.resolve(shape);
    let (mut object, mut repeated) = (Object::new(), Vec::new());
    for (name, text) in fields {
        let property = shape.properties.iter().find(|(known, _)| *known == name);
        let list = property.and_then(|(_, property)| items(checks, property));
        match (list, object.get_mut(&name)) {
            (Some(items), Some(Value::Array(list))) => list.push(value(checks, items, text)),
            (Some(items), _) => {
                object.insert(name, Value::Array(vec![value(checks, items, text)]));
            }
            (None, Some(_)) => repeated.push(name),
            (None, None) => {
                let value = match property {
                    Some((_, property)) => value(checks, property, text),
                    None => Value::String(text),
                };
                object.insert(name, value);
            }
        }
    }
    (Value::Object(object), repeated)
}

/// The shape of the entries, where a list is meant.
fn items<'s>(checks: &'s Checks, shape: &'s Shape) -> Option<&'s Shape> {
    let shape = checks.resolve(shape);
    match &shape.items {
        Some(items) => Some(items),
        None => shape.any.iter().chain(&shape.all).find_map(|inner| items(checks, inner)),
    }
}

fn value(checks: &Checks, shape: &Shape, text: String) -> Value {
    let read = |wanted: &[Kind], is: fn(&Value) -> bool| {
        let meant = wanted.iter().any(|kind| means(checks, shape, *kind));
        meant.then(|| json::parse_str(&text).ok().filter(is)).flatten()
    };
    if means(checks, shape, Kind::String) {
        return Value::String(text);
    }
    read(&[Kind::Boolean], Value::is_boolean)
        .or_else(|| read(&[Kind::Integer, Kind::Number], Value::is_number))
        .unwrap_or(Value::String(text))
}

/// Whether a value of this kind may stand there by its type.
fn means(checks: &Checks, shape: &Shape, kind: Kind) -> bool {
    let shape = checks.resolve(shape);
    let inside = || shape.any.iter().chain(&shape.all).any(|inner| means(checks, inner, kind));
    shape.kinds.contains(&kind) || inside()
}
