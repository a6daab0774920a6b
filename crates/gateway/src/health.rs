//! `/live`, `/ready` and `/health`: whether the program runs, can take work, and what is wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use futures::future::{BoxFuture, join_all};
use kernel::{Clock, Problem};
use serde::Serialize;
use tokio::sync::Mutex;

/// How long one dependency may take to answer.
const PROBE_WITHIN: Duration = Duration::from_secs(2);
/// A report this old is given out again, so that many askers cost one look.
const FRESH: Duration = Duration::from_millis(250);

/// Asks a dependency; the error is shown to operators.
pub type Probe = Arc<dyn Fn() -> BoxFuture<'static, Result<(), Problem>> + Send + Sync>;

/// One dependency.
#[derive(Clone)]
pub struct Check {
    /// Its name, such as `database`.
    pub name: &'static str,
    /// Whether no work can be taken without it.
    pub critical: bool,
    /// Asks it.
    pub probe: Probe,
}

/// All dependencies, with the last report.
pub(crate) struct Health {
    checks: Vec<Check>,
    clock: Arc<dyn Clock>,
    version: &'static str,
    stopping: AtomicBool,
    last: Mutex<Option<(Duration, Report)>>,
}

/// What the dependencies said.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    status: Status,
    version: &'static str,
    checks: Vec<Checked>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Ok,
    /// Something that is not critical is away.
    Degraded,
    Unavailable,
    /// Shutting down.
    Stopping,
}

#[derive(Clone, Debug, Serialize)]
struct Checked {
    name: &'static str,
    critical: bool,
    ok: bool,
    duration_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Health {
    pub(crate) fn new(checks: Vec<Check>, clock: Arc<dyn Clock>, version: &'static str) -> Self {
        let (stopping, last) = (AtomicBool::new(false), Mutex::new(None));
        Self { checks, clock, version, stopping, last }
    }

    /// From now on nothing new is taken.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// 200 as long as the process answers at all.
    pub(crate) fn live() -> Response<Body> {
        respond(StatusCode::OK, &serde_json::json!({ "status": "ok" }))
    }

    /// 200 when every critical dependency is there and the process is not stopping, else 503.
    pub(crate) async fn ready(&self) -> Response<Body> {
        let report = self.report().await;
        respond(report.http_status(), &serde_json::json!({ "status": report.status }))
    }

    /// The status; with `details` also each dependency.
    pub(crate) async fn health(&self, details: bool) -> Response<Body> {
        let report = self.report().await;
        let status = report.http_status();
        if details {
            respond(status, &report)
        } else {
            respond(status, &serde_json::json!({ "status": report.status }))
        }
    }

    async fn report(&self) -> Report {
        let mut last = self.last.lock().await;
        let now = self.clock.monotonic();
        let mut report = match &*last {
            Some((at, report)) if now < *at + FRESH => report.clone(),
            _ => {
                let report = self.look().await;
                *last = Some((self.clock.monotonic(), report.clone()));
                report
            }
        };
        if self.stopping.load(Ordering::Acquire) {
            report.status = Status::Stopping;
        }
        report
    }

    async fn look(&self) -> Report {
        let checks = join_all(self.checks.iter().map(|check| self.ask(check))).await;
        let status = if checks.iter().any(|checked| checked.critical && !checked.ok) {
            Status::Unavailable
        } else if checks.iter().any(|checked| !checked.ok) {
            Status::Degraded
        } else {
            Status::Ok
        };
        Report { status, version: self.version, checks }
    }

    async fn ask(&self, check: &Check) -> Checked {
        let began = self.clock.monotonic();
        let answer = tokio::time::timeout(PROBE_WITHIN, (check.probe)()).await;
        let detail = match answer {
            Ok(Ok(())) => None,
            Ok(Err(problem)) => Some(problem.to_string()),
            Err(_) => Some(format!("no answer within {} s", PROBE_WITHIN.as_secs())),
        };
        let took = self.clock.monotonic().saturating_sub(began);
        Checked {
            name: check.name,
            critical: check.critical,
            ok: detail.is_none(),
            duration_ms: took.as_millis() as u64,
            detail,
        }
    }
}

impl Report {
    fn http_status(&self) -> StatusCode {
        match self.status {
            Status::Ok | Status::Degraded => StatusCode::OK,
            Status::Unavailable | Status::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

fn respond(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let mut response = Response::new(Body::from(serde_json::to_vec(value).unwrap_or_default()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
