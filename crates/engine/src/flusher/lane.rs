//! One lane: a connection, and the loop that turns what is offered into flushes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use db::{Backend, Database, LaneSettings, Session, Statement, ToSql};
use kernel::{MemberId, fault};
use tokio_postgres::Row;

use super::columns::Columns;
use super::failure::{Failure, Obstacle, unstorable};
use super::op::{FlushOp, Flushed, Lane, Op, Verdict};
use super::queue::Backlog;
use super::{Settings, Shared};
use crate::store::{flush, members};

/// A lane at work. Owned by the flusher's thread.
pub(super) struct LaneLoop {
    lane: Lane,
    shared: Arc<Shared>,
    connection: Option<Connection>,
    attempts: u32,
}

/// A connection with its statements prepared.
struct Connection {
    session: Session,
    flush: tokio_postgres::Statement,
    whole: tokio_postgres::Statement,
    whole_keyed: tokio_postgres::Statement,
}

/// The answer to one operation.
type Outcome = Result<Verdict, kernel::Problem>;

impl LaneLoop {
    pub(super) fn new(lane: Lane, shared: Arc<Shared>) -> Self {
        Self { lane, shared, connection: None, attempts: 0 }
    }

    /// Until the flusher is closed and everything offered before has its verdict.
    pub(super) async fn run(mut self) {
        let Settings { records_max, bytes_max, .. } = self.shared.settings;
        let mut backlog = Backlog::new(records_max, bytes_max);
        let shared = self.shared.clone();
        let queue = shared.queue(self.lane);
        loop {
            let batch = backlog.gather(queue);
            if !batch.is_empty() {
                let outcomes = self.commit(&batch).await;
                fault!("flush.done");
                shared.deliver(batch, outcomes);
            } else if shared.is_closed() {
                return;
            } else {
                queue.wait().await;
            }
        }
    }

    /// Brings a batch to an end, however long it takes: every operation gets its outcome.
    async fn commit(&mut self, batch: &[FlushOp]) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; batch.len()];
        // Parts still to be sent, as positions in the batch; the last one is next.
        let mut parts = vec![(0..batch.len()).collect::<Vec<_>>()];
        while let Some(mut part) = parts.pop() {
            if self.shared.is_abandoned() {
                part.into_iter().for_each(|at| outcomes[at] = Some(Err(abandoned())));
                continue;
            }
            let ops: Vec<&FlushOp> = part.iter().map(|at| &batch[*at]).collect();
            let result = match self.send(&ops).await {
                Ok(verdicts) => {
                    self.settled();
                    for (at, verdict) in part.iter().zip(verdicts) {
                        outcomes[*at] = Some(Ok(verdict));
                    }
                    continue;
                }
                Err(Failure::Unknown(cause)) => {
                    tracing::warn!(lane = ?self.lane, error.cause = cause, "flush interrupted");
                    self.shared.obstruct(Obstacle::Database);
                    self.settle(&ops).await
                }
                Err(Failure::Exists) => {
                    let found = self.look_up(&ops).await;
                    match found {
                        Ok(known) if known.is_empty() => {
                            // Not ours: one of the operations claims what is somebody else's.
                            refuse_or_halve(part, unstorable("23505"), &mut parts, &mut outcomes);
                            continue;
                        }
                        other => other,
                    }
                }
                Err(Failure::Refused(problem)) => {
                    refuse_or_halve(part, problem, &mut parts, &mut outcomes);
                    continue;
                }
                Err(Failure::Later(obstacle)) => {
                    self.shared.obstruct(obstacle);
                    self.pause().await;
                    Ok(Vec::new())
                }
            };
            // What is known to be in has its verdict; the rest goes again, as it was.
            for (index, signals) in result.unwrap_or_default() {
                outcomes[part[index]] = Some(Ok(Verdict::Ok { signals }));
            }
            part.retain(|at| outcomes[*at].is_none());
            if !part.is_empty() {
                parts.push(part);
            }
        }
        let missing = "every part was sent, refused or given up";
        outcomes.into_iter().map(|outcome| outcome.expect(missing)).collect()
    }

    /// One flush: a verdict for each operation, in their order.
    async fn send(&mut self, ops: &[&FlushOp]) -> Result<Vec<Verdict>, Failure> {
        let me = self.shared.incarnation;
        let lane = self.lane;
        let patience = self.shared.settings.patience;
        let connection = self.connected().await?;
        let columns = Columns::of(ops.iter().copied());
        fault!("flush.before");
        let rows = {
            let query = connection.query(me, lane, ops, &columns);
            match tokio::time::timeout(patience, query).await {
                Ok(Ok(rows)) => rows,
                Ok(Err(error)) => {
                    return Err(Failure::of(&error, connection.session.is_closed()));
                }
                Err(_) => return Err(Failure::Unknown("the database fell silent".to_owned())),
            }
        };
        metrics::counter!("flowforge_engine_flushes_total").increment(1);
        metrics::counter!("flowforge_engine_flush_records_total").increment(ops.len() as u64);
        read_verdicts(ops, &rows).map_err(|error| {
            tracing::error!(error.cause = %error, "the flush answered in an unknown shape");
            Failure::Unknown(error.to_string())
        })
    }

    /// The connection, opened if need be.
    async fn connected(&mut self) -> Result<&Connection, Failure> {
        if self.connection.as_ref().is_some_and(|open| open.session.is_closed()) {
            self.connection = None;
        }
        if self.connection.is_none() {
            let shared = &self.shared;
            let opened = Connection::open(&shared.database, shared.incarnation, self.lane).await;
            let connection = opened.map_err(|error| {
                tracing::warn!(lane = ?self.lane, error.cause = %error, "no connection for the lane");
                Failure::Later(Obstacle::Database)
            })?;
            self.connection = Some(connection);
        }
        Ok(self.connection.as_ref().expect("it was opened just now"))
    }

    /// After a flush of unknown outcome: makes sure that its backend is gone, so that it can neither
    /// commit later nor hold locks, then finds out what is in.
    async fn settle(&mut self, ops: &[&FlushOp]) -> Result<Vec<(usize, i32)>, Failure> {
        let Some(backend) = self.connection.take().map(|open| open.session.backend()) else {
            return Ok(Vec::new());
        };
        while !self.gone(backend).await {
            if self.shared.is_abandoned() {
                return Ok(Vec::new());
            }
            self.pause().await;
        }
        loop {
            match self.look_up(ops).await {
                Ok(known) => {
                    tracing::info!(
                        lane = ?self.lane, flush.records = ops.len(), flush.found = known.len(),
                        "interrupted flush looked up"
                    );
                    return Ok(known);
                }
                Err(_) if self.shared.is_abandoned() => return Ok(Vec::new()),
                Err(_) => self.pause().await,
            }
        }
    }

    async fn gone(&self, backend: Backend) -> bool {
        match self.shared.database.terminate(backend, TERMINATE_WITHIN).await {
            Ok(gone) => gone,
            Err(error) => {
                tracing::warn!(error.cause = %error, "the old backend cannot be ended yet");
                false
            }
        }
    }

    /// Which of these operations are in, by their position, with the run's signals.
    async fn look_up(&mut self, ops: &[&FlushOp]) -> Result<Vec<(usize, i32)>, Failure> {
        let (me, lane) = (self.shared.incarnation.0, self.lane.number());
        let columns = Columns::of(ops.iter().copied());
        let connection = self.connected().await?;
        let result = connection
            .session
            .query_typed(
                flush::SETTLE.text,
                &typed(
                    &flush::SETTLE,
                    [
                        &me,
                        &lane,
                        &columns.op,
                        &columns.workspace,
                        &columns.run,
                        &columns.epoch,
                        &columns.seq,
                        &columns.day,
                        &columns.class,
                        &columns.key,
                    ],
                ),
            )
            .await;
        let rows = match result {
            Ok(rows) => rows,
            Err(error) => {
                let failure = Failure::of(&error, connection.session.is_closed());
                self.connection = None;
                return Err(failure);
            }
        };
        rows.iter()
            .map(|row| Ok((position(row.try_get("n")?), row.try_get("signals")?)))
            .collect::<Result<_, tokio_postgres::Error>>()
            .map_err(|error| Failure::Unknown(error.to_string()))
    }

    fn settled(&mut self) {
        self.attempts = 0;
        self.shared.clear();
    }

    /// Waits longer each time, up to [`PAUSE_MAX`]; closing the flusher ends the wait.
    async fn pause(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
        let full = PAUSE_MIN.saturating_mul(1 << self.attempts.min(6)).min(PAUSE_MAX);
        let half = full.as_millis() as u64 / 2;
        let pause = Duration::from_millis(half + self.shared.dice.next_u64() % (half + 1));
        let _elapsed = tokio::time::timeout(pause, self.shared.abandon.notified()).await;
    }
}

const PAUSE_MIN: Duration = Duration::from_millis(25);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long one attempt to end a backend waits for it to be gone.
const TERMINATE_WITHIN: Duration = Duration::from_secs(2);

impl Connection {
    async fn open(database: &Database, me: MemberId, lane: Lane) -> Result<Self, db::Error> {
        let session = database.engine_lane(&lane_settings(lane)).await?;
        let Backend { pid, started_at } = session.backend();
        let note = typed(&members::NOTE_BACKEND, [&me.0, &pid, &started_at]);
        session.query_typed(members::NOTE_BACKEND.text, &note).await?;
        let (flush, whole, whole_keyed) = futures::try_join!(
            prepare(&session, &flush::FLUSH),
            prepare(&session, &flush::WHOLE),
            prepare(&session, &flush::WHOLE_KEYED),
        )?;
        Ok(Self { session, flush, whole, whole_keyed })
    }

    /// Sends the leanest statement that can carry these operations.
    async fn query(
        &self,
        me: MemberId,
        lane: Lane,
        ops: &[&FlushOp],
        columns: &Columns<'_>,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let lane = lane.number();
        let c = columns;
        if !ops.iter().all(|op| matches!(op.op, Op::Whole { .. })) {
            let parameters: [&(dyn ToSql + Sync); 19] = [
                &me.0,
                &lane,
                &c.op,
                &c.workspace,
                &c.run,
                &c.epoch,
                &c.seq,
                &c.seen,
                &c.workflow,
                &c.version,
                &c.state,
                &c.t0,
                &c.t1,
                &c.day,
                &c.class,
                &c.key,
                &c.body,
                &c.labels,
                &c.failure,
            ];
            return sent(self.session.query(&self.flush, &parameters)).await;
        }
        let parameters: [&(dyn ToSql + Sync); 15] = [
            &me.0,
            &lane,
            &c.workspace,
            &c.run,
            &c.workflow,
            &c.version,
            &c.state,
            &c.t0,
            &c.t1,
            &c.day,
            &c.class,
            &c.body,
            &c.key,
            &c.labels,
            &c.failure,
        ];
        if !ops.iter().all(|op| is_plain_whole(op)) {
            sent(self.session.query(&self.whole_keyed, &parameters)).await
        } else {
            sent(self.session.query(&self.whole, &parameters[..12])).await
        }
    }
}

/// Lets the request leave before the fault point "sent, not answered".
async fn sent<T>(query: impl Future<Output = T>) -> T {
    #[cfg(debug_assertions)]
    {
        let mut query = std::pin::pin!(query);
        if let std::task::Poll::Ready(done) = futures::poll!(query.as_mut()) {
            return done;
        }
        tokio::task::yield_now().await;
        fault!("flush.sent");
        query.await
    }
    #[cfg(not(debug_assertions))]
    query.await
}

async fn prepare(
    session: &Session,
    statement: &Statement,
) -> Result<tokio_postgres::Statement, tokio_postgres::Error> {
    session.prepare_typed(statement.text, statement.parameters).await
}

/// An `unnest` is guessed at a few rows and a table that was empty when the plan was made stays so in
/// its eyes: with these the planner always goes from the operations into the primary keys.
fn lane_settings(lane: Lane) -> LaneSettings {
    let (name, synchronous) = match lane {
        Lane::Strict => ("strict", "on"),
        Lane::Relaxed => ("relaxed", "off"),
    };
    let settings = [
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("jit", "off"),
        ("synchronous_commit", synchronous),
        ("lock_timeout", "10s"),
        ("statement_timeout", "0"),
    ];
    LaneSettings {
        name: name.to_owned(),
        settings: settings.map(|(name, value)| (name, value.to_owned())).to_vec(),
    }
}

/// Parameters with the types the statement declares, for one round trip without preparing.
fn typed<'a, const N: usize>(
    statement: &Statement,
    parameters: [&'a (dyn ToSql + Sync); N],
) -> Vec<(&'a (dyn ToSql + Sync), db::Type)> {
    parameters.into_iter().zip(statement.parameters.iter().cloned()).collect()
}

/// From SQL's ordinality to an index.
fn position(n: i64) -> usize {
    usize::try_from(n - 1).expect("ordinality counts from 1")
}

/// Splits a part that was refused as a whole, so that only the guilty operation fails.
fn refuse_or_halve(
    mut part: Vec<usize>,
    problem: kernel::Problem,
    parts: &mut Vec<Vec<usize>>,
    outcomes: &mut [Option<Outcome>],
) {
    if let [at] = part[..] {
        tracing::warn!(error.code = %problem.code, "a record cannot be stored");
        outcomes[at] = Some(Err(problem));
        return;
    }
    let second = part.split_off(part.len() / 2);
    parts.extend(VecDeque::from([second, part]));
}

fn abandoned() -> kernel::Problem {
    Obstacle::Database.problem()
}

/// No rows: fenced. Otherwise what each operation's rows say of it; the lean statement without keys
/// answers only that the fence was open, which then means that all is written.
fn read_verdicts(ops: &[&FlushOp], rows: &[Row]) -> Result<Vec<Verdict>, tokio_postgres::Error> {
    if rows.is_empty() {
        return Ok(vec![Verdict::Fenced; ops.len()]);
    }
    let lean = rows.len() == 1 && ops.iter().all(|op| is_plain_whole(op));
    let mut ours: Vec<Option<i32>> = vec![None; ops.len()];
    let mut written = vec![lean; ops.len()];
    for row in rows {
        let n: i64 = row.try_get(1)?;
        match row.try_get::<_, i32>(0)? {
            0 => {}
            1 => ours[position(n)] = Some(row.try_get(2)?),
            _ => written[position(n)] = true,
        }
    }
    let verdicts = ops.iter().zip(ours).zip(written).map(|((op, ours), written)| match op.op {
        Op::Start { .. } | Op::Whole { .. } if written => Verdict::Ok { signals: 0 },
        Op::Start { .. } | Op::Whole { .. } => Verdict::Duplicate,
        Op::Progress { .. } => match ours {
            Some(signals) => Verdict::Ok { signals },
            None => Verdict::Lost,
        },
        Op::Park { .. } | Op::Renew { .. } | Op::End { .. } => match (written, ours) {
            (true, signals) => Verdict::Ok { signals: signals.unwrap_or(0) },
            (false, Some(signals)) => Verdict::Moved { signals },
            (false, None) => Verdict::Lost,
        },
    });
    Ok(verdicts.collect())
}

/// Whether nothing of it stands anywhere but in history.
fn is_plain_whole(op: &FlushOp) -> bool {
    let kept = |keep| keep != workflow::Retention::None;
    op.marks.is_empty() && matches!(op.op, Op::Whole { key: None, keep, .. } if kept(keep))
}

impl Flushed {
    pub(super) fn of(op: &FlushOp, outcome: Outcome) -> Self {
        Self { run: op.run, token: op.token, outcome }
    }
}
