//! `GET /v1/node-types`

use function::{Page, PageQuery, Problem, QueryContext, query};
use kernel::{Value, json};
use node::{EffectClass, NodeType};
use schemars::JsonSchema;
use serde::Serialize;

use crate::observer::Publishing;

/// A node type.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct NodeTypeView {
    /// `core.set`
    name: &'static str,
    /// Version; a version never changes its meaning.
    version: u32,
    /// Group in the node creator.
    group: &'static str,
    /// What it does, from its parameters' description.
    description: String,
    /// Whether it starts runs.
    trigger: bool,
    /// What running it may do: `pure`, `read`, `external` or `platform`.
    effect: &'static str,
    /// Input ports.
    inputs: &'static [&'static str],
    /// Output ports, unless the parameters say otherwise.
    outputs: &'static [&'static str],
    /// JSON Schema of the parameters.
    parameters: Value,
    /// An example of the parameters.
    example: Value,
}

/// The node types workflows are made of, sorted by name and version.
#[query(GET "/v1/node-types", permission = crate::READ)]
pub(super) async fn list_node_types(
    cx: &QueryContext,
    query: PageQuery,
) -> Result<Page<NodeTypeView>, Problem> {
    let registry = &cx.service::<Publishing>().registry;
    let key = |kind: &&NodeType| (kind.about.name.to_owned(), kind.about.version);
    let Page { items, next } = cx.page(&query)?.of_all(registry.iter(), key);
    Ok(Page { items: items.into_iter().map(view).collect(), next })
}

fn view(kind: &NodeType) -> NodeTypeView {
    let parameters = (kind.schema)();
    let about = kind.about;
    NodeTypeView {
        name: about.name,
        version: about.version,
        group: about.group,
        description: parameters["description"].as_str().unwrap_or_default().to_owned(),
        trigger: kind.shape == node::Shape::Trigger,
        effect: match about.effect {
            EffectClass::Pure => "pure",
            EffectClass::Read => "read",
            EffectClass::External => "external",
            EffectClass::Platform => "platform",
        },
        inputs: about.inputs,
        outputs: about.outputs,
        parameters,
        example: json::parse_str(about.example).unwrap_or_default(),
    }
}
