//! The commands, made from the document of the functions, and what was typed as a request.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use function::Function;
use kernel::Value;

use super::{Call, Request};
use crate::cli::Place;

/// Options of every command; parameters of these names would hide them.
const URL: &str = "url";
const DATA_DIR: &str = "data-dir";
const JSON: &str = "json";
const BODY: &str = "body";
const CONTENT_TYPE: &str = "content-type";

/// Reads `flowforge api …`.
///
/// # Errors
/// Help that was asked for, and what cannot be understood.
pub(crate) fn read(functions: &[Function], arguments: &[String]) -> Result<Call, clap::Error> {
    let document = gateway::document(functions, env!("CARGO_PKG_VERSION"));
    let words = std::iter::once("flowforge api").chain(arguments.iter().map(String::as_str));
    let typed = command(&document).try_get_matches_from(words)?;
    let (inner, request) = match typed.subcommand() {
        None => (&typed, None),
        Some((name, inner)) => (inner, request(&document, name, inner)),
    };
    let text =
        |name: &str| inner.get_one::<String>(name).or(typed.get_one::<String>(name)).cloned();
    Ok(Call {
        document: document.clone(),
        place: Place { data_dir: text(DATA_DIR).map(PathBuf::from), listen: None },
        url: text(URL),
        json: inner.get_flag(JSON) || typed.get_flag(JSON),
        request,
    })
}

/// Every operation of the document that is a function: method, path, operation.
pub(super) fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods
            .filter(|(_, operation)| operation.get("x-kind").is_some())
            .map(move |(method, operation)| (method.as_str(), path.as_str(), operation))
    })
}

/// `list_api_keys` is typed `list-api-keys`.
pub(super) fn typed_name(operation: &Value) -> String {
    text(operation, "operationId").replace('_', "-")
}

fn command(document: &Value) -> Command {
    let root = Command::new("flowforge api")
        .about("Call a function of the API on a running server; without one: list them")
        .max_term_width(100)
        .subcommand_help_heading("Functions")
        .subcommand_value_name("FUNCTION")
        .disable_help_subcommand(true);
    let root = options(root).subcommands(operations(document).map(|one| subcommand(document, one)));
    let mut names: Vec<String> =
        root.get_subcommands().map(|one| one.get_name().to_owned()).collect();
    names.sort();
    // In the order in which people look for them.
    names
        .into_iter()
        .enumerate()
        .fold(root, |root, (place, name)| root.mut_subcommand(name, |one| one.display_order(place)))
}

fn options(command: Command) -> Command {
    let option = |name: &'static str, value: &'static str| {
        Arg::new(name).long(name).value_name(value).help_heading("Server")
    };
    command
        .arg(
            option(URL, "URL").env("FLOWFORGE_URL").help(
                "Another server than that of the data directory; its key is FLOWFORGE_API_KEY",
            ),
        )
        .arg(option(DATA_DIR, "DIR").help("Folder of the running server [default: .flowforge]"))
        .arg(
            Arg::new(JSON)
                .long(JSON)
                .action(ArgAction::SetTrue)
                .help("Print the answer as it came: JSON on one line"),
        )
}

fn subcommand(document: &Value, (method, path, operation): (&str, &str, &Value)) -> Command {
    let name = typed_name(operation);
    let about = text(operation, "summary").to_owned();
    let mut long = format!("{about}\n\n{} {path}", method.to_uppercase());
    let permission = text(operation, "x-permission");
    let _ = write!(long, "\nneeds the scope {permission}");
    if let Some(more) = operation.get("description").and_then(Value::as_str) {
        let _ = write!(long, "\n\n{more}");
    }
    let alias = text(operation, "operationId").to_owned();
    let mut command = Command::new(name.leak() as &str).about(about).long_about(long);
    if alias.contains('_') {
        command = command.alias(alias.leak() as &str);
    }
    let mut command = options(command.max_term_width(100));
    for parameter in parameters(document, operation) {
        command = command.arg(argument(parameter));
    }
    let kinds = media_types(operation);
    if !kinds.is_empty() {
        let help = format!("The body: text, @FILE, or - for standard input ({})", kinds.join(", "));
        let required = operation["requestBody"]["required"] == true;
        command =
            command.arg(Arg::new(BODY).long(BODY).value_name("BODY").help(help).required(required));
    }
    if kinds.len() > 1 {
        command = command.arg(
            Arg::new(CONTENT_TYPE)
                .long(CONTENT_TYPE)
                .value_name("TYPE")
                .help("What the body is; without it what its file's name or first character says")
                .value_parser(PossibleValuesParser::new(
                    kinds.iter().map(|kind| (*kind).to_owned().leak() as &str),
                )),
        );
    }
    command
}

/// The parameters of an operation, those that several share looked up.
fn parameters<'d>(
    document: &'d Value,
    operation: &'d Value,
) -> impl Iterator<Item = &'d Value> + use<'d> {
    let listed = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
    listed.map(|parameter| {
        let target = parameter.get("$ref").and_then(Value::as_str);
        let target = target.and_then(|target| document.pointer(target.trim_start_matches('#')));
        target.unwrap_or(parameter)
    })
}

fn argument(parameter: &Value) -> Arg {
    let name: &'static str = option_name(parameter).leak();
    let schema = &parameter["schema"];
    let mut help = text(parameter, "description").replace('\n', " ");
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        let _ = write!(help, " [default: {}]", default.to_string().trim_matches('"'));
    }
    let heading = match text(parameter, "in") {
        "header" => "Headers",
        _ => "Arguments",
    };
    let argument = Arg::new(name)
        .long(name)
        .required(parameter["in"] == "path")
        .help(help.trim_end_matches('.').to_owned())
        .help_heading(heading);
    let choices: Vec<&'static str> =
        choices(schema).into_iter().map(|choice| choice.leak() as &str).collect();
    let takes = |kind: &str| schema.get("type").is_some_and(|one| one == kind);
    if takes("boolean") {
        return argument
            .num_args(0..=1)
            .default_missing_value("true")
            .value_parser(["true", "false"])
            .hide_possible_values(true)
            .value_name("true|false");
    }
    let argument = argument.value_name(match schema.get("type").and_then(Value::as_str) {
        Some("integer") => "NUMBER",
        _ => "TEXT",
    });
    let argument = match choices.is_empty() {
        true => argument,
        false => argument.value_parser(PossibleValuesParser::new(choices)),
    };
    if takes("array") { argument.action(ArgAction::Append) } else { argument }
}

/// The few words that a parameter may be.
fn choices(schema: &Value) -> Vec<String> {
    let of = |one: &Value| one.as_str().map(str::to_owned);
    let listed = |key: &str| schema.get(key).and_then(Value::as_array);
    let constants = |all: &Vec<Value>| all.iter().map(|one| of(&one["const"])).collect();
    listed("enum")
        .map(|all| all.iter().filter_map(of).collect())
        .or_else(|| listed("oneOf").and_then(constants))
        .unwrap_or_default()
}

fn option_name(parameter: &Value) -> String {
    text(parameter, "name").to_ascii_lowercase().replace('_', "-")
}

fn media_types(operation: &Value) -> Vec<&str> {
    let content = operation.get("requestBody").and_then(|body| body["content"].as_object());
    content.into_iter().flatten().map(|(kind, _)| kind.as_str()).collect()
}

fn request(document: &Value, name: &str, typed: &ArgMatches) -> Option<Request> {
    let (method, path, operation) =
        operations(document).find(|(.., operation)| typed_name(operation) == name)?;
    let (mut path, mut query, mut headers) = (path.to_owned(), Vec::new(), Vec::new());
    for parameter in parameters(document, operation) {
        let values = typed.get_many::<String>(&option_name(parameter)).into_iter().flatten();
        let name = text(parameter, "name");
        for value in values {
            match text(parameter, "in") {
                "path" => path = path.replace(&format!("{{{name}}}"), &encode(value)),
                "header" => headers.push((name.to_ascii_lowercase(), value.clone())),
                _ => query.push(format!("{}={}", encode(name), encode(value))),
            }
        }
    }
    if !query.is_empty() {
        path = format!("{path}?{}", query.join("&"));
    }
    let kinds = media_types(operation);
    let body = match kinds.is_empty() {
        true => None,
        false => typed.get_one::<String>(BODY).map(|body| {
            let chosen = match kinds.len() {
                1 => None,
                _ => typed.get_one::<String>(CONTENT_TYPE).cloned(),
            };
            (chosen.unwrap_or_else(|| guess(body, &kinds).to_owned()), body.clone())
        }),
    };
    Some(Request { method: method.to_uppercase(), path, headers, body })
}

/// What a body is: by the name of its file, else by how it begins.
fn guess<'k>(body: &str, kinds: &[&'k str]) -> &'k str {
    let yaml = match body.strip_prefix('@') {
        Some(path) => path.ends_with(".yaml") || path.ends_with(".yml"),
        None => body != "-" && !body.trim_start().starts_with(['{', '[']),
    };
    let wanted = if yaml { "yaml" } else { "json" };
    let found = kinds.iter().find(|kind| kind.ends_with(wanted)).or(kinds.first());
    found.copied().unwrap_or("application/json")
}

fn encode(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn functions() -> Vec<Function> {
        crate::App::new().all_functions()
    }

    fn typed(words: &[&str]) -> Call {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        read(&functions(), &words).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn every_function_is_a_command_with_help() {
        let document = gateway::document(&functions(), "0.0.0");
        command(&document).debug_assert();
        for (.., operation) in operations(&document) {
            let words = [typed_name(operation), "--help".to_owned()];
            let help = read(&functions(), &words).unwrap_err().to_string();
            assert!(help.contains(text(operation, "summary")), "{help}");
        }
    }

    #[test]
    fn what_is_typed_becomes_the_request() {
        let call =
            typed(&["update-workflow", "--workflow-id", "a b", "--body", "@x.yaml", "--json"]);
        assert!(call.json);
        let request = call.request.unwrap();
        assert_eq!((request.method.as_str(), &*request.path), ("PUT", "/v1/workflows/a%20b"));
        let body = ("application/yaml".to_owned(), "@x.yaml".to_owned());
        assert_eq!(request.body, Some(body));
        let call = typed(&["list_api_keys", "--limit", "3"]);
        assert_eq!(call.request.unwrap().path, "/v1/api-keys?limit=3");
        assert!(typed(&[]).request.is_none());
    }

    #[test]
    fn a_missing_argument_and_an_unknown_function_are_named() {
        let refused = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            read(&functions(), &words).unwrap_err().to_string()
        };
        assert!(refused(&["get-workflow"]).contains("--workflow-id"));
        assert!(refused(&["get-workflw"]).contains("get-workflow"));
    }

    #[test]
    fn the_openapi_contract_is_what_the_functions_say() {
        let document = gateway::document(&functions(), env!("CARGO_PKG_VERSION"));
        let written = serde_json::to_string_pretty(&document).unwrap() + "\n";
        checkout::assert_current("contracts/openapi.json", &written);
    }
}
