//! A client of our own API, for the commands that attach to a running server.

use std::time::Duration;

use kernel::{Problem, Secret, Value, codes, json};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, Response};

/// How long connecting may take; the server is on this machine or near.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long one call may take.
const CALL_WITHIN: Duration = Duration::from_secs(300);

/// Header in which an answer names its run.
const RUN_ID: &str = "flowforge-run-id";

/// Calls a server with a key.
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    key: Option<Secret>,
}

/// An answer of any kind.
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// The run that answered, where the server names one.
    pub(crate) run_id: Option<String>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// A client of the server at `address`, such as `127.0.0.1:8080` or `https://flows.example.com`.
    pub(crate) fn new(address: &str, key: Option<Secret>) -> Result<Self, Problem> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .timeout(CALL_WITHIN)
            .no_proxy()
            .build()
            .map_err(|error| failed(address, &error))?;
        let base = match address.contains("://") {
            true => address.trim_end_matches('/').to_owned(),
            false => format!("http://{address}"),
        };
        Ok(Self { http, base, key })
    }

    /// Reads something.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Problem> {
        self.call(Method::GET, path, None).await?.value()
    }

    /// Sends JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, Problem> {
        let body = ("application/json", body.to_string().into_bytes());
        self.call(Method::POST, path, Some(body)).await?.value()
    }

    /// Sends a body of any kind and gives the answer of whatever status.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Answer, Problem> {
        self.send(method, path, &[], body).await
    }

    /// The same with further headers.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(String, String)],
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Answer, Problem> {
        let url = format!("{}{path}", self.base);
        let mut request =
            self.http.request(method, url).header(ACCEPT, "application/json, */*;q=0.5");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.expose());
        }
        if let Some((media_type, bytes)) = body {
            request = request.header(CONTENT_TYPE, media_type).body(bytes);
        }
        let response = request.send().await.map_err(|error| failed(&self.base, &error))?;
        Answer::read(response).await.map_err(|error| failed(&self.base, &error))
    }
}

impl Answer {
    async fn read(response: Response) -> Result<Self, reqwest::Error> {
        let status = response.status().as_u16();
        let run_id = response.headers().get(RUN_ID).and_then(|value| value.to_str().ok());
        let run_id = run_id.map(str::to_owned);
        Ok(Self { status, run_id, body: response.bytes().await?.to_vec() })
    }

    /// The JSON of a good answer, or the problem of another one.
    pub(crate) fn value(self) -> Result<Value, Problem> {
        let parsed = match self.body.is_empty() {
            true => Some(Value::Null),
            false => json::parse_own(&self.body).ok().map(|parsed| parsed.value),
        };
        match (self.status, parsed) {
            (200..=299, Some(value)) => Ok(value),
            (status, Some(value)) => Err(read_problem(status, &value)),
            (status, None) => Err(Problem::new(
                codes::HTTP_FAILED,
                format!("The server answered {status} with something that is no JSON."),
            )),
        }
    }
}

/// A problem as the server sends it. A code that is newer than this program reads as `http.status`.
fn read_problem(status: u16, value: &Value) -> Problem {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let code = text("code").and_then(kernel::Code::find).unwrap_or(codes::HTTP_STATUS);
    let detail = text("detail").map_or_else(|| format!("status {status}"), str::to_owned);
    let mut problem = Problem::new(code, detail);
    problem.node = text("node").map(str::to_owned);
    for place in value.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| place.get(key).and_then(Value::as_str).unwrap_or_default();
        let code = kernel::Code::find(text("code")).unwrap_or(code);
        problem = problem.at(text("pointer"), code, text("detail"));
    }
    problem
}

fn failed(address: &str, error: &reqwest::Error) -> Problem {
    // reqwest's own text stops at "error sending request"; the cause says what happened.
    let cause = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let cause = cause.last().map_or_else(|| error.to_string(), ToString::to_string);
    Problem::new(codes::HTTP_FAILED, format!("{address} gave no answer: {cause}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_of_the_server_is_read_with_its_places() {
        let body = br#"{"type":"x","title":"t","status":422,"code":"workflow.invalid",
            "detail":"Two faults.","errors":[{"pointer":"/nodes/0","code":"node.parameter",
            "detail":"Missing."}]}"#;
        let answer = Answer { status: 422, run_id: None, body: body.to_vec() };
        let problem = answer.value().unwrap_err();
        assert_eq!(
            (problem.code, problem.detail.as_str()),
            (codes::WORKFLOW_INVALID, "Two faults.")
        );
        assert_eq!(problem.errors[0].pointer, "/nodes/0");
    }

    #[test]
    fn an_answer_that_is_no_json_is_named() {
        let answer = Answer { status: 502, run_id: None, body: b"<html>".to_vec() };
        assert_eq!(answer.value().unwrap_err().code, codes::HTTP_FAILED);
    }
}
