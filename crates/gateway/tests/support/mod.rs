//! A gateway on a database of its own, listening on a free port.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]
#![expect(dead_code, reason = "every test binary uses its own part of this")]

mod engine;
pub(crate) mod pebble;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use db::testing::{Pooler, TestDatabase, database};
use function::{Function, Host, Services, ServicesBuilder};
use gateway::{Check, Parts, Server, Settings};
use identity::{Authenticator, bootstrap};
use jiff::Timestamp;
use kernel::clock::{SystemClock, SystemDice};
use kernel::{Clock, Dice, Problem, Secret, Value};
use observe::Metrics;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trigger::{HookObserver, HookParts, HookSettings, Hooks};
use workflow::{Catalog, Publishing};

pub(crate) const KEY: &str = "a-key-that-a-script-chose";

/// A running gateway.
pub(crate) struct App {
    pub(crate) test: TestDatabase,
    pub(crate) address: SocketAddr,
    pub(crate) services: Services,
    pub(crate) stop: CancellationToken,
    pub(crate) served: JoinHandle<()>,
    client: reqwest::Client,
    _engine: engine::Running,
    _pooler: Option<Pooler>,
}

/// The time of budgets, which stands still: what is left does not depend on how fast a test is.
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(1_000)
    }
}

/// How an [`App`] differs from the usual one.
#[derive(Default)]
pub(crate) struct Wanted {
    pub(crate) settings: Settings,
    pub(crate) hooks: HookSettings,
    pub(crate) rates: rate::Settings,
    pub(crate) functions: Vec<Function>,
    pub(crate) services: ServicesBuilder,
    pub(crate) checks: Vec<Check>,
    /// What it listens on; without one a free port.
    pub(crate) listener: Option<TcpListener>,
    /// The time; without one the machine's.
    pub(crate) clock: Option<Arc<dyn Clock>>,
    /// Whether transactions go through PgBouncer.
    pub(crate) through_pooler: bool,
}

/// The secrets of a test, under a key of its own.
fn vault_of(database: &db::Database) -> vault::Vault {
    let key = vault::SealingKey::of_text(&Secret::new("5e".repeat(32))).unwrap();
    vault::Vault::new(database.clone(), key)
}

async fn listening(given: Option<TcpListener>) -> TcpListener {
    match given {
        Some(listener) => listener,
        None => Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap(),
    }
}

impl App {
    pub(crate) async fn new() -> Self {
        Self::with(Wanted::default()).await
    }

    /// One whose transactions go through PgBouncer in transaction mode.
    pub(crate) async fn pooled() -> Self {
        Self::with(Wanted { through_pooler: true, ..Wanted::default() }).await
    }

    pub(crate) async fn with(wanted: Wanted) -> Self {
        Self::try_with(wanted).await.unwrap()
    }

    pub(crate) async fn try_with(wanted: Wanted) -> Result<Self, Problem> {
        let test = database().await;
        let pooler = wanted.through_pooler.then(|| Pooler::start(&test, 1));
        let database = match &pooler {
            // What one transaction leaves behind in the only connection, the next one meets.
            Some(pooler) => pooler.database().await,
            None => test.database.clone(),
        };
        let clock = wanted.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let dice: Arc<dyn Dice> = Arc::new(SystemDice);
        let key = Secret::new(KEY.to_owned());
        bootstrap(&database, &*clock, &*dice, Some(&key)).await.unwrap();
        let registry = Arc::new(nodes::registry());
        let catalog = Catalog::new(database.clone(), Arc::clone(&registry));
        let (engine, running) = engine::start(&database, &catalog).await;
        let vault = vault_of(&database);
        let parts = HookParts {
            database: database.clone(),
            catalog: catalog.clone(),
            engine: engine.clone(),
            blobs: running.blobs(),
            vault: vault.clone(),
            clock: Arc::clone(&clock),
            dice: Arc::clone(&dice),
        };
        let hooks = Hooks::new(wanted.hooks, parts);
        let observer = Arc::new(HookObserver::new(hooks.clone()));
        let authenticator = Authenticator::new(database.clone(), Arc::clone(&clock));
        let services = wanted
            .services
            .with(Publishing { registry, observers: vec![observer] })
            .with(authenticator.clone())
            .with(engine)
            .with(catalog)
            .with(hooks.clone())
            .with(vault)
            .build();
        let host = Host::new(database, services.clone(), Arc::clone(&clock), Arc::clone(&dice));
        let functions = gateway::functions().into_iter().chain(wanted.functions).collect();
        let server = Server::new(Parts {
            settings: wanted.settings,
            functions,
            host,
            authenticator,
            rates: rate::Rates::new(wanted.rates, Arc::new(Stopped)),
            hooks,
            metrics: Metrics::detached().unwrap(),
            checks: wanted.checks,
            clock,
            dice,
            version: "0.0.0",
        })?;
        let listener = listening(wanted.listener).await;
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "held by the app, which waits for its end")]
        let served = tokio::spawn(server.run(listener, stop.clone()));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Ok(Self {
            test,
            address,
            services,
            stop,
            served,
            client,
            _engine: running,
            _pooler: pooler,
        })
    }

    /// A request without a key.
    pub(crate) fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    /// A request with the owner's key.
    pub(crate) fn owner(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(KEY)
    }

    /// A key with these scopes.
    pub(crate) async fn key(&self, scopes: &[&str]) -> String {
        self.made_key(scopes).await["key"].as_str().unwrap().to_owned()
    }

    /// What making a key with these scopes answers.
    pub(crate) async fn made_key(&self, scopes: &[&str]) -> Value {
        let body = serde_json::json!({ "name": "test", "scopes": scopes });
        let request = self.owner(Method::POST, "/v1/api-keys").json(&body);
        expect(request, StatusCode::CREATED).await
    }

    /// Sends a request that was built before.
    pub(crate) async fn send(&self, request: reqwest::Request) -> Response {
        self.client.execute(request).await.unwrap()
    }

    /// Sets a secret.
    pub(crate) async fn set_secret(&self, name: &str, value: &str) {
        let body = serde_json::json!({ "value": value });
        let request = self.owner(Method::PUT, &format!("/v1/secrets/{name}")).json(&body);
        expect(request, StatusCode::OK).await;
    }

    /// Saves and publishes a workflow; its id.
    pub(crate) async fn publish(&self, yaml: &str) -> String {
        let id = self.save(yaml).await;
        let request = self.owner(Method::POST, &format!("/v1/workflows/{id}/publish"));
        expect(request, StatusCode::OK).await;
        id
    }

    /// Saves a workflow; its id.
    pub(crate) async fn save(&self, yaml: &str) -> String {
        let request = self.owner(Method::POST, "/v1/workflows");
        let request = request.header("content-type", "application/yaml").body(yaml.to_owned());
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
        value(response).await["id"].as_str().unwrap().to_owned()
    }
}

/// Looks again until something is there; tells what it was when it does not come.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        let mut again = tokio::time::interval(Duration::from_millis(20));
        loop {
            again.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(30), found).await;
    found.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// Sends it and reads the JSON of an answer that has this status.
pub(crate) async fn expect(request: RequestBuilder, status: StatusCode) -> Value {
    let response = request.send().await.unwrap();
    let got = response.status();
    let value = value(response).await;
    assert_eq!(got, status, "{value}");
    value
}

/// Sends it and reads the problem of an answer that has this status.
pub(crate) async fn refused(request: RequestBuilder, status: StatusCode) -> Value {
    let response = request.send().await.unwrap();
    let (got, headers) = (response.status(), response.headers().clone());
    let problem = value(response).await;
    assert_eq!(got, status, "{problem}");
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(problem["status"], status.as_u16());
    assert_eq!(problem["request_id"], headers["x-request-id"].to_str().unwrap());
    for field in ["type", "title", "detail", "instance", "code", "retryable"] {
        assert!(!problem[field].is_null(), "{field} of {problem}");
    }
    problem
}

/// The JSON of an answer; null when it has no body.
pub(crate) async fn value(response: Response) -> Value {
    let bytes = response.bytes().await.unwrap();
    if bytes.is_empty() {
        return Value::Null;
    }
    kernel::json::parse(&bytes).unwrap().value
}
