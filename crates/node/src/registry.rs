//! Every node type there is, by name and version.

use std::collections::BTreeMap;

use kernel::{FieldProblem, Object, Value};

use crate::about::{About, EffectClass};
use crate::prepared::{Shape, SharedNode};

/// One node type: its declaration and how to make one from a document's parameters.
#[derive(Clone, Copy)]
pub struct NodeType {
    /// The declaration.
    pub about: &'static About,
    /// Which of the four shapes it has.
    pub shape: Shape,
    /// JSON Schema of the parameters, with the doc comments as descriptions.
    pub schema: fn() -> Value,
    /// Checks raw parameters (expressions unresolved) and makes a node of them. Pointers of the
    /// problems are relative to the parameters.
    pub prepare: fn(&Object) -> Result<SharedNode, Vec<FieldProblem>>,
}

impl NodeType {
    /// The type as clients see it: name, version, description, effect, ports, imports, example and
    /// schema of the parameters.
    pub fn contract(&self) -> Value {
        let About { name, version, group, effect, inputs, outputs, imports, example, .. } =
            *self.about;
        let mut schema = (self.schema)();
        let description = schema.get("description").cloned().unwrap_or_default();
        if let Some(schema) = schema.as_object_mut() {
            schema.shift_remove("$schema");
            schema.shift_remove("title");
        }
        let example = kernel::json::parse_str(example).unwrap_or_default();
        serde_json::json!({
            "name": name,
            "version": version,
            "description": description,
            "group": group,
            "shape": self.shape,
            "effect": effect,
            "may_have_run": (effect == EffectClass::External).then_some(self.about.may_have_run),
            "inputs": inputs,
            "outputs": outputs,
            "imports": imports,
            "example": example,
            "schema": schema,
        })
    }
}

impl NodeType {
    /// Whether this parameter holds code, which may refer to nodes: its schema says `x-code`.
    pub fn is_code(&self, parameter: &str) -> bool {
        (self.schema)()["properties"][parameter].get("x-code").is_some()
    }
}

/// A set of node types.
#[derive(Clone, Default)]
pub struct Registry {
    types: BTreeMap<(&'static str, u32), NodeType>,
}

impl Registry {
    /// A registry of these types.
    pub fn new(types: impl IntoIterator<Item = NodeType>) -> Self {
        let types = types.into_iter().map(|kind| ((kind.about.name, kind.about.version), kind));
        Self { types: types.collect() }
    }

    /// Finds `name` or `name@version`; without a version the newest.
    pub fn find(&self, reference: &str) -> Option<&NodeType> {
        let (name, version) = match reference.split_once('@') {
            Some((name, version)) => (name, Some(version.parse::<u32>().ok()?)),
            None => (reference, None),
        };
        self.types
            .iter()
            .rev()
            .find(|((known, v), _)| *known == name && version.is_none_or(|wanted| wanted == *v))
            .map(|(_, kind)| kind)
    }

    /// Every type, sorted by name and version.
    pub fn iter(&self) -> impl Iterator<Item = &NodeType> {
        self.types.values()
    }
}
