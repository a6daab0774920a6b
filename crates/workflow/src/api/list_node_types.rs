//! `GET /v1/node-types`

use function::{Page, Problem, QueryContext, query};
use kernel::{Value, json};
use node::NodeType;
use schemars::JsonSchema;
use serde::Serialize;

use crate::observer::Publishing;

function::list_query! {
    /// Which node types.
    pub(super) struct NodeTypesQuery {
        /// Words that fit a name, another word for it, its group or description; words may be begun
        /// only and longer ones may have a slip in them. The list is then sorted by how well each
        /// fits, newest versions only.
        #[schemars(length(max = 1_000))]
        search: Option<String>,
    }
}

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
    /// Other words for it.
    synonyms: &'static [&'static str],
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
    /// How well it fits what was searched for; 0 where nothing was.
    rank: u32,
}

/// The node types workflows are made of, sorted by name and version; when searched, the best first.
#[query(GET "/v1/node-types", permission = crate::READ)]
pub(super) async fn list_node_types(
    cx: &QueryContext,
    query: NodeTypesQuery,
) -> Result<Page<NodeTypeView>, Problem> {
    let registry = &cx.service::<Publishing>().registry;
    let search = query.search.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let found = match search {
        Some(text) => registry.search(text),
        None => registry.iter().map(|kind| (0, kind)).collect(),
    };
    let key = |(rank, kind): &(u32, &NodeType)| {
        (u32::MAX - rank, kind.about.name.to_owned(), kind.about.version)
    };
    let Page { items, next } = cx.page(&query)?.of_all(found, key);
    Ok(Page { items: items.into_iter().map(|(rank, kind)| view(kind, rank)).collect(), next })
}

pub(super) fn view(kind: &NodeType, rank: u32) -> NodeTypeView {
    let parameters = (kind.schema)();
    let about = kind.about;
    NodeTypeView {
        name: about.name,
        version: about.version,
        group: about.group,
        description: parameters["description"].as_str().unwrap_or_default().to_owned(),
        synonyms: about.synonyms,
        trigger: kind.shape == node::Shape::Trigger,
        effect: about.effect.word(),
        inputs: about.inputs,
        outputs: about.outputs,
        parameters,
        example: json::parse_str(about.example).unwrap_or_default(),
        rank,
    }
}
