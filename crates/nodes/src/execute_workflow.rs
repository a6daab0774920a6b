//! `core.execute_workflow`: a workflow as a step of another.

use kernel::{FieldProblem, Items, Problem, codes};
use node::{
    About, CallMode, Callee, Directive, Expr, NodeContext, NodeError, NodeType, Steer, params,
};

use crate::passing::first;

/// Runs another workflow with these items and goes on with the items of its last node.
#[params(check = ExecuteWorkflow::faults)]
pub(crate) struct ExecuteWorkflow {
    /// Name or id of the workflow; its published version runs. With `mode: each_item` an expression
    /// may name another one for each item.
    #[schemars(extend("x-options" = "workflow"))]
    workflow: Expr<String>,
    /// One run for all items, or one for each.
    #[serde(default)]
    mode: CallMode,
    /// Whether to wait for its end. If not, the items pass through unchanged.
    #[serde(default = "yes")]
    wait: bool,
}

fn yes() -> bool {
    true
}

pub(crate) const NODE: NodeType = NodeType::steer::<ExecuteWorkflow>();

const MISSING: &str = "Give the name or the id of the workflow to run.";

impl ExecuteWorkflow {
    fn faults(&self) -> Vec<FieldProblem> {
        let missing = self.workflow.as_literal().is_some_and(|name| name.trim().is_empty());
        let fault = missing.then(|| FieldProblem {
            pointer: "/workflow".to_owned(),
            code: codes::NODE_PARAMETER.to_string(),
            detail: MISSING.to_owned(),
        });
        fault.into_iter().collect()
    }
}

impl Steer for ExecuteWorkflow {
    const ABOUT: About = About::new("core.execute_workflow", 1)
        .synonyms(&["sub workflow", "call", "subroutine", "child"])
        .examples(include_str!("../cases/execute_workflow.json"))
        .group("flow")
        .imports(&["n8n-nodes-base.executeWorkflow"])
        .example(r#"{"workflow": "Send invoice", "mode": "each_item"}"#);

    fn steer(&self, cx: &NodeContext, inputs: &[Items]) -> Result<Directive, NodeError> {
        let name = |item| {
            let name = self.workflow.get(&cx.scope, item)?;
            match name.trim().is_empty() {
                true => Err(Problem::new(codes::NODE_PARAMETER, MISSING)),
                false => Ok(name),
            }
        };
        let workflow: Callee = match (self.mode, self.workflow.as_literal()) {
            (CallMode::EachItem, None) => {
                (0..first(inputs).len()).map(name).collect::<Result<Vec<_>, _>>()?.into()
            }
            (CallMode::EachItem, Some(_)) | (CallMode::Once, _) => name(0)?.into(),
        };
        Ok(Directive::Call { workflow, mode: self.mode, wait: self.wait })
    }
}
