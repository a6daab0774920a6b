//! `core.summarize`: figures over groups of items.

use std::collections::{HashMap, HashSet};

use kernel::suggest::did_you_mean;
use kernel::{FieldProblem, Item, Items, Object, Pairing, Problem, Value, codes};
use node::{About, AllItems, NodeContext, NodeError, NodeType, params};
use serde::Serialize;

use crate::decimal::compare as compare_numbers;
use crate::passing::{first, source};
use crate::paths::Path;
use crate::values::{key, number, text};

/// Groups the items by fields and works out figures for each group.
#[params(check = Summarize::faults)]
pub(crate) struct Summarize {
    /// The fields whose values make the groups. None: all items are one group.
    #[serde(default)]
    by: Vec<String>,
    /// The figures.
    #[schemars(length(min = 1))]
    values: Vec<Figure>,
    /// How the groups come out.
    #[serde(default)]
    output: Output,
    /// Whether a dot in a field's name leads into nested objects.
    #[serde(default = "yes")]
    dot_notation: bool,
    /// Whether items that lack a field of `by` are left out; otherwise they are the group null.
    #[serde(default)]
    skip_missing: bool,
}

/// One figure.
#[params]
pub(crate) struct Figure {
    /// The field it is worked out from. `count` needs none: it then counts the items.
    #[serde(default)]
    field: Option<String>,
    /// What is worked out.
    operation: Operation,
    /// Its name in the result; else the operation and the field, such as `sum_price`.
    #[serde(default, rename = "as")]
    name: Option<String>,
    /// Whether empty values (null, absent, empty text) count too.
    #[serde(default)]
    include_empty: bool,
    /// What `concatenate` puts between the values.
    #[serde(default = "comma")]
    separator: String,
}

/// What is worked out.
#[params]
#[derive(Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Operation {
    /// The values as a list.
    Append,
    /// The mean of the numbers; null if there are none.
    Average,
    /// The values as one text.
    Concatenate,
    /// How many values there are.
    Count,
    /// How many different values there are.
    CountUnique,
    /// The largest value; null if there is none.
    Max,
    /// The smallest value; null if there is none.
    Min,
    /// The sum of the numbers.
    Sum,
}

/// How the groups come out.
#[params]
#[derive(Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Output {
    /// An item for each group.
    #[default]
    Items,
    /// One item, in which the groups are nested by the values of `by`.
    Single,
}

fn yes() -> bool {
    true
}

fn comma() -> String {
    ",".to_owned()
}

pub(crate) const NODE: NodeType = NodeType::all::<Summarize>();

impl Figure {
    fn name(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let operation = match self.operation {
            Operation::Append => "appended",
            Operation::Average => "average",
            Operation::Concatenate => "concatenated",
            Operation::Count => "count",
            Operation::CountUnique => "unique_count",
            Operation::Max => "max",
            Operation::Min => "min",
            Operation::Sum => "sum",
        };
        let Some(field) = &self.field else { return operation.to_owned() };
        let field: String = field
            .chars()
            .filter(|c| !matches!(c, '[' | ']' | '"'))
            .map(|c| if matches!(c, '.' | ' ') { '_' } else { c })
            .collect();
        format!("{operation}_{field}")
    }
}

impl Summarize {
    fn faults(&self) -> Vec<FieldProblem> {
        let mut faults = Vec::new();
        let mut fault = |pointer: String, detail: String| {
            let code = codes::NODE_PARAMETER.to_string();
            faults.push(FieldProblem { pointer, code, detail });
        };
        let mut seen: HashSet<String> = self.by.iter().cloned().collect();
        for (index, figure) in self.values.iter().enumerate() {
            let field = figure.field.as_deref().unwrap_or_default();
            if field.is_empty() && figure.operation != Operation::Count {
                let detail = "Only \"count\" works without a field: name one.".to_owned();
                fault(format!("/values/{index}/field"), detail);
            }
            if !seen.insert(figure.name()) {
                let detail = format!(
                    "There are two results \"{}\": give one another name by \"as\".",
                    figure.name()
                );
                fault(format!("/values/{index}/as"), detail);
            }
        }
        faults
    }
}

impl AllItems for Summarize {
    const ABOUT: About = About::new("core.summarize", 1)
        .synonyms(&["group by", "pivot", "count", "sum", "average", "statistics"])
        .examples(include_str!("../cases/summarize.json"))
        .imports(&["n8n-nodes-base.summarize"])
        .example(
            r#"{"by": ["country"], "values": [
                {"operation": "count"},
                {"field": "price", "operation": "sum", "as": "total"}
            ]}"#,
        );

    async fn all(&self, _: &NodeContext, inputs: &[Items]) -> Result<Vec<Items>, NodeError> {
        let items = first(inputs);
        let by: Vec<Path> = self.by.iter().map(|by| Path::new(by, self.dot_notation)).collect();
        let figures: Vec<(&Figure, String, Option<Path>)> = self
            .values
            .iter()
            .map(|figure| {
                let path = figure.field.as_deref().map(|name| Path::new(name, self.dot_notation));
                (figure, figure.name(), path)
            })
            .collect();
        for path in by.iter().chain(figures.iter().filter_map(|(_, _, path)| path.as_ref())) {
            check_known(items, path)?;
        }
        let groups = grouped(items, &by, self.skip_missing, self.output);
        let summary = |group: &Group| {
            let mut json = Object::new();
            for (figure, name, path) in &figures {
                json.insert(name.clone(), figure.of(items, &group.items, path.as_ref()));
            }
            json
        };
        let made = match self.output {
            Output::Items => {
                groups.iter().map(|group| separate(group, &by, summary(group))).collect()
            }
            Output::Single => vec![nested(&groups, summary)],
        };
        Ok(vec![Items::new(made)])
    }
}

/// A field that no item has is a slip, unless there are no items.
fn check_known(items: &[Item], path: &Path) -> Result<(), Problem> {
    if items.is_empty() || items.iter().any(|item| path.get(&item.json).is_some()) {
        return Ok(());
    }
    let known = items[0].json.keys().map(String::as_str);
    let detail = format!("No item has a field \"{path}\".{}", did_you_mean(path.text(), known));
    Err(Problem::new(codes::NODE_INPUT, detail))
}

struct Group {
    /// Values of the fields they are grouped by.
    values: Vec<Value>,
    /// Indexes of the items.
    items: Vec<usize>,
}

impl Group {
    fn pairing(&self) -> Pairing {
        Pairing::of(self.items.iter().map(|index| source(*index, 0)))
    }
}

/// Groups in the order in which they first appear, nested: all groups of the first field's first
/// value, then of its second …
fn grouped(items: &[Item], by: &[Path], skip_missing: bool, output: Output) -> Vec<Group> {
    let mut groups = vec![Group { values: Vec::new(), items: (0..items.len()).collect() }];
    for path in by {
        let mut finer: Vec<Group> = Vec::new();
        for group in &groups {
            let mut known: HashMap<String, usize> = HashMap::new();
            let mut named: HashMap<String, usize> = HashMap::new();
            for index in &group.items {
                let value = path.get(&items[*index].json).unwrap_or(&Value::Null);
                if skip_missing && value.is_null() {
                    continue;
                }
                let at = *known.entry(key(value)).or_insert_with(|| {
                    // In one item the groups are fields: values with one text share one.
                    let name = (output == Output::Single).then(|| text(value));
                    if let Some(at) = name.as_ref().and_then(|name| named.get(name)) {
                        return *at;
                    }
                    named.extend(name.map(|name| (name, finer.len())));
                    let values = group.values.iter().chain([value]).cloned().collect();
                    finer.push(Group { values, items: Vec::new() });
                    finer.len() - 1
                });
                finer[at].items.push(*index);
            }
        }
        groups = finer;
    }
    groups
}

fn separate(group: &Group, by: &[Path], summary: Object) -> Item {
    let mut json = Object::new();
    for (path, value) in by.iter().zip(&group.values) {
        json.insert(path.text().to_owned(), value.clone());
    }
    json.extend(summary);
    Item { pairing: group.pairing(), ..Item::new(json) }
}

fn nested(groups: &[Group], summary: impl Fn(&Group) -> Object) -> Item {
    let mut json = Object::new();
    for group in groups {
        let mut place = &mut json;
        for value in &group.values {
            let below = place.entry(text(value)).or_insert_with(|| Object::new().into());
            place = below.as_object_mut().expect("only objects are put at group names");
        }
        place.extend(summary(group));
    }
    let all = groups.iter().flat_map(|group| group.items.iter());
    let pairing = Pairing::of(all.map(|index| source(*index, 0)));
    Item { pairing, ..Item::new(json) }
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(str::is_empty)
}

impl Figure {
    fn of(&self, items: &[Item], group: &[usize], path: Option<&Path>) -> Value {
        let Some(path) = path else { return Value::from(group.len()) };
        let all = group.iter().map(|i| path.get(&items[*i].json).unwrap_or(&Value::Null));
        let values: Vec<&Value> =
            all.filter(|value| self.include_empty || !is_blank(value)).collect();
        match self.operation {
            Operation::Append => values.into_iter().cloned().collect(),
            Operation::Concatenate => {
                let texts: Vec<String> = values.into_iter().map(text).collect();
                Value::String(texts.join(&self.separator))
            }
            Operation::Count => Value::from(values.len()),
            Operation::CountUnique => {
                let keys: HashSet<String> = values.into_iter().map(key).collect();
                Value::from(keys.len())
            }
            Operation::Max => extreme(&values, std::cmp::Ordering::Greater),
            Operation::Min => extreme(&values, std::cmp::Ordering::Less),
            Operation::Sum => sum(&values).0,
            Operation::Average => match sum(&values) {
                (_, 0) => Value::Null,
                (sum, count) => number(sum.as_f64().unwrap_or(f64::NAN) / count as f64),
            },
        }
    }
}

/// The sum of the numbers among the values, exact while they are whole, and how many they are.
fn sum(values: &[&Value]) -> (Value, usize) {
    let numbers: Vec<&serde_json::Number> =
        values.iter().filter_map(|value| value.as_number()).collect();
    let whole = numbers
        .iter()
        .try_fold(0_i128, |sum, number| sum.checked_add(number.as_i128()?))
        .and_then(serde_json::Number::from_i128);
    let sum = match whole {
        Some(whole) => Value::Number(whole),
        None => number(numbers.iter().filter_map(|number| number.as_f64()).sum()),
    };
    (sum, numbers.len())
}

/// The largest or smallest value; numbers go before texts if both occur.
fn extreme(values: &[&Value], wanted: std::cmp::Ordering) -> Value {
    let numbers = values.iter().filter_map(|value| value.as_number());
    let best = numbers.reduce(
        |best, next| {
            if compare_numbers(next, best) == wanted { next } else { best }
        },
    );
    if let Some(best) = best {
        return Value::Number(best.clone());
    }
    let texts = values.iter().filter_map(|value| value.as_str());
    let best = texts.reduce(|best, next| if next.cmp(best) == wanted { next } else { best });
    best.map_or(Value::Null, Value::from)
}
