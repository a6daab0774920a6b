//! What is wrong with a document: every fault at once, each with its node, field and mend.

use kernel::{Code, FieldProblem, Problem, codes};
use node::Registry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::check;
use crate::document::Document;

/// Something that is probably not meant, but does not keep a workflow from running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// A code of the table, such as `workflow.unreachable_node`.
    pub code: String,
    /// JSON pointer into the document.
    pub pointer: String,
    /// Name of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What is odd and how to mend it.
    pub detail: String,
}

/// Checks a document against the node types there are.
///
/// Errors: one fault's own code (`workflow.cycle`, `workflow.unknown_type`, …), or
/// `workflow.invalid` with all of them in `errors`.
pub fn validate(document: &Document, registry: &Registry) -> Result<Vec<Warning>, Problem> {
    let checked = check(document, registry);
    match checked.faults.is_empty() {
        true => Ok(checked.warnings),
        false => Err(problem(checked.faults)),
    }
}

/// A fault together with the node it is in.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) pointer: String,
    pub(crate) node: Option<String>,
    pub(crate) detail: String,
}

/// All faults as one problem.
pub(crate) fn problem(faults: Vec<Fault>) -> Problem {
    let Some(first) = faults.first() else { return Problem::internal() };
    let same = faults.iter().all(|fault| fault.code == first.code);
    let code = if same { first.code } else { codes::WORKFLOW_INVALID };
    let detail = match faults.len() {
        1 => format!("{} (at {})", first.detail, first.pointer),
        count => format!("{} (at {}), and {} more", first.detail, first.pointer, count - 1),
    };
    let mut problem = Problem::new(code, detail);
    problem.node = first.node.clone();
    problem.errors = faults
        .into_iter()
        .map(|Fault { code, pointer, detail, .. }| FieldProblem {
            pointer,
            code: code.to_string(),
            detail,
        })
        .collect();
    problem
}
