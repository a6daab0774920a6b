//! How people and programs name where a run starts and what with.

use kernel::{Item, Items, Object, Problem, Value, codes, json};
use node::TriggerKind;
use workflow::{Graph, GraphNode};

/// The enabled trigger of this name; without a name the manual one, else the first.
///
/// Errors: `workflow.unknown_node`, naming the triggers there are.
pub fn find_trigger(graph: &Graph, name: Option<&str>) -> Result<usize, Problem> {
    let triggers = || {
        let nodes = graph.nodes.iter().enumerate().filter(|(_, node)| !node.disabled);
        nodes.filter_map(|(index, node)| Some((index, node, node.prepared.trigger()?)))
    };
    let found = match name {
        Some(name) => triggers().find(|(_, node, _)| &*node.name == name),
        None => triggers()
            .find(|(_, _, kind)| matches!(kind, TriggerKind::Manual))
            .or_else(|| triggers().next()),
    };
    found.map(|(index, _, _)| index).ok_or_else(|| {
        let known: Vec<&str> = triggers().map(|(_, node, _)| &*node.name).collect();
        let name = name.unwrap_or_default();
        let detail = format!(
            "There is no enabled trigger \"{name}\"; the workflow has: {}.",
            known.join(", ")
        );
        Problem::new(codes::WORKFLOW_UNKNOWN_NODE, detail)
    })
}

/// What the trigger `node` puts out: the input, else what is pinned to it where pins stand in for
/// their nodes, else one empty item.
///
/// Errors: `request.invalid`.
pub fn first_items(node: &GraphNode, pins: bool, input: Option<Value>) -> Result<Items, Problem> {
    match (input, &node.pinned) {
        (None, Some(pinned)) if pins => Ok(Items::clone(pinned)),
        (input, _) => read_items(input).map(Items::new),
    }
}

/// Items of a person's JSON: an item, an object (which becomes an item's data), or a list of either;
/// nothing is one empty item.
///
/// Errors: `request.invalid`.
pub fn read_items(input: Option<Value>) -> Result<Vec<Item>, Problem> {
    match input {
        None => Ok(vec![Item::new(Object::new())]),
        Some(Value::Array(list)) => list.into_iter().map(read_item).collect(),
        Some(one) => Ok(vec![read_item(one)?]),
    }
}

fn read_item(input: Value) -> Result<Item, Problem> {
    let Value::Object(object) = input else {
        let detail = "The input must be an object, an item, or a list of either.";
        return Err(Problem::new(codes::REQUEST_INVALID, detail));
    };
    let looks_like_an_item = object.get("json").is_some_and(Value::is_object)
        && object.keys().all(|key| ["json", "binary", "paired_item"].contains(&key.as_str()));
    if !looks_like_an_item {
        return Ok(Item::new(object));
    }
    json::from_value(Value::Object(object)).map_err(|error| {
        Problem::new(codes::REQUEST_INVALID, format!("The input is no item: {error}."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Item>, Problem> {
        read_items(Some(json::parse_str(text).unwrap()))
    }

    #[test]
    fn objects_items_and_lists_of_both_become_items() {
        let data = |item: &Item| Value::Object(Object::clone(&item.json)).to_string();
        assert_eq!(data(&read(r#"{"a":1}"#).unwrap()[0]), r#"{"a":1}"#);
        assert_eq!(data(&read(r#"{"json":{"a":1}}"#).unwrap()[0]), r#"{"a":1}"#);
        assert_eq!(data(&read(r#"{"json":{},"other":2}"#).unwrap()[0]), r#"{"json":{},"other":2}"#);
        assert_eq!(read(r#"[{"a":1},{"json":{"b":2}}]"#).unwrap().len(), 2);
        assert_eq!(read("[]").unwrap().len(), 0);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["3", "[1]", r#"{"json":{},"binary":3}"#] {
            assert_eq!(read(text).unwrap_err().code, codes::REQUEST_INVALID, "{text}");
        }
    }
}
