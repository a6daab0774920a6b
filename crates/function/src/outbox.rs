//! What a mutation leaves besides its rows, kept until the commit: jobs, events, the subject of its
//! audit row.

use kernel::{Problem, Value};
use queue::{NewJob, Priority};

/// Jobs and events of one mutation at most, each.
const ENTRIES_MAX: usize = 1_000;

/// Something that changed, for whoever looks on (`forge.events`).
#[derive(Clone, Debug)]
pub struct Event {
    /// The table's name without its schema, such as `workflows`.
    pub noun: &'static str,
    /// Keys of the rows, without the workspace.
    pub keys: Vec<String>,
    /// What was done to them.
    pub operation: Operation,
    /// More about it; no secrets.
    pub body: Value,
}

/// What was done to rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// They are new.
    Created,
    /// They have other values.
    Changed,
    /// They are gone.
    Deleted,
}

impl Operation {
    /// As stored.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
        }
    }
}

/// A job and where it goes.
pub(crate) struct Enqueued {
    pub(crate) lane: &'static str,
    pub(crate) priority: Priority,
    pub(crate) job: NewJob,
}

/// What was done to what.
pub(crate) struct Subject {
    pub(crate) kind: &'static str,
    pub(crate) id: String,
}

/// Buffers of one attempt of a mutation.
#[derive(Default)]
pub(crate) struct Outbox {
    pub(crate) jobs: Vec<Enqueued>,
    pub(crate) events: Vec<Event>,
    pub(crate) subject: Option<Subject>,
}

impl Outbox {
    /// Refuses more than one statement should carry: a mistake of a function.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        if self.jobs.len() <= ENTRIES_MAX && self.events.len() <= ENTRIES_MAX {
            return Ok(());
        }
        let (jobs, events) = (self.jobs.len(), self.events.len());
        tracing::error!(outbox.jobs = jobs, outbox.events = events, "a mutation leaves too much");
        Err(Problem::internal())
    }
}
