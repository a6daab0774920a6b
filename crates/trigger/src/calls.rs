//! The log of calls: a sample of what was called lately, and why callers were turned away.
//!
//! Every hook writes down its first calls and then about one a second, those that were let in and
//! those that were not apart; how many were passed over stands with the next. Nothing is written on
//! the way of a call: notes are gathered in memory, bounded, and go to the database now and then.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use db::{Database, Error, Identity};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, USER_AGENT};
use kernel::id::uuid_v7;
use kernel::{Clock, Dice, RunId, WorkspaceId};

use crate::address::Route;
use crate::answer::HookError;
use crate::item::HookHead;
use crate::store::calls as store;
use crate::store::calls::{CallRow, Outcome};

/// Calls of one hook and outcome written down at once after a pause.
const BURST: u64 = 20;
/// After those, one in this time.
const INTERVAL_US: u64 = 1_000_000;
/// Notes held in memory; further ones are dropped.
const HELD_MAX: usize = 10_000;
/// Calls kept of each node and outcome.
const KEPT: i64 = 200;
/// Writes after which what is too much is removed.
const WRITES_PER_TRIM: u64 = 16;
/// Workspaces whose writes are counted; beyond them all begin anew.
const COUNTED_MAX: usize = 10_000;
/// Bytes of a text from outside that are kept.
const TEXT_BYTES_MAX: usize = 300;

/// Decides which calls of one hook and outcome are written down. Lock-free.
#[derive(Default)]
pub(crate) struct Sampler {
    /// When the next one is due, in microseconds of the monotonic clock.
    due_us: AtomicU64,
    skipped: AtomicU64,
}

impl Sampler {
    /// How many were passed over since the last, when this one is written down.
    fn admit(&self, now: Duration) -> Option<u64> {
        let now_us = now.as_micros() as u64;
        let due_us = self.due_us.load(Ordering::Relaxed);
        let next_us = due_us.max(now_us) + INTERVAL_US;
        let is_due = due_us <= now_us + (BURST - 1) * INTERVAL_US;
        let taken = is_due
            && self
                .due_us
                .compare_exchange(due_us, next_us, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if taken {
            return Some(self.skipped.swap(0, Ordering::Relaxed));
        }
        self.skipped.fetch_add(1, Ordering::Relaxed);
        None
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub struct CallEnd<'a> {
    /// Status of the answer.
    pub status: u16,
    /// The run, when one was started.
    pub run: Option<RunId>,
    /// Why it was not answered as the workflow would have it.
    pub error: Option<&'a HookError>,
    /// How long it took.
    pub took: Duration,
}

/// Notes of calls on their way to the database.
#[derive(Default)]
pub(crate) struct CallLog {
    held: Mutex<HashMap<WorkspaceId, Vec<CallRow>>>,
    count: AtomicU64,
    /// How often each workspace's were written.
    writes: Mutex<HashMap<WorkspaceId, u64>>,
}

impl CallLog {
    /// Notes a call, if it is one of the sample.
    pub(crate) fn note(
        &self,
        workspace: WorkspaceId,
        route: &Route,
        head: &HookHead<'_>,
        end: CallEnd<'_>,
        clock: &dyn Clock,
        dice: &dyn Dice,
    ) {
        // A run that failed was let in, as was a call that came before its workflow could answer.
        let is_rejected = end.error.is_some() && end.run.is_none();
        let sampler = if is_rejected { &route.rejected } else { &route.accepted };
        let Some(skipped) = sampler.admit(clock.monotonic()) else { return };
        if self.count.fetch_add(1, Ordering::Relaxed) >= HELD_MAX as u64 {
            self.count.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let row = CallRow {
            id: uuid_v7(clock, dice),
            workflow: route.workflow,
            node: route.node.clone(),
            stage: route.stage,
            outcome: if is_rejected { Outcome::Rejected } else { Outcome::Accepted },
            at: clock.now(),
            method: cut(head.method),
            path: cut(head.path),
            client: head.client.to_string(),
            user_agent: header(head.headers, &USER_AGENT),
            content_type: header(head.headers, &CONTENT_TYPE),
            status: i32::from(end.status),
            code: end.error.map(|error| error.problem.code.to_string()),
            reason: end.error.map(reason),
            run: end.run,
            took_us: i64::try_from(end.took.as_micros()).unwrap_or(i64::MAX),
            skipped: i64::try_from(skipped).unwrap_or(i64::MAX),
        };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.entry(workspace).or_default().push(row);
    }

    /// Writes what is held of one workspace.
    pub(crate) async fn flush(
        &self,
        database: &Database,
        workspace: WorkspaceId,
    ) -> Result<(), Error> {
        let rows = self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&workspace);
        let Some(rows) = rows else { return Ok(()) };
        self.count.fetch_sub(rows.len() as u64, Ordering::Relaxed);
        let trim = self.is_trim_due(workspace);
        database
            .transact(Identity::of_workspace(workspace), |mut tx| {
                let rows = &rows;
                async move {
                    store::add(&mut tx, workspace, rows).await?;
                    if trim {
                        store::trim(&mut tx, workspace, rows, KEPT).await?;
                    }
                    tx.commit().await
                }
            })
            .await
    }

    /// Whether this write of the workspace is one with which what is too much is removed: its first,
    /// and each sixteenth after.
    fn is_trim_due(&self, workspace: WorkspaceId) -> bool {
        let mut writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        if writes.len() >= COUNTED_MAX && !writes.contains_key(&workspace) {
            writes.clear();
        }
        let count = writes.entry(workspace).or_default();
        *count += 1;
        (*count - 1).is_multiple_of(WRITES_PER_TRIM)
    }

    /// Writes what is held of all workspaces. What cannot be written is lost: it is only a sample.
    pub(crate) async fn flush_all(&self, database: &Database) {
        let workspaces: Vec<WorkspaceId> = {
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.keys().copied().collect()
        };
        for workspace in workspaces {
            if let Err(error) = self.flush(database, workspace).await {
                tracing::warn!(error = %error, "calls of hooks could not be written down");
            }
        }
    }
}

/// Why it was refused, in more words than the caller is told.
fn reason(error: &HookError) -> String {
    cut(error.reason.as_deref().unwrap_or(&error.problem.detail))
}

fn header(headers: &HeaderMap, name: &http::HeaderName) -> Option<String> {
    headers.get(name).map(|value| cut(&String::from_utf8_lossy(value.as_bytes())))
}

/// The beginning of a text; NUL cannot be stored.
fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use kernel::clock::{SystemClock, SystemDice};

    use super::*;

    #[test]
    fn what_is_too_much_of_each_workspace_is_removed_however_many_there_are() {
        let log = CallLog::default();
        let workspaces = [(); 16].map(|()| WorkspaceId::new(&SystemClock, &SystemDice));
        for write in 0..40 {
            for workspace in workspaces {
                assert_eq!(log.is_trim_due(workspace), write % 16 == 0, "{write}");
            }
        }
    }

    #[test]
    fn the_first_calls_are_written_down_and_then_one_a_second_with_the_count_of_the_others() {
        let sampler = Sampler::default();
        let mut now = Duration::from_secs(1_000);
        let admitted = (0..10_000).filter(|_| sampler.admit(now).is_some()).count();
        assert_eq!(admitted as u64, BURST);
        now += Duration::from_millis(1_001);
        assert_eq!(sampler.admit(now), Some(10_000 - BURST));
        assert_eq!(sampler.admit(now), None);
        now += Duration::from_secs(3_600);
        assert_eq!(sampler.admit(now), Some(1));
        assert_eq!(sampler.admit(now), Some(0));
    }
}
