//! `GET /v1/node-types/{type}`

use function::{Problem, QueryContext, query};
use kernel::codes;
use node::{Example, NodeForm, NodeType, Registry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::list_node_types::{NodeTypeView, view};
use crate::document::suggest;
use crate::observer::Publishing;

/// Which node type.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NodeTypePath {
    /// Its name, such as `core.set`, or `core.set@1` for another than its newest version.
    #[schemars(length(min = 1, max = 200))]
    pub(super) r#type: String,
}

/// A node type with its manual.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct NodeTypeDetail {
    /// The node type.
    node_type: NodeTypeView,
    /// Node types of other products it stands for.
    imports: &'static [&'static str],
    /// The form of its parameters.
    form: NodeForm,
    /// Examples with their items.
    examples: Vec<Example>,
    /// The manual, as Markdown.
    manual: String,
}

/// One node type with its form, examples and manual.
#[query(GET "/v1/node-types/{type}", permission = crate::READ)]
pub(super) async fn get_node_type(
    cx: &QueryContext,
    path: NodeTypePath,
) -> Result<NodeTypeDetail, Problem> {
    let kind = find(&cx.service::<Publishing>().registry, &path.r#type)?;
    Ok(NodeTypeDetail {
        node_type: view(kind, 0),
        imports: kind.about.imports,
        form: kind.form(),
        examples: kind.examples(),
        manual: kind.manual(1),
    })
}

/// The node type of this name. Errors: `node.type_not_found`.
pub(super) fn find<'a>(registry: &'a Registry, name: &str) -> Result<&'a NodeType, Problem> {
    registry.find(name).ok_or_else(|| {
        let known = registry.iter().map(|kind| kind.about.name);
        let detail = format!("There is no node type \"{name}\"; {}", suggest(name, known));
        Problem::new(codes::NODE_TYPE_NOT_FOUND, detail)
    })
}
