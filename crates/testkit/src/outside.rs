//! An outside service that workflows call: it counts, and looks at the database while it is called.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use db::testing::TestDatabase;
use kernel::Value;
use tokio::sync::{Semaphore, watch};
use tokio_postgres::Client;

/// One call that came in.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as JSON, else null.
    pub body: Value,
    /// Records that were durable in the journal when it came.
    pub journal: Vec<Value>,
}

struct Shared {
    database: Client,
    calls: Mutex<Vec<Call>>,
    count: watch::Sender<usize>,
    failures: Mutex<Vec<u16>>,
    /// One permit for each call that may be answered.
    gate: Semaphore,
}

/// The service; it ends when this is dropped.
pub struct Outside {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Outside {
    /// A service that answers every call at once with `{"call": n}`.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(database: &TestDatabase) -> Self {
        let shared = Arc::new(Shared {
            database: database.superuser().await,
            calls: Mutex::default(),
            count: watch::Sender::new(0),
            failures: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        #[expect(clippy::disallowed_methods, reason = "held, and aborted with this value")]
        let task = tokio::task::spawn(async move {
            axum::serve(listener, router).await.expect("it serves as long as it is wanted");
        });
        Self { address, shared, task }
    }

    /// `http://127.0.0.1:…`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next calls are answered with these statuses, the last one first.
    pub fn fail_with(&self, statuses: &[u16]) {
        let mut failures = self.shared.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.extend(statuses);
    }

    /// From now on calls wait for [`Outside::answer`].
    pub fn hold(&self) {
        self.shared.gate.forget_permits(usize::MAX);
    }

    /// Lets so many calls be answered.
    pub fn answer(&self, calls: usize) {
        self.shared.gate.add_permits(calls);
    }

    /// Waits until so many calls have come in, and gives them all.
    ///
    /// # Panics
    /// When they do not come.
    pub async fn calls(&self, at_least: usize) -> Vec<Call> {
        let mut count = self.shared.count.subscribe();
        let enough = count.wait_for(|count| *count >= at_least);
        let within = std::time::Duration::from_secs(30);
        let enough = tokio::time::timeout(within, enough).await;
        assert!(enough.is_ok(), "{at_least} calls did not come: {:?}", self.so_far());
        self.so_far()
    }

    /// The calls that have come in so far.
    pub fn so_far(&self) -> Vec<Call> {
        self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(&'static str, &'static str); 1], String) {
    let journal = journal(&shared.database).await;
    let body = kernel::json::parse(&body).map_or(Value::Null, |parsed| parsed.value);
    let call = Call { method: method.to_string(), path: uri.to_string(), headers, body, journal };
    let number = {
        let mut calls = shared.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(call);
        calls.len()
    };
    shared.count.send_replace(number);
    let permit = shared.gate.acquire().await.expect("the gate is never closed");
    permit.forget();
    let failure = shared.failures.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let status = failure.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::OK);
    (status, [("content-type", "application/json")], format!("{{\"call\":{number}}}"))
}

/// Every record of the journal, in order.
async fn journal(database: &Client) -> Vec<Value> {
    let sql = "SELECT body FROM forge.journal ORDER BY run_id, seq";
    let rows = database.query(sql, &[]).await.expect("the journal can be read");
    let mut records = Vec::new();
    for row in rows {
        let body: Vec<u8> = row.get(0);
        let text = engine::codec::decode(&body).expect("the journal's bodies can be read");
        match kernel::json::parse(&text).expect("a body is JSON").value {
            Value::Array(list) => records.extend(list),
            other => records.push(other),
        }
    }
    records
}
