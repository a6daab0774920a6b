//! `flowforge api`: every function of the API as a command, made from its declaration.

mod command;
mod print;

use std::io::Read as _;
use std::process::ExitCode;

use db::private::Lock;
use kernel::{Problem, Secret, Value, codes};
use reqwest::Method;

use crate::cli::Place;
use crate::client::Client;
use crate::config::Config;
use crate::keys;

pub(crate) use command::read;

/// What was asked for on the command line.
#[derive(Debug)]
pub(crate) struct Call {
    /// The description of every function.
    document: Value,
    /// Where the server's data directory is.
    pub(crate) place: Place,
    /// Address of the server, when it is not that of the data directory.
    url: Option<String>,
    /// Whether the answer is printed as it came.
    json: bool,
    /// The function, unless all shall be listed.
    request: Option<Request>,
}

/// One request, ready but for its body.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    method: String,
    /// Path and query string, percent-encoded.
    path: String,
    headers: Vec<(String, String)>,
    /// Media type, and the text: itself, `@file`, or `-` for standard input.
    body: Option<(String, String)>,
}

/// Calls the function and prints its answer; without one prints the list of functions.
///
/// # Errors
/// What the server says, and `config.invalid` when there is none to ask.
pub(crate) async fn call(config: &Config, call: &Call) -> Result<ExitCode, Problem> {
    let Some(request) = &call.request else {
        print::list(&call.document, call.json);
        return Ok(ExitCode::SUCCESS);
    };
    let body = match &request.body {
        None => None,
        Some((media_type, text)) => Some((media_type.as_str(), read_body(text)?)),
    };
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| Problem::internal())?;
    let answer = client(config, call)?.send(method, &request.path, &request.headers, body).await?;
    if (200..300).contains(&answer.status) {
        print::answer(&answer.body, call.json);
        return Ok(ExitCode::SUCCESS);
    }
    if call.json {
        print::answer(&answer.body, true);
    }
    match answer.value() {
        Err(problem) => Err(problem),
        Ok(Value::Null) => Ok(ExitCode::FAILURE),
        Ok(_) => Err(Problem::internal()),
    }
}

fn client(config: &Config, call: &Call) -> Result<Client, Problem> {
    if let Some(url) = &call.url {
        // Keys of this machine's server are not shown to another one.
        let key = std::env::var("FLOWFORGE_API_KEY").ok().filter(|key| !key.is_empty());
        return Client::new(url, key.map(Secret::new));
    }
    let holder = Lock::holder(&config.data_dir)?.and_then(|holder| holder.address);
    let Some(address) = holder else {
        let detail = format!(
            "No server runs on {}: start one with `flowforge up`, or name one with --url or \
             --data-dir.",
            config.data_dir.display()
        );
        return Err(Problem::new(codes::CONFIG_INVALID, detail));
    };
    Client::new(&address, keys::find(&config.data_dir))
}

fn read_body(text: &str) -> Result<Vec<u8>, Problem> {
    let unreadable = |name: &str, error: std::io::Error| {
        let code = match error.kind() {
            std::io::ErrorKind::NotFound => codes::FILE_NOT_FOUND,
            _ => codes::FILE_UNAVAILABLE,
        };
        Problem::new(code, format!("{name} cannot be read: {error}."))
    };
    match text.strip_prefix('@') {
        Some(path) => std::fs::read(path).map_err(|error| unreadable(path, error)),
        None if text == "-" => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().read_to_end(&mut bytes);
            read.map_err(|error| unreadable("standard input", error))?;
            Ok(bytes)
        }
        None => Ok(text.as_bytes().to_vec()),
    }
}
