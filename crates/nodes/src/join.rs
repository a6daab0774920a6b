//! Merging by fields: items of two inputs that have the same values, found by hash.

use std::collections::HashMap;

use kernel::{Item, Pairing, Problem, Value, codes, limits};
use node::params;
use serde::Serialize;

use crate::clash::{Clash, Prefer};
use crate::passing::{from, pass, source};
use crate::paths::Path;
use crate::values::{equal, key, parse_number};

/// Two fields that must have the same value.
#[params]
#[serde(untagged)]
pub(crate) enum Match {
    /// A field that is called the same in both inputs.
    Same(#[schemars(length(min = 1))] String),
    /// A field of each input.
    Pair(Pair),
}

/// A field of each input.
#[params]
pub(crate) struct Pair {
    /// The field of input 1.
    #[schemars(length(min = 1))]
    input_1: String,
    /// The field of input 2.
    #[schemars(length(min = 1))]
    input_2: String,
}

impl Match {
    fn names(&self) -> (&str, &str) {
        match self {
            Self::Same(name) => (name, name),
            Self::Pair(pair) => (&pair.input_1, &pair.input_2),
        }
    }
}

/// Which items come out of a merge by fields.
#[params]
#[derive(Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Join {
    /// Those that match, put together (inner join).
    #[default]
    KeepMatches,
    /// Those that match nothing.
    KeepNonMatches,
    /// Those that match, then the rest of input 1, then the rest of input 2 (outer join).
    KeepEverything,
    /// All of input 1, with what matches of input 2 (left join).
    #[serde(rename = "enrich_input_1")]
    EnrichInput1,
    /// All of input 2, with what matches of input 1 (right join).
    #[serde(rename = "enrich_input_2")]
    EnrichInput2,
}

/// From which input the data comes.
#[params]
#[derive(Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    /// Both; items without a match then say in `_source` where they are from.
    #[default]
    Both,
    /// Input 1.
    #[serde(rename = "input_1")]
    Input1,
    /// Input 2.
    #[serde(rename = "input_2")]
    Input2,
}

/// What happens when an item of input 1 matches several of input 2.
#[params]
#[derive(Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Matches {
    /// Each match gives an item.
    #[default]
    All,
    /// The first match counts.
    First,
}

/// A merge by fields.
pub(crate) struct Plan<'p> {
    pub(crate) fields: &'p [Match],
    pub(crate) join: Join,
    pub(crate) output: Side,
    pub(crate) multiple: Matches,
    pub(crate) fuzzy: bool,
    pub(crate) dots: bool,
    pub(crate) clash: &'p Clash,
}

/// Which items found each other.
struct Found {
    pairs: Vec<(usize, usize)>,
    alone_1: Vec<usize>,
    alone_2: Vec<usize>,
}

impl Plan<'_> {
    pub(crate) fn run(&self, first: &[Item], second: &[Item]) -> Result<Vec<Item>, Problem> {
        let found = self.find(first, second)?;
        Ok(match self.join {
            Join::KeepMatches => self.matches(&found, first, second),
            Join::KeepNonMatches => self.non_matches(&found, first, second),
            Join::KeepEverything => {
                let mut items = self.pairs(&found, first, second, self.clash);
                items.extend(self.rest(1, first, &found.alone_1));
                items.extend(self.rest(2, second, &found.alone_2));
                items
            }
            Join::EnrichInput1 => {
                let mut items = self.pairs(&found, first, second, self.clash);
                items.extend(self.rest(1, first, &found.alone_1));
                items
            }
            Join::EnrichInput2 => {
                let mut clash = self.clash.clone();
                if clash.prefer == Prefer::Last {
                    clash.prefer = Prefer::Input(1);
                }
                let mut items = self.pairs(&found, first, second, &clash);
                items.extend(self.rest(2, second, &found.alone_2));
                items
            }
        })
    }

    fn find(&self, first: &[Item], second: &[Item]) -> Result<Found, Problem> {
        let named = self.fields.iter().map(Match::names);
        let paths_1: Vec<Path> = named.clone().map(|(one, _)| Path::new(one, self.dots)).collect();
        let paths_2: Vec<Path> = named.map(|(_, two)| Path::new(two, self.dots)).collect();
        let mut known: HashMap<String, Vec<usize>> = HashMap::with_capacity(second.len());
        for (index, item) in second.iter().enumerate() {
            known.entry(self.bucket(item, &paths_2)).or_default().push(index);
        }
        let mut matched = vec![false; second.len()];
        let mut found = Found { pairs: Vec::new(), alone_1: Vec::new(), alone_2: Vec::new() };
        for (index, item) in first.iter().enumerate() {
            let values: Option<Vec<&Value>> =
                paths_1.iter().map(|path| path.get(&item.json)).collect();
            let candidates = match values {
                Some(_) => known.get(&self.bucket(item, &paths_1)),
                None => None,
            };
            let values = values.unwrap_or_default();
            let before = found.pairs.len();
            for other in candidates.into_iter().flatten() {
                let theirs = paths_2.iter().map(|path| path.get(&second[*other].json));
                if values.iter().zip(theirs).all(|(a, b)| self.same(a, b)) {
                    found.pairs.push((index, *other));
                    matched[*other] = true;
                    if self.multiple == Matches::First {
                        break;
                    }
                }
            }
            if found.pairs.len() == before {
                found.alone_1.push(index);
            }
            if found.pairs.len() > limits::ITEMS_PER_OUTPUT_MAX {
                let detail = format!(
                    "There are more than {} matches: match more fields.",
                    limits::ITEMS_PER_OUTPUT_MAX
                );
                return Err(Problem::new(codes::NODE_LIMIT, detail));
            }
        }
        found.alone_2 = (0..second.len()).filter(|index| !matched[*index]).collect();
        Ok(found)
    }

    /// Items that match are in the same bucket; those in the same bucket mostly match.
    fn bucket(&self, item: &Item, paths: &[Path]) -> String {
        let mut bucket = String::new();
        for path in paths {
            match path.get(&item.json) {
                value if self.fuzzy => bucket.push_str(&fuzzy_key(value.unwrap_or(&Value::Null))),
                Some(value) => bucket.push_str(&key(value)),
                None => bucket.push('-'),
            }
            bucket.push('\n');
        }
        bucket
    }

    fn same(&self, a: &Value, b: Option<&Value>) -> bool {
        match b {
            Some(b) if self.fuzzy => fuzzy_equal(a, b),
            Some(b) => equal(a, b),
            None => self.fuzzy && fuzzy_equal(a, &Value::Null),
        }
    }

    fn matches(&self, found: &Found, first: &[Item], second: &[Item]) -> Vec<Item> {
        match self.output {
            Side::Both => self.pairs(found, first, second, self.clash),
            Side::Input1 => {
                let mut indexes: Vec<usize> = found.pairs.iter().map(|(index, _)| *index).collect();
                indexes.dedup();
                indexes.into_iter().map(|index| pass(&first[index], index, 0)).collect()
            }
            Side::Input2 => {
                let mut indexes: Vec<usize> = found.pairs.iter().map(|(_, index)| *index).collect();
                indexes.sort_unstable();
                indexes.dedup();
                indexes.into_iter().map(|index| pass(&second[index], index, 1)).collect()
            }
        }
    }

    fn non_matches(&self, found: &Found, first: &[Item], second: &[Item]) -> Vec<Item> {
        let one = || found.alone_1.iter().map(|index| pass(&first[*index], *index, 0));
        let two = || found.alone_2.iter().map(|index| pass(&second[*index], *index, 1));
        let marked = |mut item: Item, name: &str| {
            std::sync::Arc::make_mut(&mut item.json).insert("_source".to_owned(), name.into());
            item
        };
        match self.output {
            Side::Input1 => one().collect(),
            Side::Input2 => two().collect(),
            Side::Both => one()
                .map(|item| marked(item, "input1"))
                .chain(two().map(|item| marked(item, "input2")))
                .collect(),
        }
    }

    fn pairs(&self, found: &Found, first: &[Item], second: &[Item], clash: &Clash) -> Vec<Item> {
        let together = |(i, j): &(usize, usize)| {
            let pairing = Pairing::of([source(*i, 0), source(*j, 1)]);
            clash.together(&[(1, &first[*i]), (2, &second[*j])], pairing)
        };
        found.pairs.iter().map(together).collect()
    }

    fn rest(&self, input: u8, items: &[Item], alone: &[usize]) -> Vec<Item> {
        let port = usize::from(input) - 1;
        let one = |index: &usize| self.clash.alone(input, &items[*index], from(*index, port));
        alone.iter().map(one).collect()
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// The number or truth a text stands for.
fn read(text: &str) -> Option<Value> {
    match text {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        text => parse_number(text).map(Value::Number),
    }
}

fn fuzzy_key(value: &Value) -> String {
    match value {
        value if is_blank(value) => "-".to_owned(),
        Value::String(text) => read(text).map_or_else(|| key(value), |value| key(&value)),
        value => key(value),
    }
}

fn fuzzy_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a == b,
        (a, b) if is_blank(a) || is_blank(b) => is_blank(a) && is_blank(b),
        (Value::String(text), other) | (other, Value::String(text)) => {
            read(text).is_some_and(|value| equal(&value, other))
        }
        (a, b) => equal(a, b),
    }
}
