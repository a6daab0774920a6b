//! A flush's operations as the arrays its statements take.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use jiff::Timestamp;
use kernel::RunId;
use postgres_types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};
use uuid::Uuid;
use workflow::Retention;

use super::op::{FlushOp, Op};

/// One array per parameter, one element per operation.
#[derive(Default)]
pub(super) struct Columns<'a> {
    pub(super) op: Vec<i8>,
    pub(super) workspace: Vec<Uuid>,
    pub(super) run: Vec<Uuid>,
    pub(super) epoch: Vec<i32>,
    pub(super) seq: Vec<Option<i32>>,
    pub(super) seen: Vec<Option<i32>>,
    pub(super) workflow: Vec<Option<Uuid>>,
    pub(super) version: Vec<Option<Uuid>>,
    pub(super) state: Vec<Option<&'static str>>,
    /// Birth of new runs; when parked ones are due.
    pub(super) t0: Vec<Option<Micros>>,
    /// End of ended runs; deadline of started ones.
    pub(super) t1: Vec<Option<Micros>>,
    /// Journal segment of live runs; history day of ended ones.
    pub(super) day: Vec<Option<Day>>,
    pub(super) class: Vec<Option<i16>>,
    pub(super) key: Vec<Option<&'a str>>,
    pub(super) body: Vec<&'a [u8]>,
    pub(super) labels: Vec<Option<&'a str>>,
    pub(super) failure: Vec<Option<&'a str>>,
}

/// The columns in which the kinds of operations differ.
#[derive(Default)]
struct Fields<'a> {
    op: u8,
    seq: Option<i32>,
    seen: Option<i32>,
    workflow: Option<Uuid>,
    version: Option<Uuid>,
    state: Option<&'static str>,
    t0: Option<Timestamp>,
    t1: Option<Timestamp>,
    day: Option<Timestamp>,
    class: Option<i16>,
    key: Option<&'a str>,
}

impl<'a> Columns<'a> {
    /// Of these operations, in this order.
    pub(super) fn of(ops: impl ExactSizeIterator<Item = &'a FlushOp>) -> Self {
        let mut columns = Self::with_capacity(ops.len());
        for op in ops {
            columns.push(op);
        }
        columns
    }

    fn with_capacity(n: usize) -> Self {
        Self {
            op: Vec::with_capacity(n),
            workspace: Vec::with_capacity(n),
            run: Vec::with_capacity(n),
            epoch: Vec::with_capacity(n),
            seq: Vec::with_capacity(n),
            seen: Vec::with_capacity(n),
            workflow: Vec::with_capacity(n),
            version: Vec::with_capacity(n),
            state: Vec::with_capacity(n),
            t0: Vec::with_capacity(n),
            t1: Vec::with_capacity(n),
            day: Vec::with_capacity(n),
            class: Vec::with_capacity(n),
            key: Vec::with_capacity(n),
            body: Vec::with_capacity(n),
            labels: Vec::with_capacity(n),
            failure: Vec::with_capacity(n),
        }
    }

    fn push(&mut self, op: &'a FlushOp) {
        let fields = fields(&op.op);
        self.op.push(fields.op.cast_signed());
        self.workspace.push(op.workspace.0);
        self.run.push(op.run.0);
        self.epoch.push(op.epoch);
        self.seq.push(fields.seq);
        self.seen.push(fields.seen);
        self.workflow.push(fields.workflow);
        self.version.push(fields.version);
        self.state.push(fields.state);
        self.t0.push(fields.t0.map(Micros::of));
        self.t1.push(fields.t1.map(Micros::of));
        self.day.push(fields.day.map(Day::of));
        self.class.push(fields.class);
        self.key.push(fields.key);
        self.body.push(op.op.body());
        self.labels.push(op.marks.labels());
        self.failure.push(op.marks.failure());
    }
}

fn fields(op: &Op) -> Fields<'_> {
    match op {
        Op::Start { workflow, version, started_at, deadline, key, seq, body: _ } => Fields {
            op: b's',
            seq: Some(*seq),
            workflow: Some(workflow.0),
            version: Some(version.0),
            state: Some("running"),
            t0: Some(*started_at),
            t1: *deadline,
            day: Some(*started_at),
            key: key.as_deref(),
            ..Fields::default()
        },
        Op::Progress { seq, body: _ } => Fields { op: b'p', seq: Some(*seq), ..Fields::default() },
        Op::Park { at, seq, seen, due, body: _ } => Fields {
            op: b't',
            seq: Some(*seq),
            seen: Some(*seen),
            state: Some("waiting"),
            t0: *due,
            day: Some(*at),
            ..Fields::default()
        },
        Op::Renew { at, seq, body: _ } => Fields {
            op: b'r',
            seq: Some(*seq),
            state: Some("running"),
            day: Some(*at),
            ..Fields::default()
        },
        Op::End { outcome, finished_at, keep, seen, body: _ } => Fields {
            op: b'e',
            seen: Some(*seen),
            state: Some(outcome.as_str()),
            t1: Some(*finished_at),
            day: Some(*finished_at),
            class: Some(class(*keep)),
            ..Fields::default()
        },
        Op::Whole { workflow, version, outcome, started_at, finished_at, keep, key, body: _ } => {
            Fields {
                op: b'w',
                workflow: Some(workflow.0),
                version: Some(version.0),
                state: Some(outcome.as_str()),
                t0: Some(*started_at),
                t1: Some(*finished_at),
                day: Some(*finished_at),
                class: Some(class(*keep)),
                key: key.as_deref(),
                ..Fields::default()
            }
        }
    }
}

/// History's class of a retention: days, 0 for good, -1 for not at all.
pub(super) fn class(keep: Retention) -> i16 {
    match keep {
        Retention::None => -1,
        Retention::Forever => 0,
        Retention::Days(days) => class_of(days),
    }
}

/// Days for which history keeps what shall be kept for so many.
pub(crate) fn kept_days(days: u16) -> u64 {
    u64::from(class_of(days).cast_unsigned())
}

fn class_of(days: u16) -> i16 {
    let longest = CLASSES[CLASSES.len() - 1];
    CLASSES.into_iter().find(|class| class.cast_unsigned() >= days).unwrap_or(longest)
}

/// The classes history has partitions for, in days; `forge.history_classes()` says the same.
const CLASSES: [i16; 5] = [1, 7, 30, 90, 365];

/// Days from the Unix epoch to PostgreSQL's, 2000-01-01.
const EPOCH_DAYS: i64 = 10_957;

/// A `timestamptz` of microseconds: integer arithmetic only, where the driver's conversion of
/// [`Timestamp`] goes through calendar spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Micros(i64);

impl Micros {
    /// Cut to the microsecond.
    pub(crate) fn of(at: Timestamp) -> Self {
        Self(at.as_microsecond() - EPOCH_DAYS * 86_400_000_000)
    }
}

impl ToSql for Micros {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i64(self.0);
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

/// A `date`: the UTC day of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(i32);

impl Day {
    /// The UTC day `at` lies in.
    pub fn of(at: Timestamp) -> Self {
        let days = at.as_second().div_euclid(86_400) - EPOCH_DAYS;
        Self(i32::try_from(days).expect("a timestamp's days fit 32 bits"))
    }

    /// Its first moment.
    pub(crate) fn start(self) -> Timestamp {
        let seconds = (i64::from(self.0) + EPOCH_DAYS) * 86_400;
        Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The UTC day of a run's birth, as its id tells it; a day early, because the clocks of members
    /// may differ by moments.
    pub(crate) fn of_run(run: RunId) -> Self {
        let bytes = run.0.into_bytes();
        let millis = bytes[..6].iter().fold(0_i64, |sum, byte| sum << 8 | i64::from(*byte));
        let days = millis.div_euclid(86_400_000) - EPOCH_DAYS - 1;
        Self(i32::try_from(days).expect("48 bits of milliseconds are few enough days"))
    }
}

impl<'a> FromSql<'a> for Day {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(i32::from_be_bytes(raw.try_into()?)))
    }

    accepts!(DATE);
}

impl ToSql for Day {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i32(self.0);
        Ok(IsNull::No)
    }

    accepts!(DATE);
    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_days_are_written_as_postgresql_counts_them() {
        let at: Timestamp = "1999-12-31T23:59:59.999999Z".parse().unwrap();
        assert_eq!((Micros::of(at), Day::of(at)), (Micros(-1), Day(-1)));
        let at: Timestamp = "2000-01-01T00:00:00Z".parse().unwrap();
        assert_eq!((Micros::of(at), Day::of(at)), (Micros(0), Day(0)));
    }

    #[test]
    fn a_retention_that_is_no_class_is_kept_as_long_as_the_next_longer_one() {
        let classes = [1, 2, 30, 31, 366].map(|days| class(Retention::Days(days)));
        assert_eq!(classes, [1, 7, 30, 90, 365]);
        assert_eq!((class(Retention::Forever), class(Retention::None)), (0, -1));
    }
}
