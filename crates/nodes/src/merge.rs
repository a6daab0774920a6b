//! `core.merge`: several streams of items become one.

use kernel::{FieldProblem, Item, Items, Object, Pairing, Problem, codes, limits};
use node::{About, AllItems, NodeContext, NodeError, NodeType, PortNames, params};
use serde::Serialize;

use crate::clash::{Clash, INPUTS_MAX, Prefer};
use crate::join::{Join, Match, Matches, Side};
use crate::passing::{pass, source};

/// Brings the items of several inputs together.
#[params(check = Merge::faults, default(mode = "append"))]
#[serde(tag = "mode", rename_all = "snake_case")]
pub(crate) enum Merge {
    /// One input after the other.
    Append {
        /// How many inputs there are.
        #[serde(default = "two")]
        #[schemars(range(min = 2, max = 10))]
        inputs: u8,
    },
    /// The first items of all inputs as one item, then the second ones, and so on.
    ByPosition {
        /// How many inputs there are.
        #[serde(default = "two")]
        #[schemars(range(min = 2, max = 10))]
        inputs: u8,
        /// Whether to go on when the shortest input has ended.
        #[serde(default)]
        include_unpaired: bool,
        /// Whose value stands where several have the same field.
        #[serde(default)]
        clash: Clash,
    },
    /// Items of two inputs whose fields have the same values, like a join of tables.
    ByFields {
        /// The fields that must have the same value: names, or `{input_1, input_2}` where they are
        /// called otherwise.
        #[schemars(length(min = 1))]
        fields: Vec<Match>,
        /// Which items come out.
        #[serde(default)]
        join: Join,
        /// From which input the data comes, with `keep_matches` and `keep_non_matches`.
        #[serde(default)]
        output: Side,
        /// What happens with several matches.
        #[serde(default)]
        multiple: Matches,
        /// Whether `"5"` matches 5, `"true"` matches true, and empty matches absent.
        #[serde(default)]
        fuzzy: bool,
        /// Whether a dot in a field's name leads into nested objects.
        #[serde(default = "yes")]
        dot_notation: bool,
        /// Whose value stands where both have the same field; with `enrich_input_2`, `last` means
        /// input 1.
        #[serde(default)]
        clash: Clash,
    },
    /// Each item of input 1 with each item of input 2.
    AllCombinations {
        /// Whose value stands where both have the same field.
        #[serde(default)]
        clash: Clash,
    },
    /// The items of one input, once all have come. It is skipped when one of them can get none.
    Choose {
        /// How many inputs there are.
        #[serde(default = "two")]
        #[schemars(range(min = 2, max = 10))]
        inputs: u8,
        /// Number of the input, from 1.
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 10))]
        input: u8,
        /// What comes out.
        #[serde(default)]
        output: Chosen,
    },
}

/// What comes out of a choice.
#[params]
#[derive(Copy, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Chosen {
    /// The items of the chosen input.
    #[default]
    Items,
    /// One empty item.
    Empty,
}

fn yes() -> bool {
    true
}

fn one() -> u8 {
    1
}

fn two() -> u8 {
    2
}

pub(crate) const NODE: NodeType = NodeType::all::<Merge>();

impl Merge {
    fn count(&self) -> u8 {
        match self {
            Self::Append { inputs } | Self::ByPosition { inputs, .. } => *inputs,
            Self::Choose { inputs, .. } => *inputs,
            Self::ByFields { .. } | Self::AllCombinations { .. } => 2,
        }
        .min(INPUTS_MAX)
    }

    fn faults(&self) -> Vec<FieldProblem> {
        let count = self.count();
        let (pointer, input) = match self {
            Self::Choose { input, .. } => ("/input", *input),
            Self::ByPosition { clash, .. }
            | Self::ByFields { clash, .. }
            | Self::AllCombinations { clash } => match clash.prefer {
                Prefer::Input(input) => ("/clash/prefer", input),
                Prefer::Last | Prefer::Suffix => return Vec::new(),
            },
            Self::Append { .. } => return Vec::new(),
        };
        if input <= count {
            return Vec::new();
        }
        let code = codes::NODE_PARAMETER.to_string();
        let detail = format!("There is no input {input}: this merge has {count}.");
        vec![FieldProblem { pointer: pointer.to_owned(), code, detail }]
    }
}

impl AllItems for Merge {
    const ABOUT: About = About::new("core.merge", 1)
        .synonyms(&["join", "combine", "union", "zip", "wait for"])
        .examples(include_str!("../cases/merge.json"))
        .group("flow")
        .inputs(&["input_1", "input_2"])
        .imports(&["n8n-nodes-base.merge"])
        .example(
            r#"{"mode": "by_fields", "fields": [{"input_1": "id", "input_2": "user_id"}],
                "join": "enrich_input_1"}"#,
        );

    fn inputs(&self) -> PortNames {
        (1..=self.count()).map(|number| format!("input_{number}")).collect()
    }

    fn needs_every_input(&self) -> bool {
        matches!(self, Self::Choose { .. })
    }

    async fn all(&self, _: &NodeContext, inputs: &[Items]) -> Result<Vec<Items>, NodeError> {
        let input = |number: u8| -> &[Item] {
            inputs.get(usize::from(number) - 1).map(|items| items.as_slice()).unwrap_or_default()
        };
        let items = match self {
            Self::Append { inputs } => {
                let all = (1..=*inputs).flat_map(|number| {
                    let port = usize::from(number) - 1;
                    input(number).iter().enumerate().map(move |(i, item)| pass(item, i, port))
                });
                all.collect()
            }
            Self::ByPosition { inputs, include_unpaired, clash } => {
                let all: Vec<&[Item]> = (1..=*inputs).map(input).collect();
                side_by_side(&all, *include_unpaired, clash)
            }
            Self::ByFields { fields, join, output, multiple, fuzzy, dot_notation, clash } => {
                let plan = crate::join::Plan {
                    fields,
                    join: *join,
                    output: *output,
                    multiple: *multiple,
                    fuzzy: *fuzzy,
                    dots: *dot_notation,
                    clash,
                };
                plan.run(input(1), input(2))?
            }
            Self::AllCombinations { clash } => combined(input(1), input(2), clash)?,
            Self::Choose { input: chosen, output: Chosen::Items, .. } => {
                let port = usize::from(*chosen) - 1;
                input(*chosen).iter().enumerate().map(|(i, item)| pass(item, i, port)).collect()
            }
            Self::Choose { inputs, output: Chosen::Empty, .. } => {
                let all = (1..=*inputs).flat_map(|number| {
                    let count = input(number).len();
                    (0..count).map(move |index| source(index, usize::from(number) - 1))
                });
                vec![Item { pairing: Pairing::of(all), ..Item::new(Object::new()) }]
            }
        };
        Ok(vec![items.into()])
    }
}

fn side_by_side(inputs: &[&[Item]], include_unpaired: bool, clash: &Clash) -> Vec<Item> {
    let lengths = inputs.iter().map(|items| items.len());
    let count = if include_unpaired { lengths.max() } else { lengths.min() }.unwrap_or(0);
    let at = |index: usize| {
        let parts: Vec<(u8, &Item)> = (1..)
            .zip(inputs)
            .filter_map(|(number, items)| Some((number, items.get(index)?)))
            .collect();
        let sources = parts.iter().map(|(number, _)| source(index, usize::from(*number) - 1));
        clash.together(&parts, Pairing::of(sources))
    };
    (0..count).map(at).collect()
}

fn combined(first: &[Item], second: &[Item], clash: &Clash) -> Result<Vec<Item>, Problem> {
    let count = first.len().saturating_mul(second.len());
    if count > limits::ITEMS_PER_OUTPUT_MAX {
        let detail = format!(
            "{} × {} items are more than {}: filter them before, or merge by fields.",
            first.len(),
            second.len(),
            limits::ITEMS_PER_OUTPUT_MAX
        );
        return Err(Problem::new(codes::NODE_LIMIT, detail));
    }
    let mut items = Vec::with_capacity(count);
    for (i, one) in first.iter().enumerate() {
        for (j, other) in second.iter().enumerate() {
            let pairing = Pairing::of([source(i, 0), source(j, 1)]);
            items.push(clash.together(&[(1, one), (2, other)], pairing));
        }
    }
    Ok(items)
}
