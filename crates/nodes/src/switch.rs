//! `core.switch`: several ways on.

use std::borrow::Cow;
use std::collections::HashSet;

use kernel::suggest::did_you_mean;
use kernel::{FieldProblem, Item, Items, Problem, Value, codes};
use node::{About, AllItems, Expr, NodeContext, NodeError, NodeType, PortNames, params};

use crate::conditions::Conditions;
use crate::passing::{chosen, pass};
use crate::values::{parse_number, shown};

/// Outputs a switch may have.
const OUTPUTS_MAX: u64 = 100;

/// Sends each item to the output of the rule it fits, or to the output an expression names.
#[params(check = Switch::faults, default(mode = "rules"))]
#[serde(tag = "mode", rename_all = "snake_case")]
pub(crate) enum Switch {
    /// One output for each rule, named after it.
    Rules {
        /// The rules, tried in order.
        #[schemars(length(min = 1, max = 100))]
        rules: Vec<Rule>,
        /// Where items go that fit no rule: `none` drops them, `output` makes one more output
        /// `fallback`, or the name of a rule.
        #[serde(default = "none")]
        fallback: String,
        /// Whether an item goes to every rule it fits instead of the first only.
        #[serde(default)]
        all_matching: bool,
    },
    /// Outputs `0`, `1`, `2` … and an expression that says which.
    Expression {
        /// Number of the output, from 0.
        output: Expr<Value>,
        /// How many outputs there are.
        #[serde(default = "four")]
        #[schemars(range(min = 1, max = 100))]
        outputs: u64,
    },
}

/// One rule.
#[params]
pub(crate) struct Rule {
    /// Name of the output; its number, from 0, if there is none.
    #[serde(default)]
    name: Option<String>,
    /// What must hold for an item to go there.
    conditions: Conditions,
}

fn none() -> String {
    "none".to_owned()
}

fn four() -> u64 {
    4
}

pub(crate) const NODE: NodeType = NodeType::all::<Switch>();

fn names(rules: &[Rule]) -> impl Iterator<Item = Cow<'_, str>> {
    rules.iter().enumerate().map(|(index, rule)| match &rule.name {
        Some(name) => Cow::Borrowed(name.as_str()),
        None => Cow::Owned(index.to_string()),
    })
}

impl Rule {
    /// Whether item `item` fits it; `number` is the rule's place among them, for errors.
    fn fits(&self, number: usize, cx: &NodeContext, item: usize) -> Result<bool, Problem> {
        self.conditions.hold(&cx.scope, item).map_err(|mut problem| {
            problem.detail.insert_str(0, &format!("rules/{number}/"));
            problem
        })
    }
}

impl Switch {
    fn faults(&self) -> Vec<FieldProblem> {
        let fault = |pointer: String, detail: String| FieldProblem {
            pointer,
            code: codes::NODE_PARAMETER.to_string(),
            detail,
        };
        let Self::Rules { rules, fallback, .. } = self else { return Vec::new() };
        let mut faults = Vec::new();
        let mut seen = HashSet::new();
        for (index, (rule, name)) in rules.iter().zip(names(rules)).enumerate() {
            faults.extend(rule.conditions.check(&format!("/rules/{index}/conditions")));
            let detail = match name.as_ref() {
                "" => "The name must not be empty.".to_owned(),
                "none" | "output" | "fallback" | "error" => {
                    format!("\"{name}\" has a meaning of its own: choose another name.")
                }
                _ if !seen.insert(name.clone()) => {
                    format!("There are two outputs \"{name}\": names must differ.")
                }
                _ => continue,
            };
            faults.push(fault(format!("/rules/{index}/name"), detail));
        }
        if fallback != "none" && fallback != "output" && !seen.contains(fallback.as_str()) {
            let known: Vec<&str> =
                ["none", "output"].into_iter().chain(seen.iter().map(Cow::as_ref)).collect();
            let detail = format!(
                "\"{fallback}\" is neither \"none\" nor \"output\" nor a rule.{}",
                did_you_mean(fallback, known)
            );
            faults.push(fault("/fallback".to_owned(), detail));
        }
        faults
    }
}

impl AllItems for Switch {
    const ABOUT: About = About::new("core.switch", 1)
        .synonyms(&["router", "case", "route", "branch"])
        .examples(include_str!("../cases/switch.json"))
        .itemwise()
        .group("flow")
        .imports(&["n8n-nodes-base.switch"])
        .example(
            r#"{"rules": [
                {"name": "small", "conditions": {"all": [
                    {"left": "={{ $json.size }}", "operator": "number.lt", "right": 10}]}},
                {"name": "large", "conditions": {"all": [
                    {"left": "={{ $json.size }}", "operator": "number.gte", "right": 10}]}}
            ], "fallback": "output"}"#,
        );

    fn outputs(&self) -> PortNames {
        match self {
            Self::Rules { rules, fallback, .. } => {
                let extra = (fallback == "output").then(|| "fallback".to_owned());
                names(rules).map(Cow::into_owned).chain(extra).collect()
            }
            Self::Expression { outputs, .. } => {
                (0..*outputs).map(|index| index.to_string()).collect()
            }
        }
    }

    async fn all(&self, cx: &NodeContext, inputs: &[Items]) -> Result<Vec<Items>, NodeError> {
        let mut outputs: Vec<Vec<Item>> = vec![Vec::new(); self.outputs().len()];
        match self {
            Self::Rules { rules, fallback, all_matching } => {
                let fallback = match fallback.as_str() {
                    "none" => None,
                    "output" => Some(rules.len()),
                    name => names(rules).position(|known| known == name),
                };
                for (index, item) in chosen(cx, inputs) {
                    let mut fits = false;
                    for (number, (rule, output)) in rules.iter().zip(&mut outputs).enumerate() {
                        if (*all_matching || !fits) && rule.fits(number, cx, index)? {
                            output.push(pass(item, index, 0));
                            fits = true;
                        }
                    }
                    if let (false, Some(fallback)) = (fits, fallback) {
                        outputs[fallback].push(pass(item, index, 0));
                    }
                }
            }
            Self::Expression { output, outputs: count } => {
                for (index, item) in chosen(cx, inputs) {
                    let port = port(&*output.view(&cx.scope, index)?, *count, index)?;
                    outputs[port].push(pass(item, index, 0));
                }
            }
        }
        Ok(outputs.into_iter().map(Items::new).collect())
    }
}

/// The output an expression's value names.
fn port(value: &Value, count: u64, item: usize) -> Result<usize, Problem> {
    let number = match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => parse_number(text),
        _ => None,
    };
    let index = number.and_then(|number| {
        number
            .as_u64()
            .or_else(|| number.as_f64().filter(|n| n.fract() == 0.0 && *n >= 0.0).map(|n| n as u64))
    });
    index.filter(|index| *index < count.min(OUTPUTS_MAX)).map(|index| index as usize).ok_or_else(
        || {
            let detail = format!(
                "\"output\" gave {} for item {item}, but the outputs are 0 to {}.",
                shown(value),
                count.saturating_sub(1)
            );
            Problem::new(codes::NODE_INPUT, detail)
        },
    )
}
