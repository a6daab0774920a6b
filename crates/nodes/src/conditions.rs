//! Conditions: what `if`, `filter` and `switch` ask of an item.
//!
//! A test compares `left` with `right` by an operator `kind.relation`. Both sides are first read as
//! that kind: strictly, a value of another kind is an error; loosely, it is converted where that
//! loses nothing (`"5"` is 5, `"true"` is true) and an error where it does not work. A missing
//! value is null: an empty text to text operators, and never before, after, greater or less.
//! Whether something exists can be asked of any value; whether it is empty, of its kind only.

use std::borrow::Cow;

use expr::Scope;
use kernel::{FieldProblem, Problem, Value, codes};
use node::{Expr, params};

use crate::decimal::compare as compare_numbers;
use crate::operator::{Kind, Operator, Relation};
use crate::pattern::LastPattern;
use crate::values::{self, equal, is_empty, moment, shown};

/// Conditions on an item: a list of tests of which all, or any, must hold.
#[params]
pub(crate) struct Conditions {
    /// Tests and groups that must all hold. Give either this or `any`.
    #[serde(default)]
    all: Option<Vec<Clause>>,
    /// Tests and groups of which one must hold.
    #[serde(default)]
    any: Option<Vec<Clause>>,
    /// Whether `A` and `a` are different letters.
    #[serde(default = "yes")]
    case_sensitive: bool,
    /// Whether values of another kind are converted instead of refused: `"5"` is the number 5.
    #[serde(default)]
    loose: bool,
}

fn yes() -> bool {
    true
}

/// A test, or a group of tests.
#[params]
#[serde(untagged)]
enum Clause {
    /// A group.
    Group(Group),
    /// A test.
    Test(Test),
}

/// A group of tests.
#[params]
#[serde(rename_all = "snake_case")]
enum Group {
    /// All of these must hold.
    All(Vec<Clause>),
    /// One of these must hold.
    Any(Vec<Clause>),
}

/// One test.
#[params]
struct Test {
    /// The value to test, usually an expression such as `={{ $json.status }}`.
    left: Expr<Value>,
    /// How it is tested: the kind of the values, then the relation.
    operator: Operator,
    /// What it is compared with; not needed by operators that look at one value only.
    #[serde(default)]
    right: Option<Expr<Value>>,
    #[serde(skip)]
    pattern: LastPattern,
}

#[derive(Clone, Copy)]
struct Manner {
    case_sensitive: bool,
    loose: bool,
}

impl Conditions {
    /// Whether they hold for item `item`.
    ///
    /// Errors: those of expressions, and `node.input` for a value of the wrong kind, both with the
    /// test's place below the parameters, such as `conditions/all/0`, and the item.
    pub(crate) fn hold(&self, scope: &Scope, item: usize) -> Result<bool, Problem> {
        let manner = Manner { case_sensitive: self.case_sensitive, loose: self.loose };
        let verdict = match (&self.all, &self.any) {
            (Some(all), _) => all_hold(all, manner, scope, item),
            (None, Some(any)) => any_holds(any, manner, scope, item),
            (None, None) => Ok(true),
        };
        verdict.map_err(|Misfit { place, mut problem }| {
            problem.detail = format!("conditions{place} of item {item}: {}", problem.detail);
            *problem
        })
    }

    /// Faults that types cannot say; `pointer` is where the conditions stand.
    pub(crate) fn check(&self, pointer: &str) -> Vec<FieldProblem> {
        let mut faults = Vec::new();
        match (&self.all, &self.any) {
            (Some(all), None) => check_all(all, &format!("{pointer}/all"), &mut faults),
            (None, Some(any)) => check_all(any, &format!("{pointer}/any"), &mut faults),
            (Some(_), Some(_)) => faults.push(fault(
                format!("{pointer}/any"),
                "Give either \"all\" or \"any\"; to mix them, put a group into the list.",
            )),
            (None, None) => {
                faults.push(fault(
                    pointer.to_owned(),
                    "Give the tests as a list \"all\" or \"any\".",
                ));
            }
        }
        faults
    }
}

fn fault(pointer: String, detail: impl Into<String>) -> FieldProblem {
    FieldProblem { pointer, code: codes::NODE_PARAMETER.to_string(), detail: detail.into() }
}

fn check_all(clauses: &[Clause], pointer: &str, faults: &mut Vec<FieldProblem>) {
    for (index, clause) in clauses.iter().enumerate() {
        let pointer = format!("{pointer}/{index}");
        match clause {
            Clause::Group(Group::All(all)) => check_all(all, &format!("{pointer}/all"), faults),
            Clause::Group(Group::Any(any)) => check_all(any, &format!("{pointer}/any"), faults),
            Clause::Test(test) => faults.extend(test.check(&pointer)),
        }
    }
}

/// Why a test could not be made, and where it stands below the conditions: `/all/0`.
struct Misfit {
    place: String,
    problem: Box<Problem>,
}

impl Misfit {
    fn below(mut self, list: &str, index: usize) -> Self {
        self.place.insert_str(0, &format!("/{list}/{index}"));
        self
    }
}

fn all_hold(all: &[Clause], manner: Manner, scope: &Scope, item: usize) -> Result<bool, Misfit> {
    for (index, clause) in all.iter().enumerate() {
        if !clause.holds(manner, scope, item).map_err(|misfit| misfit.below("all", index))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn any_holds(any: &[Clause], manner: Manner, scope: &Scope, item: usize) -> Result<bool, Misfit> {
    for (index, clause) in any.iter().enumerate() {
        if clause.holds(manner, scope, item).map_err(|misfit| misfit.below("any", index))? {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Clause {
    fn holds(&self, manner: Manner, scope: &Scope, item: usize) -> Result<bool, Misfit> {
        match self {
            Self::Group(Group::All(all)) => all_hold(all, manner, scope, item),
            Self::Group(Group::Any(any)) => any_holds(any, manner, scope, item),
            Self::Test(test) => test
                .holds(manner, scope, item)
                .map_err(|problem| Misfit { place: String::new(), problem: Box::new(problem) }),
        }
    }
}

impl Test {
    fn check(&self, pointer: &str) -> Option<FieldProblem> {
        if !self.operator.relation.wants_right() {
            return None;
        }
        let Some(right) = &self.right else {
            let detail =
                format!("\"{}\" compares with \"right\", which is missing.", self.operator);
            return Some(fault(format!("{pointer}/right"), detail));
        };
        if !matches!(self.operator.relation, Relation::Regex | Relation::NotRegex) {
            return None;
        }
        let pattern = right.as_literal()?;
        let detail = match pattern.as_str().map(|text| self.pattern.get(text)) {
            Some(Ok(_)) => return None,
            Some(Err(detail)) => detail,
            None => "A pattern is a text.".to_owned(),
        };
        Some(fault(format!("{pointer}/right"), detail))
    }

    fn holds(&self, manner: Manner, scope: &Scope, item: usize) -> Result<bool, Problem> {
        let Operator { kind, relation } = self.operator;
        let left = self.left.view(scope, item)?;
        match relation {
            Relation::Exists => return Ok(!left.is_null()),
            Relation::NotExists => return Ok(left.is_null()),
            Relation::IsEmpty | Relation::IsNotEmpty => {
                let left = self.read(left, kind, manner, scope, "left")?;
                return Ok(is_empty(&left) == (relation == Relation::IsEmpty));
            }
            _ => {}
        }
        let none = Cow::Owned(Value::Null);
        let right = match &self.right {
            Some(right) if relation.wants_right() => right.view(scope, item)?,
            _ => none,
        };
        let left = self.read(left, kind, manner, scope, "left")?;
        let right = self.read(right, relation.right_kind(kind), manner, scope, "right")?;
        match kind {
            Kind::Any | Kind::Object => Ok(false),
            Kind::String => self.strings(&left, &right, manner),
            Kind::Number => Ok(numbers(&left, &right, relation)),
            Kind::Boolean => Ok(booleans(&left, &right, relation)),
            Kind::Date => Ok(dates(&left, &right, relation, scope)),
            Kind::Array => Ok(arrays(&left, &right, relation, manner)),
        }
    }

    /// A side of the test as this kind.
    fn read<'v>(
        &self,
        value: Cow<'v, Value>,
        kind: Kind,
        manner: Manner,
        scope: &Scope,
        side: &str,
    ) -> Result<Cow<'v, Value>, Problem> {
        let right_kind = match (kind, value.as_ref()) {
            (Kind::Any, _) | (_, Value::Null) => true,
            (Kind::String, Value::String(_)) => true,
            (Kind::Number, Value::Number(_)) => true,
            (Kind::Boolean, Value::Bool(_)) => true,
            (Kind::Array, Value::Array(_)) => true,
            (Kind::Object, Value::Object(_)) => true,
            (Kind::Date, Value::String(text)) if text.is_empty() => true,
            (Kind::Date, value) => moment(value, &values::zone(&scope.workflow.timezone)).is_some(),
            _ => false,
        };
        if right_kind {
            return Ok(value);
        }
        let converted = if manner.loose { convert(&value, kind) } else { None };
        converted.map(Cow::Owned).ok_or_else(|| {
            let mend = if manner.loose || kind == Kind::Date {
                "convert it in an expression"
            } else {
                "convert it in an expression, or set \"loose\": true in the conditions"
            };
            let detail = format!(
                "{} wants {} on the {side}, but got {} ({}): {mend}.",
                self.operator,
                kind.wanted(),
                values::kind(&value),
                shown(&value),
            );
            Problem::new(codes::NODE_INPUT, detail)
        })
    }

    fn strings(&self, left: &Value, right: &Value, manner: Manner) -> Result<bool, Problem> {
        let folded = |value: &Value, fold: bool| -> String {
            let text = value.as_str().unwrap_or_default();
            if fold { text.to_lowercase() } else { text.to_owned() }
        };
        let relation = self.operator.relation;
        let is_pattern = matches!(relation, Relation::Regex | Relation::NotRegex);
        let left = folded(left, !manner.case_sensitive);
        let right = folded(right, !manner.case_sensitive && !is_pattern);
        if is_pattern {
            let regex = self
                .pattern
                .get(&right)
                .map_err(|detail| Problem::new(codes::NODE_PARAMETER, detail))?;
            return Ok(regex.is_match(&left) == (relation == Relation::Regex));
        }
        Ok(match relation {
            Relation::Equals => left == right,
            Relation::NotEquals => left != right,
            Relation::Contains => left.contains(&right),
            Relation::NotContains => !left.contains(&right),
            Relation::StartsWith => left.starts_with(&right),
            Relation::NotStartsWith => !left.starts_with(&right),
            Relation::EndsWith => left.ends_with(&right),
            Relation::NotEndsWith => !left.ends_with(&right),
            _ => false,
        })
    }
}

/// A value as another kind, where that is plain.
fn convert(value: &Value, kind: Kind) -> Option<Value> {
    match (kind, value) {
        (Kind::String, value) => Some(Value::String(values::text(value))),
        (Kind::Number, Value::Bool(truth)) => Some(Value::from(u8::from(*truth))),
        (Kind::Number, Value::String(text)) if text.trim().is_empty() => Some(Value::Null),
        (Kind::Number, Value::String(text)) => values::parse_number(text).map(Value::Number),
        (Kind::Number, Value::Array(list)) if list.is_empty() => Some(Value::Null),
        (Kind::Boolean, Value::String(text)) => match text.trim().to_lowercase().as_str() {
            "true" | "1" => Some(Value::Bool(true)),
            "false" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
        (Kind::Boolean, Value::Number(number)) => match number.as_f64()? {
            1.0 => Some(Value::Bool(true)),
            0.0 => Some(Value::Bool(false)),
            _ => None,
        },
        (Kind::Date, Value::String(text)) => values::parse_number(text)
            .map(Value::Number)
            .filter(|n| moment(n, &jiff::tz::TimeZone::UTC).is_some()),
        (Kind::Array, Value::String(text)) => {
            kernel::json::parse_str(text).ok().filter(Value::is_array)
        }
        (Kind::Object, Value::String(text)) => {
            kernel::json::parse_str(text).ok().filter(Value::is_object)
        }
        _ => None,
    }
}

fn numbers(left: &Value, right: &Value, relation: Relation) -> bool {
    let order = match (left, right) {
        (Value::Number(left), Value::Number(right)) => Some(compare_numbers(left, right)),
        (Value::Null, Value::Null) => Some(std::cmp::Ordering::Equal),
        _ => None,
    };
    let none = left.is_null() || right.is_null();
    match relation {
        Relation::Equals => order.is_some_and(|order| order.is_eq()),
        Relation::NotEquals => order.is_none_or(|order| order.is_ne()),
        Relation::Greater => !none && order.is_some_and(|order| order.is_gt()),
        Relation::GreaterOrEqual => !none && order.is_some_and(|order| order.is_ge()),
        Relation::Less => !none && order.is_some_and(|order| order.is_lt()),
        Relation::LessOrEqual => !none && order.is_some_and(|order| order.is_le()),
        _ => false,
    }
}

fn booleans(left: &Value, right: &Value, relation: Relation) -> bool {
    match relation {
        Relation::IsTrue => *left == Value::Bool(true),
        // What is missing is not true.
        Relation::IsFalse => *left == Value::Bool(false) || left.is_null(),
        Relation::Equals => left == right,
        Relation::NotEquals => left != right,
        _ => false,
    }
}

/// An empty side makes every comparison of dates false.
fn dates(left: &Value, right: &Value, relation: Relation, scope: &Scope) -> bool {
    let zone = values::zone(&scope.workflow.timezone);
    let millis = |value| moment(value, &zone).map(jiff::Timestamp::as_millisecond);
    let (Some(left), Some(right)) = (millis(left), millis(right)) else { return false };
    match relation {
        Relation::Equals => left == right,
        Relation::NotEquals => left != right,
        Relation::Greater => left > right,
        Relation::GreaterOrEqual => left >= right,
        Relation::Less => left < right,
        Relation::LessOrEqual => left <= right,
        _ => false,
    }
}

fn arrays(left: &Value, right: &Value, relation: Relation, manner: Manner) -> bool {
    let list = left.as_array().map(Vec::as_slice).unwrap_or_default();
    let same = |value: &Value| match (value, right) {
        (Value::String(value), Value::String(right)) if !manner.case_sensitive => {
            value.to_lowercase() == right.to_lowercase()
        }
        (value, right) => equal(value, right),
    };
    match relation {
        Relation::Contains => list.iter().any(same),
        Relation::NotContains => !list.iter().any(same),
        relation => match relation.of_length() {
            Some(relation) => numbers(&Value::from(list.len()), right, relation),
            None => false,
        },
    }
}
