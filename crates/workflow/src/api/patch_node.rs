//! `PATCH /v1/workflows/{workflow_id}/nodes/{node}`

use std::borrow::Cow;

use function::{MutationContext, Problem, mutation};
use kernel::Object;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::json;

use super::change;
use super::incoming::{NodePath, SaveQuery};
use crate::document::DocumentNode;
use crate::model::Saved;
use crate::service::edit;

/// Parts of a node: null takes something away.
#[derive(Debug, Deserialize)]
pub(super) struct NodePatch(Object);

impl JsonSchema for NodePatch {
    fn schema_name() -> Cow<'static, str> {
        "NodePatch".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let node = DocumentNode::json_schema(generator).to_value();
        let names = node["properties"].as_object().into_iter().flatten();
        // What the parts must be is checked once they are put together.
        let parts: Object = names.map(|(name, _)| (name.clone(), json!({}))).collect();
        json_schema!({
            "type": "object",
            "description": "Parts of a node: null takes something away.",
            "properties": parts,
            "additionalProperties": false,
        })
    }
}

/// Changes parts of a node of the draft.
///
/// The body is a merge patch: what is absent stays, null takes something away. With another `name` the
/// node is renamed, and connections, pinned items, groups, expressions and code follow.
#[mutation(
    PATCH "/v1/workflows/{workflow_id}/nodes/{node}",
    permission = crate::WRITE,
    audit = "workflow.node_changed"
)]
pub(super) async fn patch_node(
    cx: &MutationContext,
    path: NodePath,
    query: SaveQuery,
    body: NodePatch,
) -> Result<Saved, Problem> {
    change::edit(cx, query.draft(&path.workflow_id), |document, registry| {
        edit::patch_node(document, &path.node, body.0, registry)
    })
    .await
}
