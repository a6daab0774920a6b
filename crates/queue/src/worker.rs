//! The worker of a lane: claims as many jobs as it has free hands, runs each under its time limit,
//! and says what became of it.
//!
//! States of a job in its hands: running → completed, or put back to wait for its next attempt, or,
//! after its last one, a dead letter. A job whose kind this program does not know goes back untouched:
//! another member may know it.
//!
//! Invariants: never more than `hands` jobs run; an attempt is counted before the job can be run
//! again; a stop ends no job midway unless its time limit does; what became of a job is sent until the
//! database has taken it ([`crate::outcomes`]).

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
use crate::outcomes::{Ending, Outcomes};
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
        let mut outcomes = Outcomes::new(Arc::clone(&self.clock), Arc::clone(&self.dice));
        loop {
            outcomes.write_due(&self.queue).await;
            // What is not written keeps its hand, so that no more of it gathers than there are hands.
            let free = self.hands.saturating_sub(running.len() + outcomes.len());
            let taken = match stop.is_cancelled() {
                true => 0,
                false => self.take(free, &mut running, &mut outcomes).await,
            };
            if stop.is_cancelled() && running.is_empty() {
                return self.write_last(outcomes).await;
            }
            let busy = running.len() + outcomes.len();
            // All hands found work: there may be more for the next free one.
            let look_again = taken == free && taken > 0 && busy < self.hands;
            if look_again {
                continue;
            }
            let due = outcomes.due_in();
            tokio::select! {
                Some(ended) = running.join_next() => {
                    self.settle(ended.ok(), &mut running, &mut outcomes);
                }
                () = self.wait(busy, due) => {}
                () = stop.cancelled(), if !stop.is_cancelled() => {}
            }
        }
    }

    /// Until it is worth looking for jobs (never, while all hands are busy) or sending outcomes again.
    async fn wait(&self, busy: usize, due: Option<Duration>) {
        if busy >= self.hands {
            let never = std::future::pending::<()>();
            return match due {
                None => never.await,
                Some(due) => drop(tokio::time::timeout(due, never).await),
            };
        }
        let look = LOOK_EVERY + Duration::from_millis(self.dice.next_u64() % 100);
        let until = due.map_or(look, |due| due.min(look));
        let _due = tokio::time::timeout(until, self.hints.0.notified()).await;
    }

    /// At the stop: what cannot be written now goes back to waiting when this member's fence is closed.
    async fn write_last(&self, mut outcomes: Outcomes) {
        if !outcomes.is_empty() {
            outcomes.write(&self.queue).await;
        }
        if !outcomes.is_empty() {
            let jobs = outcomes.len();
            tracing::warn!(
                jobs,
                "stopped before the database took what became of jobs; they run again"
            );
        }
    }

    /// Claims jobs for free hands and starts them; says how many there were.
    async fn take(
        &self,
        free: usize,
        running: &mut JoinSet<Attempted>,
        outcomes: &mut Outcomes,
    ) -> usize {
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
                    let ending = given_up(&job, job.attempts, never_done());
                    outcomes.add(job, ending);
                }
                Some(handler) => {
                    running.spawn(attempt(Arc::clone(handler), job));
                }
                None => {
                    let ending = self.put_back(&job);
                    outcomes.add(job, ending);
                }
            }
        }
        outcomes.write_due(&self.queue).await;
        taken
    }

    /// A job of an unknown kind.
    fn put_back(&self, job: &Job) -> Ending {
        tracing::warn!(job.kind = job.kind, "no handler for this kind of job here; it waits");
        Ending::Again(self.clock.now() + UNKNOWN_AFTER, job.attempts)
    }

    /// Notes what became of one job, and of all others that are done by now.
    fn settle(
        &self,
        first: Option<Attempted>,
        running: &mut JoinSet<Attempted>,
        outcomes: &mut Outcomes,
    ) {
        let more = std::iter::from_fn(|| running.try_join_next()).filter_map(Result::ok);
        for (job, outcome) in first.into_iter().chain(more) {
            let ending = match outcome {
                Ok(()) => Ending::Done,
                Err(problem) => self.failed(&job, problem),
            };
            outcomes.add(job, ending);
        }
    }

    fn failed(&self, job: &Job, problem: Problem) -> Ending {
        let attempts = job.attempts.saturating_add(1);
        let handler = self.handlers.get(job.kind.as_str());
        let spent = handler.is_none_or(|handler| is_spent(attempts, &**handler));
        if spent || !problem.code.0.retryable {
            return given_up(job, attempts, problem);
        }
        Ending::Again(self.clock.now() + backoff(attempts, self.dice.next_u64()), attempts)
    }
}

fn given_up(job: &Job, attempts: i16, problem: Problem) -> Ending {
    tracing::error!(
        job.kind = job.kind, job.id = %job.id, error.code = %problem.code, attempts,
        "a job is given up"
    );
    Ending::Dead(attempts, problem)
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
    let work = async { tokio::time::timeout(limit, handler.run(&job)).await };
    let work = AssertUnwindSafe(work).catch_unwind();
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
