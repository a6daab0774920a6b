//! Jobs: what the program does later, each declared once.
//!
//! `#[job("parcel.announce", attempts = 5, timeout = "30s")]` on an `async fn` emits `JOB: Job` beside
//! it. A mutation enqueues one with [`Job::with`]; it exists when the mutation commits, or never.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use db::{Database, Identity};
use futures::future::BoxFuture;
use kernel::{Clock, Dice, Problem, WorkspaceId, codes, json};
use queue::{Handler, NewJob};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::context::process;
use crate::services::Services;

/// What a job's code is while it runs.
pub type Doing<'a> = BoxFuture<'a, Result<(), Problem>>;

/// The lane of jobs that say nothing of theirs.
pub const LANE: &str = "default";

/// One kind of job: what it is called, how often and how long it is tried, and its code.
#[derive(Clone, Copy)]
pub struct Job {
    /// `noun.verb`; unique in the program.
    pub kind: &'static str,
    /// Its doc comment.
    pub doc: &'static str,
    /// Attempts in all, at least 1.
    pub attempts_max: u16,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// The code.
    pub handler: for<'a> fn(&'a JobContext, &'a [u8]) -> Doing<'a>,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {}", self.kind)
    }
}

impl Job {
    /// A job of this kind with what its code gets, to be enqueued now; `key` and `run_at` of what is
    /// given back may be set.
    ///
    /// # Errors
    /// `internal` when the payload cannot be written as JSON.
    pub fn with<T: Serialize>(
        &self,
        clock: &dyn Clock,
        dice: &dyn Dice,
        payload: &T,
    ) -> Result<NewJob, Problem> {
        let payload = serde_json::to_vec(payload).map_err(|error| {
            tracing::error!(error.cause = %error, job.kind = self.kind, "a payload is no JSON");
            Problem::internal()
        })?;
        Ok(NewJob {
            id: kernel::id::uuid_v7(clock, dice),
            kind: self.kind.to_owned(),
            key: None,
            run_at: None,
            payload: payload.into(),
        })
    }
}

/// What a running job holds.
pub struct JobContext {
    id: Uuid,
    workspace: WorkspaceId,
    attempt: u32,
    surroundings: Arc<JobSurroundings>,
}

/// What all jobs of a process share.
pub struct JobSurroundings {
    /// The database.
    pub database: Database,
    /// The process's services.
    pub services: Services,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub dice: Arc<dyn Dice>,
}

impl JobContext {
    /// The job's id, the same in every attempt: a key for whoever must not do it twice.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The workspace it belongs to.
    pub fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The database, for transactions as [`Self::identity`].
    pub fn database(&self) -> &Database {
        &self.surroundings.database
    }

    /// The program itself, acting for the job's workspace.
    pub fn identity(&self) -> Identity {
        Identity::of_workspace(self.workspace)
    }
}

process!(JobContext);

/// The payload of a job as a type; what the attribute calls.
///
/// # Errors
/// `job.failed`: the job was enqueued by a program that wrote something else.
#[doc(hidden)]
pub fn payload_of<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let unfit = |what: String| {
        Problem::new(codes::JOB_FAILED, format!("The job's payload does not fit: {what}."))
    };
    let value = json::parse_own(bytes).map_err(|error| unfit(error.to_string()))?.value;
    serde_json::from_value(value).map_err(|error| unfit(error.to_string()))
}

/// The declaration as the queue's worker runs it.
pub struct JobHandler {
    /// The declaration.
    pub job: Job,
    /// What its runs share.
    pub surroundings: Arc<JobSurroundings>,
}

impl Handler for JobHandler {
    fn attempts_max(&self) -> u16 {
        self.job.attempts_max
    }

    fn timeout(&self) -> Duration {
        self.job.timeout
    }

    fn run<'a>(&'a self, job: &'a queue::Job) -> BoxFuture<'a, Result<(), Problem>> {
        Box::pin(async move {
            let cx = JobContext {
                id: job.id,
                workspace: job.workspace,
                attempt: u32::from(job.attempts.unsigned_abs()) + 1,
                surroundings: Arc::clone(&self.surroundings),
            };
            (self.job.handler)(&cx, &job.payload).await
        })
    }
}
