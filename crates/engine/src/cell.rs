//! A run on its worker: its state, what waits for durability, who waits for an answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use kernel::{Items, Problem, RunId, WorkspaceId, codes};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use workflow::{Graph, Retention};

use crate::calls::Slot;
use crate::codec;
use crate::command::Adopted;
use crate::decide::{Action, Input};
use crate::door::{Answer, AnswerWhen, RunStatus};
use crate::flusher::{FlushOp, Lane, Marks, Op, Outcome, SinkId};
use crate::redact::Redaction;
use crate::state::RunState;
use crate::timers::Timer;

/// Receives the caller's answer, once.
pub(crate) type AnswerSender = oneshot::Sender<Result<Answer, Problem>>;

/// A run whose journal is older than this writes a checkpoint and moves to today's segment.
const SEGMENT_AGE_MAX: SignedDuration = SignedDuration::from_hours(24);

/// A history longer than this is not kept in memory beside what it tells of.
const WRITTEN_BYTES_MAX: usize = 256 * 1024;

/// How far a run has come in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing is written.
    New,
    /// Its start has been offered: it has a row of its own.
    Written,
    /// It only waits, and letting go of it has been offered: what happens to it now has to wait.
    Parking,
    /// Its end has been offered.
    Ending,
}

/// One run in memory.
pub(crate) struct Cell {
    pub(crate) state: RunState,
    pub(crate) epoch: i32,
    pub(crate) stage: Stage,
    /// The journal is durable up to this position.
    pub(crate) durable: u64,
    /// Its share in what the member's runs hold.
    pub(crate) counted_bytes: usize,
    /// Number of the last journal row offered.
    pub(crate) seq: i32,
    /// When its last checkpoint was made, or its birth: the day is its journal segment.
    pub(crate) segment_at: Timestamp,
    /// Whether an operation is on its way; there is never a second one.
    pub(crate) in_flight: bool,
    /// Whether the start must be written even though nothing waits for it.
    pub(crate) visible: bool,
    /// Actions that wait for the journal.
    pub(crate) held: Vec<Action>,
    /// Every record offered so far: the body of its history row. `None`: they are many, and are read
    /// back from the journal when they are needed.
    pub(crate) written: Option<Vec<u8>>,
    pub(crate) answer: Option<AnswerSender>,
    /// Those who asked for its end and wait until that is durable.
    pub(crate) cancellers: Vec<oneshot::Sender<()>>,
    /// Those who said what became of an effect, and the position that makes it durable.
    pub(crate) answered: Vec<(u64, oneshot::Sender<bool>)>,
    /// Position after which the reply may be told.
    pub(crate) reply_after: Option<u64>,
    /// Fires when the run ends, for everything it still has under way.
    pub(crate) cancel: CancellationToken,
    /// Signals taken into account.
    pub(crate) seen: i32,
    /// Whether the error workflow, if any, has been told.
    pub(crate) error_told: bool,
    /// Whether the runs it had called and no longer waits for, if any, have been told to end.
    pub(crate) orphans_told: bool,
    /// A called run's place among those under way, given up while it waits.
    pub(crate) slot: Option<Slot>,
    /// What happened to it while it was being parked.
    pub(crate) deferred: Vec<Input>,
    /// The run as it was taken up again before it was known here that it had been parked.
    pub(crate) successor: Option<Box<Adopted>>,
    /// Reading of the monotonic clock at the run's start (or what it would have been).
    pub(crate) began: Duration,
}

/// What to do next about a run's durability.
pub(crate) enum Next {
    /// Nothing.
    Rest,
    /// Offer this; a body above the inline limit has to become a blob first.
    Offer(Box<FlushOp>),
    /// The run is over and nothing of it is kept: it is as if it had been written.
    Forget,
    /// The next operation takes the whole history: read it back from the journal.
    ReadBack,
    /// The end of the run is in the journal: tell the runs that it had called to end, too.
    CancelOrphans,
}

impl Cell {
    pub(crate) fn graph(&self) -> &Arc<Graph> {
        &self.state.plan.graph
    }

    pub(crate) fn workspace(&self) -> WorkspaceId {
        self.graph().workspace
    }

    pub(crate) fn run(&self) -> RunId {
        self.state.run
    }

    fn keep(&self) -> Retention {
        let settings = &self.graph().settings;
        let keep = match self.state.status {
            RunStatus::Succeeded => settings.keep_succeeded,
            RunStatus::Failed
            | RunStatus::Cancelled
            | RunStatus::Queued
            | RunStatus::Running
            | RunStatus::Waiting => settings.keep_failed,
        };
        // A caller that crashes finds its children's results in history, and so does whoever comes
        // again with the same key.
        let asked_for = self.state.start.parent.is_some() || self.state.start.key.is_some();
        if keep == Retention::None && asked_for { Retention::Days(1) } else { keep }
    }

    /// Whether something waits for the start to be durable.
    fn must_write(&self) -> bool {
        self.visible
            || !self.held.is_empty()
            || self.reply_after.is_some()
            || self.state.shown_status() == RunStatus::Waiting
            || (self.answer.is_some() && self.state.start.answer == AnswerWhen::Started)
    }

    /// What lies far ahead of the run: its timeout (the document's, else this one), and its journal
    /// segment growing old.
    pub(crate) fn long_timers(
        &self,
        timeout: Duration,
    ) -> impl Iterator<Item = (Timestamp, Timer)> {
        let deadline = self.deadline(timeout).map(|at| (at, Timer::Deadline));
        deadline.into_iter().chain([(self.renew_at(), Timer::Renew)])
    }

    /// When its time is up.
    pub(crate) fn deadline(&self, timeout: Duration) -> Option<Timestamp> {
        let timeout = self.graph().settings.timeout.unwrap_or(timeout);
        self.state.start.at.checked_add(SignedDuration::try_from(timeout).ok()?).ok()
    }

    /// When its journal segment is old.
    pub(crate) fn renew_at(&self) -> Timestamp {
        self.segment_at.saturating_add(SEGMENT_AGE_MAX).unwrap_or(Timestamp::MAX)
    }

    /// Whether nobody here waits for it and nothing of it is left to be written: it may be let go of
    /// while it waits. A run that another one waits for stays, so as to tell it of its end.
    pub(crate) fn may_park(&self) -> bool {
        self.stage == Stage::Written
            && !self.in_flight
            && self.state.is_idle()
            && self.state.journal.is_empty()
            && self.held.is_empty()
            && self.cancellers.is_empty()
            && self.answer.is_none()
            && !self.state.start.parent.is_some_and(|parent| parent.wait)
    }

    /// The next operation, if one is due and none is on its way. Marks it as on its way. With `park`
    /// the run may be let go of until then.
    pub(crate) fn next_op(
        &mut self,
        sink: SinkId,
        now: Timestamp,
        park: Option<Timestamp>,
    ) -> Next {
        if self.in_flight || self.stage == Stage::Ending {
            return Next::Rest;
        }
        let over = self.state.status.is_final();
        let op = match (self.stage, over) {
            (Stage::New, true) if self.keep() == Retention::None => {
                self.stage = Stage::Ending;
                return Next::Forget;
            }
            // Only its start tells whether another run has the key.
            (Stage::New, true) if crate::calls::must_tell_error_workflow(self) => self.start(),
            (Stage::New, true) => self.whole(),
            (Stage::New, false) if self.must_write() => self.start(),
            (Stage::New, false) => return Next::Rest,
            (Stage::Written, true) if self.has_orphans() => {
                // First the end, so that it is one even if the process dies before all are told.
                if self.state.journal.is_empty() {
                    self.in_flight = true;
                    return Next::CancelOrphans;
                }
                self.progress()
            }
            (Stage::Written, over)
                if self.written.is_none()
                    && (over || park.is_some() || self.segment_is_old(now)) =>
            {
                self.in_flight = true;
                return Next::ReadBack;
            }
            (Stage::Written, true) => self.end(),
            (Stage::Written, false) => match park {
                Some(due) => self.park(now, due),
                None if self.segment_is_old(now) => self.renew(now),
                None if self.state.journal.is_empty() => return Next::Rest,
                None => self.progress(),
            },
            (Stage::Parking | Stage::Ending, _) => return Next::Rest,
        };
        self.in_flight = true;
        let lane = if self.graph().settings.relaxed { Lane::Relaxed } else { Lane::Strict };
        Next::Offer(Box::new(FlushOp {
            workspace: self.workspace(),
            run: self.run(),
            epoch: self.epoch,
            lane,
            sink,
            token: self.state.position,
            marks: self.marks(&op),
            op,
        }))
    }

    /// Whether another run may have the key: nothing may come of this one before that is known.
    pub(crate) fn may_be_duplicate(&self) -> bool {
        self.stage == Stage::New && self.state.start.key.is_some()
    }

    fn has_orphans(&self) -> bool {
        !self.orphans_told && !self.state.orphans.is_empty()
    }

    /// Gives up what a run does not need that only waits: nested runs never wait for each other's
    /// places, and runs that sleep keep nobody from beginning.
    pub(crate) fn give_up_slot(&mut self) {
        if self.slot.is_some() && self.state.is_idle() {
            self.slot = self.slot.take().and_then(|slot| slot.waiting(self.state.is_calling()));
        }
    }

    /// Labels stand there from the start on, and learn at the end how long they stay.
    fn marks(&self, op: &Op) -> Marks {
        let labels = &self.state.start.labels;
        match op {
            Op::Start { .. } => Marks::of(labels, None),
            Op::End { .. } | Op::Whole { .. } => Marks::of(labels, self.state.problem.as_ref()),
            Op::Progress { .. } | Op::Park { .. } | Op::Renew { .. } => Marks::default(),
        }
    }

    fn start(&mut self) -> Op {
        self.stage = Stage::Written;
        self.seq = 1;
        let body = self.take_journal();
        let graph = self.graph();
        Op::Start {
            workflow: graph.workflow.id,
            version: graph.version,
            started_at: self.state.start.at,
            deadline: None,
            key: self.state.start.key.clone(),
            seq: 1,
            body,
        }
    }

    fn progress(&mut self) -> Op {
        self.seq += 1;
        Op::Progress { seq: self.seq, body: self.take_journal() }
    }

    /// Whether the run holds back the dropping of a day's journal.
    fn segment_is_old(&self, now: Timestamp) -> bool {
        now.duration_since(self.segment_at) >= SEGMENT_AGE_MAX
    }

    /// A full checkpoint in today's segment: the journal before it is no longer needed.
    fn renew(&mut self, now: Timestamp) -> Op {
        self.segment_at = now;
        self.seq += 1;
        Op::Renew { at: now, seq: self.seq, body: self.take_history() }
    }

    fn park(&mut self, now: Timestamp, due: Timestamp) -> Op {
        self.stage = Stage::Parking;
        self.seq += 1;
        let (seq, seen) = (self.seq, self.seen);
        Op::Park { at: now, seq, seen, due: Some(due), body: self.take_history() }
    }

    fn whole(&mut self) -> Op {
        self.stage = Stage::Ending;
        let body = self.take_history();
        let graph = self.graph();
        Op::Whole {
            workflow: graph.workflow.id,
            version: graph.version,
            outcome: outcome(self.state.status),
            started_at: self.state.start.at,
            finished_at: self.finished_at(),
            keep: self.keep(),
            key: self.state.start.key.clone(),
            body,
        }
    }

    fn end(&mut self) -> Op {
        self.stage = Stage::Ending;
        Op::End {
            outcome: outcome(self.state.status),
            finished_at: self.finished_at(),
            keep: self.keep(),
            seen: self.seen,
            body: self.take_history(),
        }
    }

    fn finished_at(&self) -> Timestamp {
        let took = SignedDuration::from_micros(self.state.ended_us as i64);
        self.state.start.at.checked_add(took).unwrap_or(self.state.start.at)
    }

    fn take_journal(&mut self) -> Bytes {
        let body = codec::encode(&as_list(&self.state.journal));
        if let Some(written) = &mut self.written {
            append(written, &mut self.state.journal);
        }
        self.state.journal.clear();
        body
    }

    /// Everything. Only where it is at hand: see [`Next::ReadBack`].
    fn take_history(&mut self) -> Bytes {
        let written = self.written.get_or_insert_default();
        append(written, &mut self.state.journal);
        let list = as_list(written);
        codec::encode(&self.redacted(list))
    }

    /// Lets go of a long history whose records are all durable.
    pub(crate) fn forget_written(&mut self) {
        if self.written.as_ref().is_some_and(|written| written.len() > WRITTEN_BYTES_MAX) {
            self.written = None;
        }
    }

    /// What may stay of these records. A run that goes on needs all of them, and so does the caller of
    /// a called one after a crash.
    fn redacted(&self, records: Vec<u8>) -> Vec<u8> {
        let paths = &self.graph().settings.redact;
        let over = self.state.status.is_final() && self.state.start.parent.is_none();
        if over { Redaction(paths).history(records) } else { records }
    }

    /// Tells those whose answers are durable.
    pub(crate) fn acknowledge_answers(&mut self) {
        let durable = self.durable;
        for (_, answered) in self.answered.extract_if(.., |(after, _)| *after <= durable) {
            // It may have lost patience.
            let _ = answered.send(true);
        }
    }

    /// Tells the caller, if it still waits for this and it is durable.
    pub(crate) fn answer_if_due(&mut self) {
        if self.answer.is_none() {
            return;
        }
        let ended = self.state.status.is_final() && self.stage == Stage::Ending;
        let over = ended && self.durable >= self.state.position;
        let due = match self.state.start.answer {
            AnswerWhen::Started => self.durable > 0,
            AnswerWhen::Replied => {
                over || self.reply_after.is_some_and(|after| self.durable >= after)
            }
            AnswerWhen::Ended => over,
        };
        if !due {
            return;
        }
        kernel::fault!("reply.before");
        let answer = self.tell();
        if let Some(sender) = self.answer.take() {
            // A caller who went away changes nothing.
            let _ = sender.send(Ok(answer));
        }
    }

    fn tell(&self) -> Answer {
        Answer {
            run: self.run(),
            status: self.state.shown_status(),
            reply: self.state.reply.clone(),
            last_items: self.last_items(),
            error: self.state.problem.clone(),
        }
    }

    /// What its caller is told when it ends here because of this.
    pub(crate) fn failed(&self, problem: Problem) -> Answer {
        Answer {
            run: self.run(),
            status: RunStatus::Failed,
            reply: None,
            last_items: Items::default(),
            error: Some(problem),
        }
    }

    /// Items of the first output with items of the activation that ended last.
    pub(crate) fn last_items(&self) -> Items {
        crate::view::last_items(&self.state)
    }

    /// What a calling run gets: the last node's items, or why there are none.
    pub(crate) fn result(&self) -> Result<Items, Problem> {
        match (self.state.status, &self.state.problem) {
            (RunStatus::Succeeded, _) => Ok(self.last_items()),
            (_, Some(problem)) => Err(problem.clone()),
            (_, None) => Err(Problem::new(codes::RUN_CANCELLED, "The called run was cancelled.")),
        }
    }
}

/// How a run in this final state ended.
pub(crate) fn outcome(status: RunStatus) -> Outcome {
    match status {
        RunStatus::Succeeded => Outcome::Succeeded,
        RunStatus::Cancelled => Outcome::Cancelled,
        RunStatus::Failed | RunStatus::Queued | RunStatus::Running | RunStatus::Waiting => {
            Outcome::Failed
        }
    }
}

/// Moves records behind others; both are the inside of a JSON array.
fn append(written: &mut Vec<u8>, records: &mut Vec<u8>) {
    if written.is_empty() {
        std::mem::swap(written, records);
    } else if !records.is_empty() {
        written.push(b',');
        written.append(records);
    }
}

/// The inside of a JSON array with its brackets.
fn as_list(records: &[u8]) -> Vec<u8> {
    let mut list = Vec::with_capacity(records.len() + 2);
    list.push(b'[');
    list.extend_from_slice(records);
    list.push(b']');
    list
}
