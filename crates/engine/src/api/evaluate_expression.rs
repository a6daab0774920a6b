//! `POST /v1/expressions/evaluate`

use expr::{Scope, Template};
use function::{ActionContext, Problem, action};
use kernel::{RunId, Value, codes, json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::path::not_found;
use crate::{Engine, Place};

/// Longest expression, in bytes.
const EXPRESSION_BYTES_MAX: usize = 64 * 1024;
/// Largest value that is answered, in bytes of JSON.
const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// Expressions that are tried out at once; each may take its memory and a core.
static TURNS: Semaphore = Semaphore::const_new(2);

/// An expression, and where in which run it is evaluated.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Evaluation {
    /// The run.
    run_id: RunId,
    /// Name of the node whose items are seen; absent: the trigger, from where `$('Node')` reaches
    /// every other.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    node: Option<String>,
    /// Which of the node's activations, from 0; absent: the last one.
    #[serde(default)]
    activation: Option<u32>,
    /// Index of the item.
    #[serde(default)]
    item: u32,
    /// What is evaluated: as a parameter when it begins with `=`, else as what stands between braces.
    /// At most 64 KiB.
    #[schemars(length(max = 65_536))]
    expression: String,
}

/// What came of it: a value, or an error.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Evaluated {
    /// The value; absent where there is an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    /// `null boolean number string array object`; absent where there is an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<EvaluationError>,
    /// How many items the node was given: `item` is below it.
    items: usize,
}

/// Why an expression gave no value.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct EvaluationError {
    /// A code of the table, such as `expression.invalid`.
    code: String,
    /// What is wrong and how to mend it.
    detail: String,
    /// Where it does not parse: the character of the expression, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    character: Option<usize>,
}

/// Evaluates an expression on the items of a run, as a node of it would.
///
/// Time and memory are limited as in runs. An expression that fails is answered as `error`.
#[action(POST "/v1/expressions/evaluate", permission = crate::READ, timeout = "30s")]
pub(super) async fn evaluate_expression(
    cx: &ActionContext,
    body: Evaluation,
) -> Result<Evaluated, Problem> {
    let Evaluation { run_id, node, activation, item, expression } = body;
    if expression.len() > EXPRESSION_BYTES_MAX {
        let detail = format!("The expression has more than {EXPRESSION_BYTES_MAX} bytes.");
        let code = codes::REQUEST_INVALID;
        return Err(Problem::new(code, detail.clone()).at("/expression", code, detail));
    }
    let engine = cx.service::<Engine>();
    let place = Place { node, activation };
    let scope = engine.scope_at(cx.workspace(), run_id, place).await?;
    let scope = scope.ok_or_else(|| not_found(&run_id.to_string()))?;
    let items = scope.inputs.iter().map(|items| items.len()).find(|count| *count > 0).unwrap_or(0);
    let item = item as usize;
    if item > 0 && item >= items {
        let detail = format!("There is no item {item}; the node was given {items}.");
        let code = codes::REQUEST_INVALID;
        return Err(Problem::new(code, detail.clone()).at("/item", code, detail));
    }
    let (source, before) = match expression.starts_with('=') {
        true => (expression, 0),
        // On a line of its own, so that a comment at its end hides no brace.
        false => (format!("={{{{{expression}\n}}}}"), 3),
    };
    Ok(match apart(source, scope, item).await {
        Ok(value) => Evaluated {
            r#type: Some(json::kind_of(&value)),
            value: Some(value),
            error: None,
            items,
        },
        Err(problem) => {
            let character =
                expr::fault_place(&problem).map(|place| place.saturating_sub(before).max(1));
            let (code, detail) = (problem.code.to_string(), problem.detail);
            let error = Some(EvaluationError { code, detail, character });
            Evaluated { value: None, r#type: None, error, items }
        }
    })
}

/// Evaluates on a thread apart from those of runs, which never wait for people trying things out.
async fn apart(source: String, scope: Scope, item: usize) -> Result<Value, Problem> {
    let _turn = TURNS.acquire().await.map_err(|_| Problem::internal())?;
    let evaluated = tokio::task::spawn_blocking(move || {
        let value = Template::parse(&source)?.evaluate(&scope, item)?;
        match value.to_string().len() > VALUE_BYTES_MAX {
            true => Err(too_large()),
            false => Ok(value),
        }
    });
    evaluated.await.unwrap_or_else(|error| {
        tracing::error!(error.cause = %error, "an expression's evaluation ended badly");
        Err(Problem::internal())
    })
}

fn too_large() -> Problem {
    let detail = format!("The value has more than {VALUE_BYTES_MAX} bytes; look at a part of it.");
    Problem::new(codes::EXPRESSION_MEMORY, detail)
}
