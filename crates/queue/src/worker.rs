//! The worker of a lane: claims as many jobs as it has free hands, runs each under its time limit,
//! and says what became of it.
//!
//! States of a job in its hands: running → completed, or put back to wait for its next attempt, or,
//! after its last one, a dead letter. A job whose kind this program does not know goes back untouched:
//! another member may know it.
//!
//! Invariants: never more than `hands` jobs run; an attempt is counted before the job can be run
//! again; a stop ends no job midway unless its time limit does.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use kernel::{Clock, Dice, Problem, codes};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::model::Job;
use crate::service::Queue;

/// How long a worker with free hands waits before it looks again, when nobody tells it of new jobs.
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// A job of an unknown kind is not looked at again for so long.
const UNKNOWN_AFTER: Duration = Duration::from_secs(30);
/// The first wait after a failure; doubled with every further one.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest wait between two attempts.
const RETRY_MAX: Duration = Duration::from_secs(3600);

/// What runs the jobs of one kind.
pub trait Handler: Send + Sync {
    /// Attempts in all, at least 1.
    fn attempts_max(&self) -> u16;
    /// An attempt that takes longer has failed.
    fn timeout(&self) -> Duration;
    /// Runs an attempt. Jobs run at least once: what it does must bear a second time.
    fn run<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<(), Problem>>;
}

/// Handlers by kind.
pub type Handlers = HashMap<&'static str, Arc<dyn Handler>>;

/// Tells the workers of this process that a lane may have jobs. Cheap to clone; a lost hint costs at
/// most one look's delay.
#[derive(Clone, Default)]
pub struct Hints(Arc<Notify>);

impl Hints {
    /// There are new jobs.
    pub fn tell(&self) {
        self.0.notify_one();
    }
}

/// A worker of one lane.
pub struct Worker {
    /// The queue.
    pub queue: Queue,
    /// The lane.
    pub lane: String,
    /// Jobs that run at once.
    pub hands: usize,
    /// What runs them.
    pub handlers: Handlers,
    /// Who tells of new jobs.
    pub hints: Hints,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub dice: Arc<dyn Dice>,
}

/// What became of an attempt.
type Attempted = (Job, Result<(), Problem>);

impl Worker {
    /// Works until `stop` fires and the jobs under way are done.
    pub async fn run(self, stop: CancellationToken) {
        let mut running = JoinSet::new();
        loop {
            let free = self.hands.saturating_sub(running.len());
            let taken = if stop.is_cancelled() { 0 } else { self.take(free, &mut running).await };
            if stop.is_cancelled() && running.is_empty() {
                return;
            }
            // All hands found work: there may be more for the next free one.
            let look_again = taken == free && taken > 0 && running.len() < self.hands;
            if look_again {
                continue;
            }
            let busy = running.len();
            tokio::select! {
                Some(ended) = running.join_next() => self.settle(ended.ok(), &mut running).await,
                () = self.wait(busy) => {}
                () = stop.cancelled(), if !stop.is_cancelled() => {}
            }
        }
    }

    /// Until it is worth looking for jobs: never, while all hands are busy.
    async fn wait(&self, running: usize) {
        if running >= self.hands {
            return std::future::pending().await;
        }
        let jitter = Duration::from_millis(self.dice.next_u64() % 100);
        let _due = tokio::time::timeout(LOOK_EVERY + jitter, self.hints.0.notified()).await;
    }

    /// Claims jobs for free hands and starts them; says how many there were.
    async fn take(&self, free: usize, running: &mut JoinSet<Attempted>) -> usize {
        if free == 0 {
            return 0;
        }
        let wanted = u32::try_from(free).unwrap_or(u32::MAX);
        let jobs = match self.queue.claim(&self.lane, wanted).await {
            Ok(jobs) => jobs,
            Err(problem) => {
                tracing::warn!(error.code = %problem.code, lane = self.lane, "no jobs could be claimed");
                return 0;
            }
        };
        let taken = jobs.len();
        for job in jobs {
            match self.handlers.get(job.kind.as_str()) {
                // Its attempts ended with their members: it may be what ended them.
                Some(handler) if is_spent(job.attempts, &**handler) => {
                    if let Err(problem) = self.give_up(&job, job.attempts, &never_done()).await {
                        tracing::warn!(error.code = %problem.code, "a job could not be given up");
                    }
                }
                Some(handler) => {
                    running.spawn(attempt(Arc::clone(handler), job));
                }
                None => self.return_unknown(&job).await,
            }
        }
        taken
    }

    async fn return_unknown(&self, job: &Job) {
        tracing::warn!(job.kind = job.kind, "no handler for this kind of job here; it waits");
        let at = self.clock.now() + UNKNOWN_AFTER;
        if let Err(problem) = self.queue.retry(job, at, job.attempts).await {
            tracing::warn!(error.code = %problem.code, "a job could not be put back");
        }
    }

    /// Writes what became of one job, and of all others that are done by now.
    async fn settle(&self, first: Option<Attempted>, running: &mut JoinSet<Attempted>) {
        let more = std::iter::from_fn(|| running.try_join_next()).filter_map(Result::ok);
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for (job, outcome) in first.into_iter().chain(more) {
            match outcome {
                Ok(()) => done.push(job.held),
                Err(problem) => failed.push((job, problem)),
            }
        }
        if let Err(problem) = self.queue.complete(&done).await {
            // They stay held and are run again when this member is gone: at least once.
            tracing::warn!(error.code = %problem.code, jobs = done.len(), "done jobs could not be completed");
        }
        for (job, problem) in failed {
            if let Err(lost) = self.fail(&job, &problem).await {
                tracing::warn!(error.code = %lost.code, "a failed job could not be put back");
            }
        }
    }

    async fn fail(&self, job: &Job, problem: &Problem) -> Result<(), Problem> {
        let attempts = job.attempts.saturating_add(1);
        let handler = self.handlers.get(job.kind.as_str());
        let spent = handler.is_none_or(|handler| is_spent(attempts, &**handler));
        if spent || !problem.code.0.retryable {
            return self.give_up(job, attempts, problem).await;
        }
        let wait = backoff(attempts, self.dice.next_u64());
        self.queue.retry(job, self.clock.now() + wait, attempts).await
    }

    async fn give_up(&self, job: &Job, attempts: i16, problem: &Problem) -> Result<(), Problem> {
        tracing::error!(
            job.kind = job.kind, job.id = %job.id, error.code = %problem.code, attempts,
            "a job is given up"
        );
        self.queue.bury(job, attempts, problem).await
    }
}

/// Whether a job has had all its attempts.
fn is_spent(attempts: i16, handler: &dyn Handler) -> bool {
    i32::from(attempts) >= i32::from(handler.attempts_max())
}

fn never_done() -> Problem {
    let detail =
        "Each of its attempts ended with the process that ran it; it may be what ended them.";
    Problem::new(codes::JOB_FAILED, detail)
}

/// The wait after so many attempts: doubled from one to the next, half of it left to chance.
fn backoff(attempts: i16, chance: u64) -> Duration {
    let doublings = u32::from(attempts.unsigned_abs().saturating_sub(1)).min(20);
    let wait = RETRY_FIRST.saturating_mul(1 << doublings).min(RETRY_MAX);
    let share = (chance >> 11) as f64 / (1_u64 << 53) as f64;
    wait / 2 + (wait / 2).mul_f64(share)
}

/// One attempt; a panic or a time limit that is over is a failure like any other.
async fn attempt(handler: Arc<dyn Handler>, job: Job) -> Attempted {
    let limit = handler.timeout();
    let work = AssertUnwindSafe(tokio::time::timeout(limit, handler.run(&job))).catch_unwind();
    let outcome = match work.await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(out_of_time(limit)),
        Err(_) => {
            Err(Problem::new(codes::JOB_FAILED, "The job's code panicked; the log says where."))
        }
    };
    (job, outcome)
}

fn out_of_time(limit: Duration) -> Problem {
    let detail = format!("The job was not done after {} ms and was stopped.", limit.as_millis());
    Problem::new(codes::JOB_TIMEOUT, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour_and_half_of_each_is_chance() {
        assert_eq!(backoff(1, 0), Duration::from_millis(500));
        assert!(backoff(1, u64::MAX) <= Duration::from_secs(1));
        assert_eq!(backoff(4, 0), Duration::from_secs(4));
        assert_eq!(backoff(i16::MAX, 0), Duration::from_secs(1800));
    }
}
