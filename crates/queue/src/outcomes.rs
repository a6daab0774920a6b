//! What became of jobs and is not written yet.
//!
//! Invariant: an outcome is kept until the database has taken it. The statements are idempotent, so one
//! whose answer was lost is simply sent again. An outcome that were dropped instead would strand its
//! job: this member holds it, nobody else may take it, and nothing here would touch it again.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kernel::{Clock, Dice, Problem};

use crate::model::{Held, Job};
use crate::service::Queue;

/// The first wait before what could not be written is sent again; doubled with every further one.
const AGAIN_FIRST: Duration = Duration::from_millis(100);
/// The longest such wait.
const AGAIN_MAX: Duration = Duration::from_secs(5);

/// What a job becomes.
pub(crate) enum Ending {
    /// It is done.
    Done,
    /// It waits until then, with so many attempts counted.
    Again(Timestamp, i16),
    /// It is given up after so many attempts, for this reason.
    Dead(i16, Problem),
}

/// Outcomes on their way to the database, in the order in which they came.
pub(crate) struct Outcomes {
    waiting: Vec<(Job, Ending)>,
    /// How often in a row not all could be written.
    failures: u32,
    /// When they are sent (monotonic time).
    due: Duration,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
}

impl Outcomes {
    pub(crate) fn new(clock: Arc<dyn Clock>, dice: Arc<dyn Dice>) -> Self {
        Self { waiting: Vec::new(), failures: 0, due: Duration::ZERO, clock, dice }
    }

    pub(crate) fn add(&mut self, job: Job, ending: Ending) {
        self.waiting.push((job, ending));
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How long until they are sent again; `None` when there are none.
    pub(crate) fn due_in(&self) -> Option<Duration> {
        let left = self.due.saturating_sub(self.clock.monotonic());
        (!self.is_empty()).then_some(left)
    }

    /// Sends what waits, unless it failed just now.
    pub(crate) async fn write_due(&mut self, queue: &Queue) {
        if self.due_in() == Some(Duration::ZERO) {
            self.write(queue).await;
        }
    }

    /// Sends what waits. What cannot be written stays.
    pub(crate) async fn write(&mut self, queue: &Queue) {
        let failed = match self.write_done(queue).await {
            Ok(()) => self.write_others(queue).await,
            Err(problem) if problem.code.0.retryable => Some(problem),
            Err(problem) => self.write_others(queue).await.or(Some(problem)),
        };
        let Some(problem) = failed else {
            self.failures = 0;
            self.due = Duration::ZERO;
            return;
        };
        self.failures = self.failures.saturating_add(1);
        let wait = wait(self.failures, self.dice.next_u64());
        self.due = self.clock.monotonic() + wait;
        tracing::warn!(
            error.code = %problem.code, jobs = self.waiting.len(), wait_ms = wait.as_millis() as u64,
            "what became of jobs could not be written; it is sent again"
        );
    }

    /// All jobs that are done, in as few statements as there are batches.
    async fn write_done(&mut self, queue: &Queue) -> Result<(), Problem> {
        let done = self.waiting.iter().filter(|(_, ending)| matches!(ending, Ending::Done));
        let done: Vec<Held> = done.map(|(job, _)| job.held).collect();
        if done.is_empty() {
            return Ok(());
        }
        queue.complete(&done).await?;
        self.waiting.retain(|(_, ending)| !matches!(ending, Ending::Done));
        Ok(())
    }

    /// One after the other. When the database is away the others are not tried; when it refuses one,
    /// that one shall not stand in the way of the others.
    async fn write_others(&mut self, queue: &Queue) -> Option<Problem> {
        let (mut failed, mut is_away) = (None, false);
        for (job, ending) in std::mem::take(&mut self.waiting) {
            let written = match &ending {
                _ if is_away => Ok(false),
                Ending::Done => Ok(false),
                Ending::Again(at, attempts) => {
                    queue.retry(&job, *at, *attempts).await.map(|()| true)
                }
                Ending::Dead(attempts, problem) => {
                    queue.bury(&job, *attempts, problem).await.map(|()| true)
                }
            };
            match written {
                Ok(true) => continue,
                Ok(false) => {}
                Err(problem) => {
                    is_away = problem.code.0.retryable;
                    failed = Some(problem);
                }
            }
            self.waiting.push((job, ending));
        }
        failed
    }
}

/// The wait after so many failures in a row; half of it is chance.
fn wait(failures: u32, chance: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(10);
    let half = AGAIN_FIRST.saturating_mul(1 << doublings).min(AGAIN_MAX) / 2;
    let millis = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
    half + Duration::from_millis(chance % (millis + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_seconds_and_half_of_each_is_chance() {
        assert_eq!(wait(1, 0), Duration::from_millis(50));
        assert_eq!(wait(1, 50), Duration::from_millis(100));
        assert_eq!(wait(3, 0), Duration::from_millis(200));
        assert_eq!(wait(u32::MAX, 2_500), Duration::from_secs(5));
    }
}
