//! A node's new name, everywhere it stands: connections, pins, groups, undos, expressions, code.

use expr::rename;
use kernel::Value;
use node::Registry;

use crate::document::Document;

/// Renames a node. The new name must be free.
pub(crate) fn rename_node(document: &mut Document, from: &str, to: &str, registry: &Registry) {
    let moved = |name: &mut String| {
        if name == from {
            to.clone_into(name);
        }
    };
    for node in &mut document.nodes {
        moved(&mut node.name);
        if let Some(undo) = &mut node.undo {
            moved(undo);
        }
        let kind = registry.find(&node.kind);
        for (parameter, value) in &mut node.parameters {
            let is_code = || kind.is_some_and(|kind| kind.is_code(parameter));
            match value {
                Value::String(code)
                    if !code.starts_with('=') && code.contains('$') && is_code() =>
                {
                    replace(code, rename::in_script(code, from, to));
                }
                value => in_value(value, from, to),
            }
        }
    }
    for connection in &mut document.connections {
        moved(&mut connection.from);
        moved(&mut connection.to);
    }
    document.canvas.groups.iter_mut().flat_map(|group| &mut group.nodes).for_each(moved);
    if let Some(index) = document.pinned.get_index_of(from)
        && let Some(items) = document.pinned.shift_remove(from)
    {
        document.pinned.shift_insert(index, to.to_owned(), items);
    }
}

fn in_value(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::String(text) if text.starts_with('=') => {
            replace(text, rename::in_template(text, from, to));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| in_value(value, from, to)),
        Value::Object(object) => object.values_mut().for_each(|value| in_value(value, from, to)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn replace(text: &mut String, renamed: Option<String>) {
    if let Some(renamed) = renamed {
        *text = renamed;
    }
}
