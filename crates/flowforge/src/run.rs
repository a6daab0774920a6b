//! `flowforge run`: runs a workflow file on the running server of the data directory, or else on a
//! server of its own that lives as long as the run.

use std::process::ExitCode;
use std::time::Duration;

use db::private::Lock;
use kernel::{Object, Problem, Value, codes, json};

use crate::cli::{Pins, Run};
use crate::client::Client;
use crate::config::Config;
use crate::system::{System, Use};
use crate::{keys, show, terminal};

/// How often a run that takes longer than one call is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The keys of the printed object and of each activation, in order: a contract for machines.
const RUN_KEYS: [&str; 5] = ["run_id", "status", "error", "duration_ms", "nodes"];
const ACTIVATION_KEYS: [&str; 4] = ["status", "outputs", "error", "duration_ms"];
const ERROR_KEYS: [&str; 3] = ["code", "message", "node"];

/// Runs the file and prints what happened; success only when the run succeeded. For machines what
/// kept a run from being let in is printed in the same shape, without a run.
///
/// # Errors
/// Whatever keeps the run from being let in; a run that fails is no error of this function.
pub(crate) async fn run(config: &Config, uses: Use, command: &Run) -> Result<ExitCode, Problem> {
    let outcome = attempt(config, uses, command).await;
    if let (true, Err(problem)) = (command.json, &outcome) {
        terminal::say(refusal(problem));
    }
    outcome
}

async fn attempt(config: &Config, uses: Use, command: &Run) -> Result<ExitCode, Problem> {
    let request = request(command)?;
    let view = match Lock::holder(&config.data_dir)?.and_then(|holder| holder.address) {
        Some(address) => {
            let key = keys::find(&config.data_dir);
            to_its_end(&Client::new(&address, key)?, &request).await?
        }
        None => on_our_own(config, uses, &request).await?,
    };
    match command.json {
        true => terminal::say(contract(&view)),
        false => terminal::put(&show::run(&view)),
    }
    match view.get("status").and_then(Value::as_str) {
        Some("succeeded") => Ok(ExitCode::SUCCESS),
        _ => Ok(ExitCode::FAILURE),
    }
}

/// Starts a server on a free port of this machine, runs, and stops it.
async fn on_our_own(config: &Config, uses: Use, request: &Value) -> Result<Value, Problem> {
    let system = System::start(config, uses).await?;
    let client = Client::new(&system.address().to_string(), keys::find(&config.data_dir));
    let view = match client {
        Ok(client) => to_its_end(&client, request).await,
        Err(problem) => Err(problem),
    };
    system.stop().await;
    view
}

/// Starts the run, waits until nothing more will happen in it, and gives all of it with its reply.
pub(crate) async fn to_its_end(client: &Client, request: &Value) -> Result<Value, Problem> {
    let begun = client.post("/v1/files/run", request).await?;
    if has_ended(&begun) {
        return Ok(begun);
    }
    let run = begun.get("run_id").and_then(Value::as_str).unwrap_or_default();
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        look.tick().await;
        // A look shows a part only: the whole run is read once, at its end.
        if has_ended(&client.get(&format!("/v1/runs/{run}?items=0")).await?) {
            return client.get(&format!("/v1/files/run/{run}")).await;
        }
    }
}

fn has_ended(view: &Value) -> bool {
    let status = view.get("status").and_then(Value::as_str);
    status.is_some_and(|status| ["succeeded", "failed", "cancelled"].contains(&status))
}

fn request(command: &Run) -> Result<Value, Problem> {
    let bytes = std::fs::read(&command.file).map_err(|error| {
        let code = match error.kind() {
            std::io::ErrorKind::NotFound => codes::FILE_NOT_FOUND,
            _ => codes::FILE_UNAVAILABLE,
        };
        Problem::new(code, format!("{} cannot be read: {error}.", command.file.display()))
    })?;
    let document = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let detail = format!("{} is no UTF-8 at byte {at}.", command.file.display());
        Problem::new(codes::WORKFLOW_MALFORMED, detail)
    })?;
    let name = command.file.to_string_lossy();
    let mut request = Object::new();
    request.insert("document".to_owned(), document.into());
    request.insert("media_type".to_owned(), workflow::MediaType::of_file_name(&name).name().into());
    if let Some(trigger) = &command.trigger {
        request.insert("trigger".to_owned(), trigger.as_str().into());
    }
    if let Some(input) = &command.input {
        request.insert("input".to_owned(), read_input(input)?);
    }
    request.insert("pins".to_owned(), (command.pins == Pins::Use).into());
    Ok(Value::Object(request))
}

/// `JSON` or `@file`.
fn read_input(input: &str) -> Result<Value, Problem> {
    let (name, text) = match input.strip_prefix('@') {
        None => ("--input", input.as_bytes().to_vec()),
        Some(path) => {
            let text = std::fs::read(path).map_err(|error| {
                Problem::new(codes::FILE_NOT_FOUND, format!("{path} cannot be read: {error}."))
            })?;
            (path, text)
        }
    };
    let parsed = json::parse(&text)
        .map_err(|error| Problem::new(codes::REQUEST_MALFORMED, format!("{name}: {error}")))?;
    Ok(parsed.value)
}

/// What `--json` prints: the keys of the contract and no others.
fn contract(view: &Value) -> Value {
    let mut run = pick(view, &RUN_KEYS);
    if let Some(error) = run.get_mut("error") {
        *error = pick_or_null(error);
    }
    let nodes = view.get("nodes").and_then(Value::as_object);
    let nodes: Object = nodes
        .into_iter()
        .flatten()
        .map(|(name, activations)| {
            let activations = activations.as_array().into_iter().flatten().map(activation);
            (name.clone(), Value::Array(activations.collect()))
        })
        .collect();
    run.insert("nodes".to_owned(), nodes.into());
    run.into()
}

/// The shape of the contract for a run that was not let in.
fn refusal(problem: &Problem) -> Value {
    let error = serde_json::json!({
        "code": problem.code.to_string(),
        "message": problem.detail,
        "node": problem.node,
    });
    pick(
        &serde_json::json!({ "status": "failed", "error": error, "duration_ms": 0, "nodes": {} }),
        &RUN_KEYS,
    )
    .into()
}

fn activation(view: &Value) -> Value {
    let mut activation = pick(view, &ACTIVATION_KEYS);
    if let Some(error) = activation.get_mut("error") {
        *error = pick_or_null(error);
    }
    activation.into()
}

fn pick_or_null(error: &Value) -> Value {
    if error.is_object() { pick(error, &ERROR_KEYS).into() } else { Value::Null }
}

fn pick(value: &Value, keys: &[&str]) -> Object {
    let one = |key: &&str| {
        let value = value.get(*key).cloned().unwrap_or(Value::Null);
        ((*key).to_owned(), value)
    };
    keys.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_object_has_the_keys_of_the_contract_and_no_others() {
        let view = json::parse_str(
            r#"{"run_id":"r","workflow_id":"w","status":"failed","resumed":0,
                "error":{"code":"c","message":"m","node":"A","more":1},"duration_ms":1.5,
                "nodes":{"A":[{"status":"failed","outputs":[],"attempts":1,"duration_ms":1.0,
                "error":{"code":"c","message":"m","node":"A"}}],
                "B":[{"status":"skipped","outputs":[],"error":null,"duration_ms":0.0}]}}"#,
        )
        .unwrap();
        let error = r#"{"code":"c","message":"m","node":"A"}"#;
        let expected = format!(
            r#"{{"run_id":"r","status":"failed","error":{error},"duration_ms":1.5,"nodes":{{"#
        ) + &format!(
            r#""A":[{{"status":"failed","outputs":[],"error":{error},"duration_ms":1.0}}],"#
        ) + r#""B":[{"status":"skipped","outputs":[],"error":null,"duration_ms":0.0}]}}"#;
        assert_eq!(contract(&view).to_string(), expected);
    }

    #[test]
    fn a_run_that_was_not_let_in_is_printed_in_the_same_shape() {
        let problem = Problem::new(codes::WORKFLOW_CYCLE, "round").in_node("A");
        assert_eq!(
            refusal(&problem).to_string(),
            r#"{"run_id":null,"status":"failed","error":{"code":"workflow.cycle","message":"round","#
                .to_owned()
                + r#""node":"A"},"duration_ms":0,"nodes":{}}"#
        );
    }

    #[test]
    fn malformed_input_is_refused_with_its_place() {
        let problem = read_input("{\"a\": }").unwrap_err();
        assert!(problem.detail.starts_with("--input: line 1, column 7"), "{}", problem.detail);
        assert_eq!(read_input("@/nowhere/x.json").unwrap_err().code, codes::FILE_NOT_FOUND);
    }
}
