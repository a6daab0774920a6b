//! `core.code`: JavaScript of the user's own, in a process apart.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kernel::duration::Span;
use kernel::{FieldProblem, Items, Problem, codes};
use node::{
    About, AllItems, CodeMode, CodeOutcome, CodeRequest, ConsoleLine, ItemOutcome, NodeContext,
    NodeError, NodeType, params,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::code_items;
use crate::passing::first;

/// Runs JavaScript on the items. It sees `items`, `$input`, `$json`, `$('Node')`, `$now` and the
/// rest of what expressions see, and returns the items that go on. It has no network and no files.
#[params(check = check)]
pub(crate) struct Code {
    /// Language of the code.
    #[serde(default)]
    language: Language,
    /// Once with all items, or for each item.
    #[serde(default)]
    run: Run,
    /// The body of a function. Run once, it returns a list of items (or one object); run for each
    /// item, one object, or null to leave the item out.
    #[schemars(extend("x-code" = "javascript"))]
    code: String,
    /// How long it may run. Never longer than the node's own timeout.
    #[serde(default = "ten_seconds")]
    timeout: Span,
}

/// Languages of code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Language {
    /// JavaScript, ES2023.
    #[default]
    Javascript,
}

/// How often the code runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Run {
    /// Once, with all items.
    #[default]
    Once,
    /// For each item.
    EachItem,
}

fn ten_seconds() -> Span {
    Span(std::time::Duration::from_secs(10))
}

fn check(node: &Code) -> Vec<FieldProblem> {
    let Language::Javascript = node.language;
    code_fault(&node.code).into_iter().collect()
}

/// The fault of a parameter `code` that does not parse: it will not later, either.
pub(crate) fn code_fault(code: &str) -> Option<FieldProblem> {
    let failure = expr::script::check(code).err()?;
    let line = failure.line.map(|line| format!(" (line {line})")).unwrap_or_default();
    Some(FieldProblem {
        pointer: "/code".to_owned(),
        code: codes::CODE_INVALID.to_string(),
        detail: format!("The code does not parse: {}{line}.", failure.message),
    })
}

pub(crate) const NODE: NodeType = NodeType::all::<Code>();

impl AllItems for Code {
    const ABOUT: About = About::new("core.code", 1)
        .synonyms(&["javascript", "script", "function", "custom"])
        .examples(include_str!("../cases/code.json"))
        .group("code")
        .imports(&["n8n-nodes-base.code", "n8n-nodes-base.function", "n8n-nodes-base.functionItem"])
        .example(
            r#"{ "code": "return items.map(item => ({ json: { total: item.json.price * item.json.amount } }))" }"#,
        );

    fn itemwise(&self) -> bool {
        self.run == Run::EachItem
    }

    async fn apart(
        &self,
        cx: &NodeContext,
        inputs: &[Items],
    ) -> Result<Vec<ItemOutcome>, NodeError> {
        let items = inputs.first().cloned().unwrap_or_default();
        let (code, mode) = (self.code.clone(), CodeMode::EachItemApart);
        let outcome = run_code(cx, code, mode, items, self.timeout.0).await?;
        let mut failures: HashMap<usize, Problem> = outcome.failures.into_iter().collect();
        let results = code_items::results(outcome.value)?.into_iter().enumerate();
        let one = |(index, result)| match failures.remove(&index) {
            Some(problem) => Err(NodeError::Fatal(problem)),
            None => {
                let item = code_items::of_one(result, index)?;
                Ok(vec![Arc::new(item.into_iter().collect())])
            }
        };
        Ok(results.map(one).collect())
    }

    async fn all(&self, cx: &NodeContext, inputs: &[Items]) -> Result<Vec<Items>, NodeError> {
        let items = inputs.first().cloned().unwrap_or_default();
        let mode = match self.run {
            Run::Once => CodeMode::Once,
            Run::EachItem => CodeMode::EachItem,
        };
        let value = run_code(cx, self.code.clone(), mode, items, self.timeout.0).await?.value;
        let made = match self.run {
            Run::Once => code_items::of_all(value, first(inputs).len())?,
            Run::EachItem => code_items::of_each(value)?,
        };
        Ok(vec![Arc::new(made)])
    }
}

/// Runs code on items in a process apart, no longer than `time_max` and the node's own timeout; what
/// came of it.
pub(crate) async fn run_code(
    cx: &NodeContext,
    code: String,
    mode: CodeMode,
    items: Items,
    time_max: Duration,
) -> Result<CodeOutcome, NodeError> {
    let request = CodeRequest {
        workspace: cx.scope.workspace,
        code,
        mode,
        globals: Vec::new(),
        items,
        scope: cx.scope.clone(),
        timeout: time_max.min(cx.timeout),
        cancel: cx.cancel.clone(),
    };
    let outcome = cx.services.code.run(request).await?;
    log(cx, &outcome.console);
    Ok(outcome)
}

/// The console of user code, in the log of the run.
fn log(cx: &NodeContext, console: &[ConsoleLine]) {
    for line in console {
        let (workspace, run) = (cx.scope.workspace, cx.scope.execution.id);
        let (level, text) = (line.level.as_str(), line.text.as_str());
        tracing::info!(%workspace, %run, console.level = level, console.text = text, "console");
    }
}
