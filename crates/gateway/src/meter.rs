//! What is counted of requests.

use std::time::Duration;

use axum::http::StatusCode;
use metrics::{Counter, Histogram};

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counters of one route, looked up once.
#[derive(Clone)]
pub(crate) struct Meter {
    by_class: [Counter; 5],
    seconds: Histogram,
}

impl Meter {
    /// The counters of a route: a function's name, or `hook`.
    pub(crate) fn new(route: &'static str) -> Self {
        let counter = |class: &'static str| {
            metrics::counter!(
                "flowforge_gateway_requests_total", "route" => route, "status" => class
            )
        };
        Self {
            by_class: CLASSES.map(counter),
            seconds: metrics::histogram!(
                "flowforge_gateway_request_seconds", "route" => route
            ),
        }
    }

    /// Counts one response.
    pub(crate) fn count(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        self.by_class[class].increment(1);
        self.seconds.record(took.as_secs_f64());
    }
}
