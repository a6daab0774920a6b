//! Compares a run with what a test expects of it; each fault is a text for people.

use std::path::Path;

use kernel::{Item, Problem, Value, json};
use workflow::Graph;

use super::difference::{holds, same, show};
use super::file::{Expect, ExpectedFile, ExpectedItems, SomeContent, SomeItems, Status};

/// Every expectation that does not hold, but for assertions.
pub(crate) fn faults(expect: &Expect, run: &Value, graph: &Graph, folder: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    ending(expect, run, &mut faults);
    reply(expect, run, &mut faults);
    for (place, items) in &expect.nodes {
        node(place, items, run, graph, &mut faults);
    }
    for name in &expect.skipped {
        let activations = run["nodes"][name].as_array();
        let ran = |one: &Value| one["status"] != "skipped";
        if graph.nodes.iter().all(|node| *node.name != **name) {
            faults.push(format!("skipped: the workflow has no node \"{name}\"\n"));
        } else if activations.is_some_and(|all| all.iter().any(ran)) {
            faults.push(format!("\"{name}\" ran, but it was expected not to\n"));
        }
    }
    for (path, expected) in &expect.files {
        file(path, expected, folder, &mut faults);
    }
    faults
}

fn ending(expect: &Expect, run: &Value, faults: &mut Vec<String>) {
    let default = if expect.error.is_some() { Status::Failed } else { Status::Succeeded };
    let wanted = expect.status.unwrap_or(default).word();
    let error = &run["error"];
    let text = |key: &str| error[key].as_str().unwrap_or_default();
    if run["status"] != wanted {
        let status = run["status"].as_str().unwrap_or("unknown");
        let mut fault = format!("the run {status}, but was expected to have {wanted}\n");
        if error.is_object() {
            let (code, node, message) = (text("code"), text("node"), text("message"));
            fault.push_str(&format!("  {code} in \"{node}\": {message}\n"));
        }
        faults.push(fault);
    }
    let Some(expected) = &expect.error else { return };
    for (name, wanted) in [("code", &expected.code), ("node", &expected.node)] {
        if let Some(wanted) = wanted.as_ref().filter(|wanted| *wanted != text(name)) {
            faults.push(format!("the error's {name}:\n- {wanted}\n+ {}\n", text(name)));
        }
    }
    if let Some(part) = expected.message.as_ref().filter(|part| !text("message").contains(&***part))
    {
        let message = text("message");
        faults.push(format!("the error's message does not hold \"{part}\":\n+ {message}\n"));
    }
}

fn reply(expect: &Expect, run: &Value, faults: &mut Vec<String>) {
    let Some(expected) = &expect.reply else { return };
    let reply = &run["reply"];
    if !reply.is_object() {
        faults.push("the caller got no answer of a respond node\n".to_owned());
        return;
    }
    if let Some(status) = expected.status.filter(|status| reply["status"] != *status) {
        faults.push(format!("the answer's status:\n- {status}\n+ {}\n", reply["status"]));
    }
    for (name, value) in &expected.headers {
        let headers = reply["headers"].as_array().into_iter().flatten();
        let given = headers.clone().find(|pair| pair[0] == name.as_str()).map(|pair| &pair[1]);
        if given.and_then(Value::as_str) != Some(value) {
            let given = given.and_then(Value::as_str).unwrap_or("(absent)");
            faults.push(format!("the answer's header {name}:\n- {value}\n+ {given}\n"));
        }
    }
    if let Some(body) = &expected.body {
        let given = match &reply["body"] {
            Value::Object(body) => body.get("json").or(body.get("text")).cloned(),
            _ => None,
        };
        let given = given.unwrap_or_else(|| reply["body"].clone());
        if !same(&given, body) {
            faults.push(format!("the answer's body:\n{}", show(body, &given)));
        }
    }
}

fn node(
    place: &str,
    expected: &ExpectedItems,
    run: &Value,
    graph: &Graph,
    faults: &mut Vec<String>,
) {
    let Some((name, output)) = find(place, graph) else {
        faults.push(format!("nodes: the workflow has no node or output \"{place}\"\n"));
        return;
    };
    let activations = run["nodes"][name].as_array().into_iter().flatten();
    let outputs = activations.filter_map(|one| one["outputs"][output].as_array()).flatten();
    let got: Vec<Value> = outputs.map(|item| item["json"].clone()).collect();
    match expected {
        ExpectedItems::All(items) => {
            let wanted = Value::from(items.iter().cloned().map(Value::Object).collect::<Vec<_>>());
            let got = Value::from(got);
            if !same(&wanted, &got) {
                faults.push(format!("\"{place}\" put out:\n{}", show(&wanted, &got)));
            }
        }
        ExpectedItems::Some(SomeItems { count, contains }) => {
            if let Some(count) = count.filter(|count| *count != got.len()) {
                faults.push(format!("\"{place}\" put out {} items, not {count}\n", got.len()));
            }
            for part in contains {
                let part = Value::Object(part.clone());
                if !got.iter().any(|item| holds(item, &part)) {
                    let first = got.first().cloned().unwrap_or_default();
                    let difference = show(&part, &first);
                    faults.push(format!(
                        "none of the {} items of \"{place}\" has these fields; beside the first:\n\
                         {difference}",
                        got.len()
                    ));
                }
            }
        }
    }
}

/// `Node` or `Node:output`, as name and index of the output.
fn find<'a>(place: &'a str, graph: &Graph) -> Option<(&'a str, usize)> {
    let node = |name: &str| graph.nodes.iter().find(|node| *node.name == *name);
    if node(place).is_some() {
        return Some((place, 0));
    }
    let (name, output) = place.rsplit_once(':')?;
    let outputs = &node(name)?.outputs;
    let by_name = outputs.iter().position(|known| known == output);
    let by_index = output.parse().ok().filter(|index| *index < outputs.len());
    Some((name, by_name.or(by_index)?))
}

fn file(path: &str, expected: &ExpectedFile, folder: &Path, faults: &mut Vec<String>) {
    let text = match std::fs::read_to_string(folder.join(path)) {
        Ok(text) => text,
        Err(error) => return faults.push(format!("the file {path} cannot be read: {error}\n")),
    };
    match expected {
        ExpectedFile::Text(wanted) if *wanted == text => {}
        ExpectedFile::Text(wanted) => {
            let difference = show(&Value::from(wanted.as_str()), &Value::from(text));
            faults.push(format!("the file {path}:\n{difference}"));
        }
        ExpectedFile::Some(SomeContent { json: wanted, contains }) => {
            for part in contains.iter().filter(|part| !text.contains(&***part)) {
                faults.push(format!("the file {path} does not hold \"{part}\"\n"));
            }
            match (wanted, json::parse_str(&text)) {
                (None, _) => {}
                (Some(wanted), Ok(got)) if same(wanted, &got) => {}
                (Some(wanted), Ok(got)) => {
                    faults.push(format!("the file {path}:\n{}", show(wanted, &got)));
                }
                (Some(_), Err(error)) => faults.push(format!("the file {path}: {error}\n")),
            }
        }
    }
}

/// Objects as items: what looks like an item is one.
pub(crate) fn items(values: &[Value]) -> Result<Vec<Item>, Problem> {
    engine::entry::read_items(Some(Value::Array(values.to_vec())))
}
