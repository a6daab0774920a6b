//! What nodes, expressions and graphs make of items, as tables of documents and what comes of them.
//!
//! A case of `tests/semantics/*.json` is a workflow that starts at the manual trigger `T`: either one
//! `node` `N` behind it, or behind as many `inputs` as there are, or `nodes` with their `connections`.
//! It says what `N` puts out at each port (`gives`), or what each activation of several nodes does
//! (`nodes_give`: ports of data, `"skipped"`, or null for a node that is not reached), which input
//! items that was made of (`pairs`), or how the run `fails`.

use kernel::json;
use serde_json::{Value, json};
use testkit::TestApp;

macro_rules! tables {
    ($($name:ident: $file:literal,)*) => {$(
        #[testkit::test]
        async fn $name(app: &mut TestApp) {
            holds(app, include_str!(concat!("../semantics/", $file))).await;
        }
    )*};
}

tables! {
    conditions_hold_where_the_table_says: "conditions.json",
    switches_send_items_where_the_table_says: "switch.json",
    set_writes_what_the_table_says: "set.json",
    merges_put_together_what_the_table_says: "merge.json",
    lists_come_out_as_the_table_says: "lists.json",
    code_gives_what_the_table_says: "code.json",
    origins_are_traced_as_the_table_says: "tracing.json",
    expressions_give_what_the_table_says: "expressions.json",
    graphs_are_walked_as_the_table_says: "runs.json",
}

async fn holds(app: &TestApp, table: &str) {
    let table = json::parse_str(table).unwrap();
    let cases = table.as_array().unwrap();
    let mut wrong = Vec::new();
    for case in cases {
        if let Err(why) = judge(case, &run(app, case).await) {
            wrong.push(format!("{}: {why}", case["name"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// The document of a case, run; a refusal looks like a run that failed.
async fn run(app: &TestApp, case: &Value) -> Value {
    let mut document = json!({
        "format": 1,
        "name": case["name"],
        "nodes": [{ "name": "T", "type": "core.manual" }],
        "connections": [],
    });
    for key in ["connections", "settings", "pinned"] {
        if let Some(given) = case.get(key) {
            document[key] = given.clone();
        }
    }
    let mut nodes: Vec<Value> = case["nodes"].as_array().cloned().unwrap_or_default();
    let trigger_given = nodes.iter().any(|node| node["name"] == "T");
    if let Some(node) = case.get("node") {
        let mut node = node.clone();
        node["name"] = "N".into();
        let inputs = case["inputs"].as_array().map_or(&[][..], Vec::as_slice);
        let mut connections = Vec::new();
        for (port, items) in inputs.iter().enumerate() {
            let (name, code) = (format!("I{port}"), format!("return {items}"));
            connections.push(json!(format!("T -> {name}")));
            connections.push(json!(format!("{name} -> N:{port}")));
            nodes
                .push(json!({ "name": name, "type": "core.code", "parameters": { "code": code } }));
        }
        if inputs.is_empty() {
            connections.push("T -> N".into());
        }
        nodes.push(node);
        document["connections"] = connections.into();
    }
    let all = document["nodes"].as_array_mut().unwrap();
    if trigger_given {
        all.clear();
    }
    all.extend(nodes);
    let mut body = json!({ "document": document.to_string(), "media_type": "application/json" });
    for key in ["input", "trigger", "pins"] {
        if let Some(given) = case.get(key) {
            body[key] = given.clone();
        }
    }
    let answer = app.owner().post("/v1/files/run", &body).await;
    if answer.status == 200 {
        return answer.json;
    }
    let problem = &answer.json;
    let error =
        json!({ "code": problem["code"], "message": problem["detail"], "node": problem["node"] });
    json!({ "status": "failed", "error": error, "nodes": {} })
}

fn judge(case: &Value, run: &Value) -> Result<(), String> {
    if let Some(fails) = case.get("fails") {
        return judge_failure(fails, run);
    }
    if run["status"] != "succeeded" {
        return Err(format!("it {}: {}", run["status"], run["error"]));
    }
    let pairs = case.get("pairs");
    if let Some(gives) = case.get("gives") {
        judge_node("N", &json!([gives]), run)?;
        return pairs.map_or(Ok(()), |pairs| judge_pairs("N", pairs, run));
    }
    for (name, expected) in case["nodes_give"].as_object().unwrap() {
        judge_node(name, expected, run)?;
    }
    let pairs = pairs.and_then(Value::as_object).into_iter().flatten();
    pairs.into_iter().try_for_each(|(name, pairs)| judge_pairs(name, pairs, run))
}

fn judge_failure(fails: &Value, run: &Value) -> Result<(), String> {
    let error = &run["error"];
    let message = error["message"].as_str().unwrap_or_default();
    let words = fails["says"].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
    let said = words.into_iter().all(|word| message.contains(word));
    let same = |key: &str| fails.get(key).is_none_or(|wanted| *wanted == error[key]);
    match run["status"] == "failed" && said && same("code") && same("node") {
        true => Ok(()),
        false => Err(format!("it {} with {error}, but shall fail with {fails}", run["status"])),
    }
}

fn judge_node(name: &str, expected: &Value, run: &Value) -> Result<(), String> {
    let activations = run["nodes"].get(name);
    let given = match (expected, activations.and_then(Value::as_array)) {
        (Value::Null, None) => return Ok(()),
        (Value::String(status), Some(all)) if all.len() == 1 && all[0]["status"] == **status => {
            return Ok(());
        }
        (_, Some(all)) => all.iter().map(|one| port_by_port(&one["outputs"], "json")).collect(),
        (_, None) => Value::Null,
    };
    match numbers_alike(&given) == numbers_alike(expected) {
        true => Ok(()),
        false => Err(format!("{name} gives {given}, but shall give {expected}")),
    }
}

fn judge_pairs(name: &str, expected: &Value, run: &Value) -> Result<(), String> {
    let last = run["nodes"][name].as_array().and_then(|all| all.last()).unwrap();
    let given = port_by_port(&last["outputs"], "paired_item");
    match given == *expected {
        true => Ok(()),
        false => Err(format!("{name} is paired {given}, but shall be {expected}")),
    }
}

fn port_by_port(outputs: &Value, key: &str) -> Value {
    let port = |items: &Value| -> Value {
        items.as_array().unwrap().iter().map(|item| item[key].clone()).collect()
    };
    outputs.as_array().unwrap().iter().map(port).collect()
}

/// Whole numbers with all their digits, others as doubles: 1.10 is 1.1.
fn numbers_alike(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.as_i128().is_none() => number.as_f64().into(),
        Value::Array(list) => list.iter().map(numbers_alike).collect(),
        Value::Object(object) => {
            object.iter().map(|(key, value)| (key.clone(), numbers_alike(value))).collect()
        }
        other => other.clone(),
    }
}
