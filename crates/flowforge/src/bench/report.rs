//! What a measurement says: one JSON object, or lines for people.

use serde::Serialize;

/// One measurement. The names are a contract: they do not change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Report {
    /// Which workload.
    pub(crate) workload: &'static str,
    /// What was done a second: runs, except `steps` (steps) and `queue` (jobs).
    pub(crate) rate: f64,
    /// Half of the callers waited no longer, in milliseconds.
    pub(crate) p50_ms: f64,
    /// All but one in a hundred callers waited no longer, in milliseconds.
    pub(crate) p99_ms: f64,
    /// Calls that failed.
    pub(crate) errors: u64,
    /// Calls in flight.
    pub(crate) concurrency: usize,
    /// Length of the measurement.
    pub(crate) seconds: f64,
    /// Processor time of this program meanwhile.
    pub(crate) cpu_program_s: f64,
    /// Processor time of PostgreSQL meanwhile; null when it runs elsewhere.
    pub(crate) cpu_postgres_s: Option<f64>,
    /// Transactions committed meanwhile.
    pub(crate) commits: i64,
    /// Write-ahead log written meanwhile.
    pub(crate) wal_bytes: i64,
    /// Memory of this program at the end, in MiB.
    pub(crate) rss_mb: f64,
    /// Commit latency of one client of the same PostgreSQL, in milliseconds.
    pub(crate) c1_ms: f64,
    /// Rows a second of one client that inserts a hundred at a time.
    pub(crate) a100_rows_per_s: f64,
    /// `api`: all but one in twenty callers waited no longer, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p95_ms: Option<f64>,
    /// `api`: checking a key that was seen before, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authenticate_us: Option<f64>,
    /// `api`: calling a function that does nothing, past HTTP and the key, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) call_us: Option<f64>,
}

impl Report {
    /// One line of JSON.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and a word have a form in JSON")
    }

    /// A few lines for people.
    pub(crate) fn to_text(&self) -> String {
        let Self { workload, rate, p50_ms, p99_ms, errors, concurrency, seconds, .. } = self;
        let per_thousand = |total: f64| total / (rate * seconds).max(1.0) * 1000.0;
        let postgres = match self.cpu_postgres_s {
            Some(cpu) => format!("{:.2} s", per_thousand(cpu)),
            None => "elsewhere".to_owned(),
        };
        format!(
            "{workload}: {rate:.0}/s, p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, {errors} errors \
             ({concurrency} in flight, {seconds:.0} s)\n\
             per 1000: program {:.2} s, PostgreSQL {postgres}, {:.1} commits, {:.0} kB of log; \
             memory {:.0} MiB\n\
             raw PostgreSQL: one commit {:.2} ms, {:.0} rows/s in batches\n",
            per_thousand(self.cpu_program_s),
            per_thousand(self.commits as f64),
            per_thousand(self.wal_bytes as f64) / 1000.0,
            self.rss_mb,
            self.c1_ms,
            self.a100_rows_per_s,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_the_report_are_those_of_the_contract() {
        let report = Report {
            workload: "webhook",
            rate: 100.0,
            p50_ms: 1.5,
            p99_ms: 2.5,
            errors: 0,
            concurrency: 32,
            seconds: 10.0,
            cpu_program_s: 1.0,
            cpu_postgres_s: Some(0.5),
            commits: 10,
            wal_bytes: 1000,
            rss_mb: 40.0,
            c1_ms: 0.2,
            a100_rows_per_s: 100_000.0,
            p95_ms: None,
            authenticate_us: None,
            call_us: None,
        };
        assert_eq!(
            report.to_json(),
            r#"{"workload":"webhook","rate":100.0,"p50_ms":1.5,"p99_ms":2.5,"errors":0,"#
                .to_owned()
                + r#""concurrency":32,"seconds":10.0,"cpu_program_s":1.0,"cpu_postgres_s":0.5,"#
                + r#""commits":10,"wal_bytes":1000,"rss_mb":40.0,"c1_ms":0.2,"#
                + r#""a100_rows_per_s":100000.0}"#
        );
        let text = report.to_text();
        assert!(text.contains("webhook: 100/s") && text.contains("program 1.00 s"), "{text}");
    }
}
