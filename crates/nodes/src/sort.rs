//! `core.sort`: puts items in order.

use std::cmp::Ordering;
use std::time::Duration;

use kernel::suggest::did_you_mean;
use kernel::{FieldProblem, Item, Items, Problem, Value, codes};
use node::{About, AllItems, CodeMode, NodeContext, NodeError, NodeType, params};
use serde::Serialize;

use crate::code::{code_fault, run_code};
use crate::decimal::compare as compare_numbers;
use crate::passing::{first, pass};
use crate::paths::Path;

/// Puts the items in order: by fields, by chance or by code.
#[params(check = Sort::faults, default(mode = "fields"))]
#[serde(tag = "mode", rename_all = "snake_case")]
pub(crate) enum Sort {
    /// By fields, the first one first; items that are equal in all of them keep their order.
    Fields {
        /// The fields to compare.
        #[schemars(length(min = 1))]
        fields: Vec<SortField>,
        /// Whether a dot in a field's name leads into nested objects.
        #[serde(default = "yes")]
        dot_notation: bool,
    },
    /// In a random order.
    Random {},
    /// By JavaScript of your own.
    Code {
        /// The body of a function of two items `a` and `b`: a number below 0 when `a` comes first,
        /// above 0 when `b` does, else 0. Their data is `a.json` and `b.json`.
        code: String,
    },
}

/// A field to sort by.
#[params]
pub(crate) struct SortField {
    /// The field. Texts compare without regard to upper and lower case; null and absent values
    /// come last either way.
    #[schemars(length(min = 1))]
    field: String,
    /// Smallest or largest first.
    #[serde(default)]
    order: Order,
}

/// A direction.
#[params]
#[derive(Copy, Default, Serialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    /// Smallest first: 1, 2, 3; a, b, c.
    #[default]
    Ascending,
    /// Largest first: 3, 2, 1; c, b, a.
    Descending,
}

fn yes() -> bool {
    true
}

pub(crate) const NODE: NodeType = NodeType::all::<Sort>();

/// Longest time that code may take to compare all items.
const CODE_TIME_MAX: Duration = Duration::from_secs(10);

impl Sort {
    fn faults(&self) -> Vec<FieldProblem> {
        match self {
            Self::Fields { .. } | Self::Random {} => Vec::new(),
            // By itself, so that it cannot end the function around it; and inside that, where it
            // cannot wait for a promise.
            Self::Code { code } => {
                let alone = code_fault(code);
                alone.or_else(|| code_fault(&sorting(code))).into_iter().collect()
            }
        }
    }
}

impl AllItems for Sort {
    const ABOUT: About = About::new("core.sort", 1)
        .synonyms(&["order", "arrange", "shuffle", "random"])
        .examples(include_str!("../cases/sort.json"))
        .imports(&["n8n-nodes-base.sort"])
        .example(r#"{"fields": [{"field": "name"}, {"field": "age", "order": "descending"}]}"#);

    async fn all(&self, cx: &NodeContext, inputs: &[Items]) -> Result<Vec<Items>, NodeError> {
        let items = first(inputs);
        let order = match self {
            Self::Fields { fields, dot_notation } => by_fields(items, fields, *dot_notation)?,
            Self::Random {} => shuffled(items.len(), || cx.services.dice.next_u64()),
            Self::Code { code } => by_code(cx, inputs, code).await?,
        };
        let sorted = order.into_iter().map(|index| pass(&items[index], index, 0)).collect();
        Ok(vec![Items::new(sorted)])
    }
}

/// What an item is compared by: one key per field.
enum Key {
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    Other(String),
    Absent,
}

impl Key {
    fn of(value: Option<&Value>) -> Self {
        match value {
            None | Some(Value::Null) => Self::Absent,
            Some(Value::Bool(truth)) => Self::Bool(*truth),
            Some(Value::Number(number)) => Self::Number(number.clone()),
            Some(Value::String(text)) => Self::Text(text.to_lowercase()),
            Some(other) => Self::Other(other.to_string()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Number(_) => 1,
            Self::Text(_) => 2,
            Self::Other(_) => 3,
            Self::Absent => 4,
        }
    }

    fn compare(&self, other: &Self, order: Order) -> Ordering {
        let ascending = match (self, other) {
            (Self::Absent, _) | (_, Self::Absent) => return self.rank().cmp(&other.rank()),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => compare_numbers(a, b),
            (Self::Text(a), Self::Text(b)) | (Self::Other(a), Self::Other(b)) => a.cmp(b),
            (a, b) => a.rank().cmp(&b.rank()),
        };
        match order {
            Order::Ascending => ascending,
            Order::Descending => ascending.reverse(),
        }
    }
}

fn by_fields(items: &[Item], fields: &[SortField], dots: bool) -> Result<Vec<usize>, Problem> {
    let paths: Vec<Path> = fields.iter().map(|field| Path::new(&field.field, dots)).collect();
    for path in &paths {
        if !items.is_empty() && items.iter().all(|item| path.get(&item.json).is_none()) {
            let known = items[0].json.keys().map(String::as_str);
            let detail = format!(
                "No item has a field \"{path}\" to sort by.{}",
                did_you_mean(path.text(), known)
            );
            return Err(Problem::new(codes::NODE_INPUT, detail));
        }
    }
    let keys: Vec<Vec<Key>> = items
        .iter()
        .map(|item| paths.iter().map(|path| Key::of(path.get(&item.json))).collect())
        .collect();
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by(|a, b| {
        let pairs = keys[*a].iter().zip(&keys[*b]).zip(fields);
        pairs
            .map(|((a, b), field)| a.compare(b, field.order))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    });
    Ok(order)
}

/// The script that gives the items' indexes in order. The code begins on its first line, so that its
/// lines keep their numbers.
fn sorting(code: &str) -> String {
    format!(
        "const compare=(a,b)=>{{{code}\n}};\
         return items.map((_,at)=>at).sort((one,other)=>compare(items[one],items[other]))"
    )
}

async fn by_code(cx: &NodeContext, inputs: &[Items], code: &str) -> Result<Vec<usize>, NodeError> {
    let items = inputs.first().cloned().unwrap_or_default();
    let count = items.len();
    if count < 2 {
        return Ok((0..count).collect());
    }
    let value = run_code(cx, sorting(code), CodeMode::Once, items, CODE_TIME_MAX).await?.value;
    let index = |value: &Value| usize::try_from(value.as_u64()?).ok().filter(|at| *at < count);
    let order: Option<Vec<usize>> =
        value.as_array().and_then(|order| order.iter().map(index).collect());
    order.filter(|order| order.len() == count).ok_or_else(|| {
        tracing::error!("the script around a comparison gave no order");
        Problem::internal().into()
    })
}

/// Fisher and Yates: every order is equally likely.
fn shuffled(count: usize, mut dice: impl FnMut() -> u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        let chosen = (u128::from(dice()) * (last as u128 + 1)) >> 64;
        order.swap(last, chosen as usize);
    }
    order
}
