//! Jobs as they are put in and taken out.

use bytes::Bytes;
use jiff::Timestamp;
use kernel::WorkspaceId;
use uuid::Uuid;

/// Which jobs of a lane go first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Before all others.
    High,
    /// The usual.
    #[default]
    Normal,
    /// When nothing else waits.
    Low,
}

impl Priority {
    /// In the order in which they are claimed.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// As stored.
    pub const fn number(self) -> i16 {
        match self {
            Self::High => 0,
            Self::Normal => 1,
            Self::Low => 2,
        }
    }
}

/// A job to be enqueued.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id, time-ordered.
    pub id: Uuid,
    /// What is to be done: `noun.verb`.
    pub kind: String,
    /// Unique in its workspace until the job is completed; a second one is not added. At most 512
    /// bytes.
    pub key: Option<String>,
    /// Not before; `None`: now. Give a time when the same enqueue may be sent twice.
    pub run_at: Option<Timestamp>,
    /// What its handler gets.
    pub payload: Bytes,
}

/// A claimed job.
#[derive(Clone, Debug)]
pub struct Job {
    /// Where this member holds it: what [`crate::Queue::complete`] wants.
    pub held: Held,
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// What is to be done.
    pub kind: String,
    /// How often somebody died holding it.
    pub attempts: i16,
    /// What its handler gets.
    pub payload: Bytes,
}

/// A job's place in the hands of this member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// The batch.
    pub batch: i64,
    /// Position in it, from 1.
    pub position: i32,
}
