//! The registry behind `/metrics`.

use std::sync::{Mutex, PoisonError};

use kernel::{Problem, codes};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of histograms of durations, in seconds.
const SECONDS: [f64; 12] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// The process's metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the registry of the whole process; do it before anything is counted. Later calls
    /// give the same registry: all members in one process count together.
    pub fn install() -> Result<Self, Problem> {
        static INSTALLED: Mutex<Option<Metrics>> = Mutex::new(None);
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = &*installed {
            return Ok(metrics.clone());
        }
        let metrics = builder()?.install_recorder().map(Self).map_err(|error| {
            let detail = format!("The metrics registry cannot be installed: {error}.");
            Problem::new(codes::CONFIG_INVALID, detail)
        })?;
        Ok(installed.insert(metrics).clone())
    }

    /// A registry that nothing is counted in, for processes without `/metrics` and for tests.
    pub fn detached() -> Result<Self, Problem> {
        Ok(Self(builder()?.build_recorder().handle()))
    }

    /// Everything counted, in the Prometheus text format.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds what was recorded into its buckets; call it every few seconds, or memory grows.
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

fn builder() -> Result<PrometheusBuilder, Problem> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .map_err(|error| Problem::new(codes::INTERNAL, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rendered_as_buckets() {
        let recorder = builder().unwrap().build_recorder();
        let metrics = Metrics(recorder.handle());
        ::metrics::with_local_recorder(&recorder, || {
            ::metrics::counter!("flowforge_gateway_requests_total", "status" => "200").increment(2);
            ::metrics::histogram!("flowforge_gateway_request_seconds").record(0.003);
        });
        let text = metrics.render();
        assert!(text.contains("flowforge_gateway_requests_total{status=\"200\"} 2"), "{text}");
        assert!(
            text.contains("flowforge_gateway_request_seconds_bucket{le=\"0.005\"} 1"),
            "{text}"
        );
    }
}
