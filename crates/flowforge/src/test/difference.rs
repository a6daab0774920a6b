//! Two values side by side, for people: lines that are missing begin with `-`, those that are too
//! much with `+`.

use kernel::Value;

/// Lines of a value that are compared one by one; of longer ones only the beginning is shown.
const LINES_MAX: usize = 1_000;
/// Lines around a difference.
const AROUND: usize = 3;

/// Whether two values are the same, `4` and `4.0` being so.
pub(crate) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// Whether `whole` has at least what `part` has.
pub(crate) fn holds(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, part)| whole.get(key).is_some_and(|whole| holds(whole, part)))
        }
        (whole, part) => same(whole, part),
    }
}

/// What is different between what was expected and what there is.
pub(crate) fn show(expected: &Value, got: &Value) -> String {
    let lines = |value: &Value| -> Vec<String> {
        let text = match value {
            Value::String(text) => text.clone(),
            value => format!("{value:#}"),
        };
        text.lines().take(LINES_MAX).map(str::to_owned).collect()
    };
    let (old, new) = (lines(expected), lines(&ordered_like(expected, got)));
    let steps = steps(&old, &new);
    let different: Vec<usize> =
        steps.iter().enumerate().filter(|(_, step)| step.0 != ' ').map(|(at, _)| at).collect();
    let near = |at: usize| different.iter().any(|other| other.abs_diff(at) <= AROUND);
    let mut out = String::new();
    let mut left_out = false;
    for (at, (mark, line)) in steps.iter().enumerate() {
        if near(at) {
            out.push_str(&format!("{mark} {line}\n"));
            left_out = false;
        } else if !left_out {
            out.push_str("  …\n");
            left_out = true;
        }
    }
    out
}

/// The value with the keys of its objects in the order of the other's, so that only what is different
/// shows.
fn ordered_like(model: &Value, value: &Value) -> Value {
    match (model, value) {
        (Value::Object(model), Value::Object(object)) => {
            let known = model.keys().filter_map(|key| Some((key, object.get(key)?)));
            let other = object.iter().filter(|(key, _)| !model.contains_key(*key));
            known
                .chain(other)
                .map(|(key, value)| {
                    let model = model.get(key).unwrap_or(&Value::Null);
                    (key.clone(), ordered_like(model, value))
                })
                .collect()
        }
        (Value::Array(model), Value::Array(list)) => {
            let models = model.iter().chain(std::iter::repeat(&Value::Null));
            list.iter().zip(models).map(|(value, model)| ordered_like(model, value)).collect()
        }
        (Value::Number(model), Value::Number(number)) if model.as_f64() == number.as_f64() => {
            Value::Number(model.clone())
        }
        (_, value) => value.clone(),
    }
}

/// The lines of both with their marks, by the longest common part.
fn steps(old: &[String], new: &[String]) -> Vec<(char, String)> {
    let width = new.len() + 1;
    let mut longest = vec![0_u32; (old.len() + 1) * width];
    for at in (0..old.len()).rev() {
        for other in (0..new.len()).rev() {
            longest[at * width + other] = if old[at] == new[other] {
                longest[(at + 1) * width + other + 1] + 1
            } else {
                longest[(at + 1) * width + other].max(longest[at * width + other + 1])
            };
        }
    }
    let (mut at, mut other) = (0, 0);
    let mut steps = Vec::new();
    while at < old.len() || other < new.len() {
        if at < old.len() && other < new.len() && old[at] == new[other] {
            steps.push((' ', old[at].clone()));
            (at, other) = (at + 1, other + 1);
        } else if other >= new.len()
            || (at < old.len()
                && longest[(at + 1) * width + other] >= longest[at * width + other + 1])
        {
            steps.push(('-', old[at].clone()));
            at += 1;
        } else {
            steps.push(('+', new[other].clone()));
            other += 1;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_different_is_marked_whatever_the_order_of_keys() {
        let expected = json!([{ "a": 1, "b": 2 }, { "c": 3 }]);
        let got = json!([{ "b": 2.0, "a": 7 }, { "c": 3 }]);
        let shown = show(&expected, &got);
        assert!(shown.contains("-     \"a\": 1,\n+     \"a\": 7,\n"), "{shown}");
        assert_eq!(shown.matches(['-', '+']).count(), 2, "{shown}");
    }

    #[test]
    fn numbers_are_the_same_by_value_and_parts_are_found_in_wholes() {
        assert!(same(&json!([4, { "x": 1.0 }]), &json!([4.0, { "x": 1 }])));
        assert!(!same(&json!({ "a": 1 }), &json!({ "a": 1, "b": 2 })));
        assert!(holds(&json!({ "a": { "b": 1, "c": 2 } }), &json!({ "a": { "b": 1 } })));
        assert!(!holds(&json!({ "a": [1, 2] }), &json!({ "a": [1] })));
    }
}
