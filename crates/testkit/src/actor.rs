//! Somebody who calls the API.

use std::net::SocketAddr;

use kernel::Value;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};

/// A caller with or without a key, at one member.
#[derive(Clone)]
pub struct Actor {
    client: Client,
    address: SocketAddr,
    key: Option<String>,
}

/// What was answered.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
    /// The body as JSON; null where it is none.
    pub json: Value,
}

impl Actor {
    pub(crate) fn new(client: Client, address: SocketAddr, key: Option<String>) -> Self {
        Self { client, address, key }
    }

    /// A request of this caller.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("http://{}{path}", self.address));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// `GET`
    pub async fn get(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::GET, path)).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        Reply::of(self.request(Method::POST, path).json(body)).await
    }

    /// A call with JSON, of any method.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Reply {
        Reply::of(self.request(method, path).json(body)).await
    }

    /// `DELETE`
    pub async fn delete(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::DELETE, path)).await
    }

    /// `POST` of a text with a content type.
    pub async fn post_text(&self, path: &str, content_type: &str, body: &str) -> Reply {
        let request = self.request(Method::POST, path).header("content-type", content_type);
        Reply::of(request.body(body.to_owned())).await
    }
}

impl Reply {
    /// Sends a request and reads the whole answer.
    pub async fn of(request: RequestBuilder) -> Self {
        Self::try_of(request).await.expect("the member answers")
    }

    /// The same where the member may be gone.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn try_of(request: RequestBuilder) -> Result<Self, reqwest::Error> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let json =
            kernel::json::parse_own(text.as_bytes()).map_or(Value::Null, |parsed| parsed.value);
        Ok(Self { status, headers, text, json })
    }

    /// Itself, if it has this status.
    ///
    /// # Panics
    /// When it has another one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Itself, if it refuses with this status and code and says so as a problem.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!(
            (self.status, self.json["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.text
        );
        assert_eq!(self.headers["content-type"], "application/problem+json");
        for field in ["type", "title", "detail", "request_id"] {
            assert!(self.json[field].is_string(), "{field} of {}", self.text);
        }
        self
    }

    /// What a problem says.
    pub fn detail(&self) -> &str {
        self.json["detail"].as_str().unwrap_or_default()
    }

    /// The run that a hook or a start names.
    ///
    /// # Panics
    /// When it names none.
    #[track_caller]
    pub fn run_id(&self) -> String {
        let header = self.headers.get("flowforge-run-id").and_then(|value| value.to_str().ok());
        let run = header.or(self.json["run_id"].as_str());
        run.unwrap_or_else(|| panic!("no run is named: {}", self.text)).to_owned()
    }
}
