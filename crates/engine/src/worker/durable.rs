//! What a run has to say to the journal, and what the journal answers.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use kernel::{Problem, RunId, codes};

use super::Worker;
use crate::calls;
use crate::cell::{Cell, Next, Stage, outcome};
use crate::command::Command;
use crate::decide::{Action, Input};
use crate::door::Answer;
use crate::engine::Shared;
use crate::flusher::{FlushOp, Flushed, Verdict};
use crate::keeping;
use crate::load;
use crate::record::Parent;
use crate::timers::Timers;

impl Worker {
    /// Offers what the run has to say, if nothing of it is on its way.
    pub(super) fn flush(&mut self, run: RunId) {
        let Some(cell) = self.cells.get_mut(&run) else { return };
        if calls::must_tell_error_workflow(cell) && !cell.may_be_duplicate() {
            if !cell.in_flight {
                cell.in_flight = true;
                calls::tell_error_workflow(&self.shared, cell, self.commands.clone());
            }
            return;
        }
        let now = self.shared.clock.now();
        let park = cell.may_park().then(|| parked_until(&self.timers, cell, now, &self.shared));
        match cell.next_op(self.sink, now, park.flatten()) {
            Next::Rest => {}
            Next::Offer(op) => self.offer(run, *op),
            Next::ReadBack => {
                let (shared, commands) = (Arc::clone(&self.shared), self.commands.clone());
                let workspace = cell.workspace();
                tokio::task::spawn_local(async move {
                    let read = || load::read_back(&shared, workspace, run);
                    let written = load::persist(&shared, read).await;
                    let _ = commands.send(Command::ReadBack(run, written));
                });
            }
            Next::CancelOrphans => {
                calls::cancel_orphans(&self.shared, cell, self.commands.clone());
            }
            Next::Forget => {
                cell.durable = cell.state.position;
                self.finish(run);
            }
        }
    }

    pub(super) fn read_back(&mut self, run: RunId, written: Result<Vec<u8>, Problem>) {
        let Some(cell) = self.cells.get_mut(&run) else { return };
        cell.in_flight = false;
        match written {
            Ok(written) => {
                cell.written = Some(written);
                self.flush(run);
            }
            Err(problem) => self.give_up(run, problem),
        }
    }

    fn offer(&mut self, run: RunId, op: FlushOp) {
        let until = keeping::needed_until(&op.op);
        let cell = self.cells.get(&run).filter(|_| until.is_some());
        let files = cell.map(|cell| keeping::files(&cell.state)).unwrap_or_default();
        if files.is_empty() && op.op.body().len() < kernel::limits::BLOB_FROM_BYTES {
            self.shared.flusher.offer(op);
            return;
        }
        let (shared, commands) = (Arc::clone(&self.shared), self.commands.clone());
        tokio::task::spawn_local(async move {
            let stored = load::store_blobs(&shared, op, files, until).await.map(Box::new);
            kernel::fault!("blob.written");
            let _ = commands.send(Command::Stored(run, stored));
        });
    }

    pub(super) fn stored(&mut self, run: RunId, stored: Result<Box<FlushOp>, Problem>) {
        match stored {
            Ok(op) => self.shared.flusher.offer(*op),
            Err(problem) => self.give_up(run, problem),
        }
    }

    pub(super) fn flushed(&mut self, flushed: Flushed) {
        let Flushed { run, token, outcome } = flushed;
        let Some(cell) = self.cells.get_mut(&run) else { return };
        cell.in_flight = false;
        match outcome {
            Ok(Verdict::Ok { signals }) => {
                cell.durable = token;
                match cell.stage {
                    Stage::Ending => return self.finish(run),
                    Stage::Parking => return self.let_go(run),
                    Stage::New | Stage::Written => cell.forget_written(),
                }
                if signals > cell.seen {
                    self.read_inbox(run, signals);
                }
                self.release(run);
                self.flush(run);
            }
            Ok(Verdict::Moved { signals }) => {
                cell.stage = Stage::Written;
                let deferred = std::mem::take(&mut cell.deferred);
                self.read_inbox(run, signals);
                for input in deferred {
                    self.feed(run, input);
                }
            }
            Ok(Verdict::Duplicate) => self.duplicate(run),
            Ok(Verdict::Lost | Verdict::Fenced) => {
                tracing::warn!(run.id = %run, "the run belongs to somebody else; dropped");
                let detail = "Another member took the run over; it goes on there.";
                self.give_up(run, Problem::new(codes::SERVER_OVERLOADED, detail));
            }
            Err(problem) if problem.code == codes::RUN_UNSTORABLE => self.refused(run, problem),
            Err(problem) => self.give_up(run, problem),
        }
    }

    /// The database will never take what the run has to say: it ends with what is stored of it. Were
    /// it left to recovery, its last effects would be repeated for ever.
    fn refused(&mut self, run: RunId, problem: Problem) {
        let Some(cell) = self.cells.get_mut(&run) else { return };
        let (workspace, stored) = (cell.workspace(), cell.durable > 0);
        if stored && let Some(answer) = cell.answer.take() {
            // It has been let in: its caller hears that it failed, not that nothing was started.
            let _ = answer.send(Ok(cell.failed(problem.clone())));
        }
        self.give_up(run, problem.clone());
        if stored {
            let shared = Arc::clone(&self.shared);
            tokio::task::spawn_local(async move {
                let end = || load::take_up(&shared, workspace, run, Some(problem.clone()));
                if let Err(problem) = load::persist(&shared, end).await {
                    tracing::error!(run.id = %run, "the run could not be ended: {problem}");
                }
            });
        }
    }

    /// Lets go of what waited for the journal.
    pub(super) fn release(&mut self, run: RunId) {
        let Some(cell) = self.cells.get_mut(&run) else { return };
        cell.answer_if_due();
        cell.acknowledge_answers();
        let durable = cell.durable;
        let due: Vec<_> = cell
            .held
            .extract_if(.., |action| match action {
                Action::Perform { after, .. } | Action::Call { after, .. } => *after <= durable,
                Action::Execute { .. }
                | Action::Wake { .. }
                | Action::Reply { .. }
                | Action::End => false,
            })
            .collect();
        let mut inputs = VecDeque::new();
        for action in due {
            self.act(run, action, &mut inputs);
        }
        for input in inputs {
            self.feed(run, input);
        }
    }

    /// The run is parked and that is durable. What happened to it meanwhile will happen again: its
    /// timers stand in the database, and who wanted to cancel it finds nobody and signals.
    fn let_go(&mut self, run: RunId) {
        let Some(mut cell) = self.remove(run) else { return };
        if let Some(adopted) = cell.successor.take() {
            self.adopt(*adopted);
        }
    }

    /// The run is over and that is durable: tell everybody who waits.
    fn finish(&mut self, run: RunId) {
        kernel::fault!("run.ended");
        let Some(mut cell) = self.remove(run) else { return };
        self.shared.statistics.count(&cell.state, outcome(cell.state.status));
        cell.answer_if_due();
        cell.acknowledge_answers();
        for canceller in cell.cancellers.drain(..) {
            // It may have lost patience.
            let _ = canceller.send(());
        }
        if let Some(parent) = cell.state.start.parent.filter(|parent| parent.wait) {
            let input = Input::Returned {
                activation: parent.activation,
                child: parent.child,
                result: cell.result(),
            };
            self.shared.send(parent.run, Command::Input(parent.run, input));
        }
    }

    /// The run cannot go on here; what is durable of it will be taken up by recovery.
    fn give_up(&mut self, run: RunId, problem: Problem) {
        tracing::error!(run.id = %run, error.code = %problem.code, "a run was given up: {problem}");
        let Some(mut cell) = self.remove(run) else { return };
        if let Some(parent) = cell.state.start.parent.filter(|parent| parent.wait)
            && cell.durable == 0
        {
            // Recovery knows nothing of it: its caller would wait for ever.
            let Parent { activation, child, .. } = parent;
            let input = Input::Returned { activation, child, result: Err(problem.clone()) };
            self.shared.send(parent.run, Command::Input(parent.run, input));
        }
        // What is durable goes on elsewhere: its caller must not take it for refused, and hears
        // by the closed channel that the answer will not come from here.
        if let Some(answer) = cell.answer.take().filter(|_| cell.durable == 0) {
            let _ = answer.send(Err(problem));
        }
    }

    /// The key belongs to an earlier run: its answer is this caller's answer.
    fn duplicate(&mut self, run: RunId) {
        let Some(mut cell) = self.remove(run) else { return };
        let Some(answer) = cell.answer.take() else { return };
        let shared = Arc::clone(&self.shared);
        let (workspace, key) = (cell.workspace(), cell.state.start.key.clone().unwrap_or_default());
        let when = cell.state.start.answer;
        // Beside the worker: the other run may be long, and is read back to see its answer.
        self.shared.slow.spawn(async move {
            let told: Result<Answer, Problem> = shared.answer_of_key(workspace, &key, when).await;
            let _ = answer.send(told);
        });
    }

    pub(super) fn read_inbox(&self, run: RunId, signals: i32) {
        let Some(cell) = self.cells.get(&run) else { return };
        let (shared, commands) = (Arc::clone(&self.shared), self.commands.clone());
        let workspace = cell.workspace();
        tokio::task::spawn_local(async move {
            // Nothing else may come of the run before this is known.
            let read = || shared.store.is_cancelled(workspace, run);
            if let Ok(cancel) = load::persist(&shared, read).await {
                let _ = commands.send(Command::Inbox { run, signals, cancel });
            }
        });
    }

    pub(super) fn inbox(&mut self, run: RunId, signals: i32, cancel: bool) {
        let Some(cell) = self.cells.get_mut(&run) else { return };
        cell.seen = cell.seen.max(signals);
        if cancel {
            self.feed(run, Input::Cancel);
        } else {
            self.flush(run);
        }
    }
}

/// Until when a run may be let go of that may be: when the first of the times comes that it waits
/// for, if that is far enough ahead and it waits for nothing else.
fn parked_until(
    timers: &Timers,
    cell: &Cell,
    now: Timestamp,
    shared: &Shared,
) -> Option<Timestamp> {
    let from = now.checked_add(shared.settings.park_after).ok()?;
    let (first, waiting) = timers.waits_until(cell.run(), from)?;
    let due = cell.deadline(shared.settings.run_timeout).map_or(first, |at| at.min(first));
    (waiting == cell.state.parked && due >= from).then_some(due)
}
