//! Figures of ended runs, as functions ask for and answer them.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kernel::duration::Span as Length;
use kernel::{Clock, Problem, WorkflowId, WorkspaceId, codes};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::moment;
use crate::Engine;
use crate::maintenance::MINUTES_KEPT;
use crate::statistics::Durations;
use crate::store::{CountRow, Counts, Span};

/// Buckets answered at most.
const BUCKETS_MAX: i64 = 1_500;
const HOUR_S: i64 = 3_600;
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Which time, and in which pieces.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StatisticsQuery {
    /// Runs that ended from then on (RFC 3339), to the beginning of its minute or hour; 24 hours before
    /// `to` unless given.
    #[schemars(schema_with = "moment::schema")]
    from: Option<Timestamp>,
    /// Runs that ended before (RFC 3339); now unless given.
    #[schemars(schema_with = "moment::schema")]
    to: Option<Timestamp>,
    /// Length of a bucket in whole minutes; one hour unless given. Below an hour only the last 3 days
    /// are known.
    #[schemars(schema_with = "bucket")]
    bucket: Option<Length>,
}

fn bucket(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["string", "null"], "format": "span", "pattern": "^[0-9]+(ms|s|m|h|d)$",
        "default": "1h", "examples": ["5m", "1h", "1d"],
    })
}

/// Figures of ended runs.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RunStatistics {
    /// Beginning of the first bucket.
    #[schemars(with = "String")]
    from: Timestamp,
    /// End of the time looked at.
    #[schemars(with = "String")]
    to: Timestamp,
    /// Seconds of a bucket.
    bucket_seconds: i64,
    /// All of them together.
    total: Figures,
    /// Every bucket in which a run ended, in order of time.
    buckets: Vec<Bucket>,
}

/// Figures of one bucket.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RunBucket")]
struct Bucket {
    /// When it begins; buckets begin at whole multiples of their length since 1970, in UTC.
    #[schemars(with = "String")]
    at: Timestamp,
    #[serde(flatten)]
    figures: Figures,
}

/// Figures of some runs.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RunFigures")]
struct Figures {
    /// Runs that ended.
    runs: i64,
    /// Those that succeeded.
    succeeded: i64,
    /// Those that failed.
    failed: i64,
    /// Those that were cancelled.
    cancelled: i64,
    /// Runs that ended in a minute, on the average.
    runs_per_minute: f64,
    /// How long a run took from its start to its end, in milliseconds, on the average.
    mean_ms: Option<f64>,
    /// What half of the runs did not exceed, in milliseconds; like the next two exact to about a tenth.
    p50_ms: Option<f64>,
    /// What 95 of 100 runs did not exceed.
    p95_ms: Option<f64>,
    /// What 99 of 100 runs did not exceed.
    p99_ms: Option<f64>,
}

/// What is summed up of some runs.
#[derive(Default)]
struct Sum {
    outcomes: BTreeMap<String, i64>,
    durations: Durations,
    took_us: f64,
}

impl Sum {
    fn add(&mut self, row: &CountRow) {
        *self.outcomes.entry(row.state.clone()).or_default() += row.runs;
        self.durations.add(row.slot, row.runs);
        self.took_us += row.took_us;
    }

    fn figures(&self, seconds: i64) -> Figures {
        let of = |state: &str| self.outcomes.get(state).copied().unwrap_or(0);
        let runs: i64 = self.outcomes.values().sum();
        let rounded = |number: f64| (number * 1_000.0).round() / 1_000.0;
        Figures {
            runs,
            succeeded: of("succeeded"),
            failed: of("failed"),
            cancelled: of("cancelled"),
            runs_per_minute: rounded(runs as f64 * 60.0 / seconds.max(1) as f64),
            mean_ms: (runs > 0).then(|| rounded(self.took_us / runs as f64 / 1_000.0)),
            p50_ms: self.durations.percentile_ms(0.5),
            p95_ms: self.durations.percentile_ms(0.95),
            p99_ms: self.durations.percentile_ms(0.99),
        }
    }
}

/// Reads the figures of a workflow, or of all.
///
/// Errors: `request.invalid`.
pub(super) async fn read(
    engine: &Engine,
    clock: &dyn Clock,
    workspace: WorkspaceId,
    workflow: Option<WorkflowId>,
    query: StatisticsQuery,
) -> Result<RunStatistics, Problem> {
    let counts = counts(clock.now(), workflow, &query)?;
    let rows = engine.statistics(workspace, counts).await?;
    let (mut total, mut buckets) = (Sum::default(), BTreeMap::<i64, Sum>::new());
    for row in &rows {
        total.add(row);
        buckets.entry(row.bucket).or_default().add(row);
    }
    let Counts { from, to, bucket_s, .. } = counts;
    let bucket = |(at, sum): (i64, Sum)| Bucket {
        at: Timestamp::from_second(at).unwrap_or(Timestamp::UNIX_EPOCH),
        figures: sum.figures(bucket_s),
    };
    Ok(RunStatistics {
        from,
        to,
        bucket_seconds: bucket_s,
        total: total.figures(to.as_second() - from.as_second()),
        buckets: buckets.into_iter().map(bucket).collect(),
    })
}

fn counts(
    now: Timestamp,
    workflow: Option<WorkflowId>,
    query: &StatisticsQuery,
) -> Result<Counts, Problem> {
    let bucket = query.bucket.map_or(Duration::from_secs(3_600), |bucket| bucket.0);
    let bucket_s = i64::try_from(bucket.as_secs()).unwrap_or(i64::MAX);
    if bucket_s == 0 || bucket_s % 60 != 0 || bucket.subsec_nanos() != 0 {
        return Err(invalid("bucket", "must be a whole number of minutes".to_owned()));
    }
    let span = if bucket_s % HOUR_S == 0 { Span::Hour } else { Span::Minute };
    let to = query.to.unwrap_or(now);
    let from = query.from.unwrap_or(to.saturating_sub(DAY).unwrap_or(Timestamp::MIN));
    let row_s = i64::from(span.minutes()) * 60;
    let from_s = from.as_second() - from.as_second().rem_euclid(row_s);
    let from = Timestamp::from_second(from_s).unwrap_or(from);
    if from >= to {
        return Err(invalid("from", "must be before `to`".to_owned()));
    }
    let buckets = (to.as_second() - from_s) / bucket_s;
    if buckets > BUCKETS_MAX {
        let what = format!("{buckets} buckets are more than {BUCKETS_MAX}; make them longer");
        return Err(invalid("bucket", what));
    }
    let known = now.saturating_sub(SignedDuration::try_from(MINUTES_KEPT).unwrap_or(DAY));
    if span == Span::Minute && from < known.unwrap_or(Timestamp::MIN) {
        let what = "runs of more than 3 days ago are counted by the hour; use whole hours";
        return Err(invalid("bucket", what.to_owned()));
    }
    Ok(Counts { workflow, span, from, to, bucket_s })
}

fn invalid(field: &str, what: String) -> Problem {
    let code = codes::REQUEST_INVALID;
    Problem::new(code, format!("`{field}` {what}.")).at(format!("/query/{field}"), code, what)
}
