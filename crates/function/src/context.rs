//! What a running function holds: its transaction, its caller, its services.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard as StdGuard, PoisonError};
use std::time::Duration;

use db::{Database, Tx};
use kernel::{Clock, Dice, Problem, WorkspaceId, codes};
use queue::{Hints, NewJob, Priority};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};

use crate::call::Call;
use crate::caller::Caller;
use crate::list::{ListQuery, Paging};
use crate::outbox::{Enqueued, Event, Outbox, Subject};
use crate::services::Services;
use crate::turn::Turn;
use crate::version::Version;

/// What every context shares.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) caller: Caller,
    pub(crate) services: Services,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dice: Arc<dyn Dice>,
    pub(crate) call: Arc<Call>,
    /// What [`QueryContext::set_version`] and its kin were told, shared by the clones of one attempt.
    pub(crate) version: Arc<Mutex<Option<Version>>>,
}

impl Surroundings {
    /// The version that was set, if any.
    pub(crate) fn take_version(&self) -> Option<Version> {
        lock(&self.version).take()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> StdGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

macro_rules! surroundings {
    ($($context:ty),*) => {$(
        impl $context {
            /// Who calls.
            pub fn caller(&self) -> &Caller {
                &self.surroundings.caller
            }

            /// The workspace everything happens in.
            pub fn workspace(&self) -> WorkspaceId {
                self.surroundings.caller.workspace
            }

            /// Says which version of its noun the answer shows, where the noun counts its versions:
            /// it becomes the answer's entity tag. Without it a query's tag is made of its body.
            pub fn set_version(&self, version: impl Into<Version>) {
                *lock(&self.surroundings.version) = Some(version.into());
            }
        }
    )*};
}

surroundings!(QueryContext, MutationContext, ActionContext);

/// What jobs have as well.
macro_rules! process {
    ($($context:ty),*) => {$(
        impl $context {
            /// The process's service of this type.
            pub fn service<T: Send + Sync + 'static>(&self) -> &T {
                self.surroundings.services.get()
            }

            /// Time.
            pub fn clock(&self) -> &dyn Clock {
                &*self.surroundings.clock
            }

            /// Chance.
            pub fn dice(&self) -> &dyn Dice {
                &*self.surroundings.dice
            }
        }
    )*};
}

pub(crate) use process;

process!(QueryContext, MutationContext, ActionContext);

macro_rules! lists {
    ($($context:ty),*) => {$(
        impl $context {
            /// The page that is asked for: where it begins, and how many rows to ask the store for.
            ///
            /// # Errors
            /// `request.cursor` when no page of this list with these filters gave the cursor out.
            pub fn page<K>(&self, query: &impl ListQuery) -> Result<Paging<K>, Problem>
            where
                K: Serialize + DeserializeOwned,
            {
                self.surroundings.call.page(query)
            }
        }
    )*};
}

lists!(QueryContext, ActionContext);

/// A function's transaction while one part of it has it.
pub type Transaction<'a> = MutexGuard<'a, Tx>;

/// The context of a query.
pub struct QueryContext {
    pub(crate) surroundings: Surroundings,
    pub(crate) tx: AsyncMutex<Tx>,
}

impl QueryContext {
    /// The read-only transaction: the database itself refuses a write in it. Hand `&mut tx` to a
    /// store; let go of it before asking again.
    pub async fn tx(&self) -> Transaction<'_> {
        self.tx.lock().await
    }
}

/// What is done once a mutation is committed.
type AfterCommit = Box<dyn FnOnce(&Services) + Send>;

/// The context of a mutation.
pub struct MutationContext {
    pub(crate) surroundings: Surroundings,
    pub(crate) tx: AsyncMutex<Tx>,
    pub(crate) after: Mutex<Vec<AfterCommit>>,
    pub(crate) outbox: Mutex<Outbox>,
}

impl MutationContext {
    /// The transaction; the host commits it when the function returns `Ok`. Hand `&mut tx` to a
    /// store; let go of it before asking again.
    pub async fn tx(&self) -> Transaction<'_> {
        self.tx.lock().await
    }

    /// Adds a job, which exists when the mutation commits, or never. It is sent with the commit and
    /// costs no round trip. A job whose key is taken is not added.
    pub fn enqueue(&self, lane: &'static str, priority: Priority, job: NewJob) {
        let mut outbox = lock(&self.outbox);
        if outbox.jobs.is_empty() {
            self.after_commit(|services| services.find().into_iter().for_each(Hints::tell));
        }
        outbox.jobs.push(Enqueued { lane, priority, job });
    }

    /// Tells whoever looks on that something changed; sent with the commit.
    pub fn emit(&self, event: Event) {
        lock(&self.outbox).events.push(event);
    }

    /// Says what the mutation is about, for its audit row: a noun and an id. Without it the row names
    /// the first word of the action and the last parameter of the path.
    pub fn subject(&self, kind: &'static str, id: impl Display) {
        lock(&self.outbox).subject = Some(Subject { kind, id: id.to_string() });
    }

    /// Refuses unless the request expects this version, or does not say what it expects: what
    /// `if-match` means. Every function that changes something with versions calls it; one that does
    /// not refuses requests with `if-match`.
    ///
    /// # Errors
    /// `request.precondition`, naming the version that is there.
    pub fn require_version(&self, current: impl Into<Version>) -> Result<(), Problem> {
        self.surroundings.call.require_version(&current.into())
    }

    /// Whether the request says which version it expects: a function may look for it only then.
    pub fn expects_version(&self) -> bool {
        self.surroundings.call.expects_version()
    }

    /// Does something in this process once the transaction is committed, such as dropping what a
    /// cache knows. It is only a hint: other members and a crash right after the commit never see
    /// it, so nothing may depend on it for being right.
    pub fn after_commit(&self, act: impl FnOnce(&Services) + Send + 'static) {
        lock(&self.after).push(Box::new(act));
    }
}

/// The context of an action.
pub struct ActionContext {
    pub(crate) surroundings: Surroundings,
    pub(crate) database: Database,
    pub(crate) turn: Option<Arc<dyn Turn>>,
    pub(crate) subject: Mutex<Option<Subject>>,
    pub(crate) is_repetition: bool,
}

impl ActionContext {
    /// The database, for short transactions of the action's own.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Says what the action is about, as [`MutationContext::subject`] does.
    pub fn subject(&self, kind: &'static str, id: impl Display) {
        *lock(&self.subject) = Some(Subject { kind, id: id.to_string() });
    }

    /// Waits for what is not this call's own work, such as the end of a run. Meanwhile it does not count
    /// among the calls that run at once: however many wait, others have their turn.
    pub async fn wait<T>(&self, event: impl Future<Output = T>) -> T {
        let Some(turn) = &self.turn else { return event.await };
        turn.leave();
        let came = event.await;
        turn.enter().await;
        came
    }

    /// How long the sender would wait: `wait` of the header `prefer` (RFC 7240), in seconds.
    pub fn preferred_wait(&self) -> Option<Duration> {
        let sent = self.surroundings.call.prefer.as_deref()?;
        let wait = sent.split([',', ';']).find_map(|one| one.trim().strip_prefix("wait="))?;
        wait.trim_matches('"').parse().ok().map(Duration::from_secs)
    }

    /// Which part is asked for of something that has this many bytes and this entity tag (with its
    /// quotes): first byte and length. `None`: all of it, or what this cannot serve and may pass over.
    ///
    /// # Errors
    /// `request.range` when there is no such part.
    pub fn range(&self, size: u64, tag: &str) -> Result<Option<(u64, u64)>, Problem> {
        let call = &self.surroundings.call;
        if call.if_range.as_deref().is_some_and(|wanted| wanted != tag) {
            return Ok(None);
        }
        call.range.as_deref().map_or(Ok(None), |sent| range(sent, size))
    }

    /// The request's idempotency key, unique in the workspace and the same when the request is
    /// repeated. An action that is repeated after a crash is run again under it: what must be done
    /// once has to be done under this key.
    pub fn unique_key(&self) -> Option<String> {
        self.surroundings.call.idempotency.as_ref().map(|key| key.unique_text())
    }

    /// Whether the same request was begun before under its idempotency key and nobody knows how far it
    /// came: its process died, or it failed midway. What the action finds done may be its own work, and
    /// then it answers as it did the first time.
    pub fn is_repetition(&self) -> bool {
        self.is_repetition
    }
}

/// A single range of bytes; other units and several ranges may be passed over.
fn range(sent: &str, size: u64) -> Result<Option<(u64, u64)>, Problem> {
    let Some(bytes) = sent.trim().strip_prefix("bytes=") else { return Ok(None) };
    let Some((first, last)) = bytes.split_once('-').filter(|_| !bytes.contains(',')) else {
        return Ok(None);
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (from, to) = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => (first, last.min(size.saturating_sub(1))),
        (Some(first), None) if last.trim().is_empty() => (first, size.saturating_sub(1)),
        (None, Some(count)) if first.trim().is_empty() && count > 0 => {
            (size.saturating_sub(count), size.saturating_sub(1))
        }
        _ => return Ok(None),
    };
    if from >= size {
        let detail = format!("It has {size} bytes; the header `range` begins behind them.");
        return Err(Problem::new(codes::REQUEST_RANGE, detail));
    }
    Ok(Some((from, to - from + 1)))
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn a_range_is_a_part_of_what_there_is() {
        let read = |sent| range(sent, 10).map_err(|problem| problem.code.to_string());
        assert_eq!(read("bytes=2-5"), Ok(Some((2, 4))));
        assert_eq!(read("bytes=2-"), Ok(Some((2, 8))));
        assert_eq!(read("bytes=-3"), Ok(Some((7, 3))));
        assert_eq!(read("bytes=0-99"), Ok(Some((0, 10))));
        assert_eq!(read("bytes=-99"), Ok(Some((0, 10))));
        assert_eq!(read("bytes=10-"), Err("request.range".to_owned()));
        for passed_over in
            ["bytes=5-2", "bytes=a-b", "bytes=0-1,4-5", "lines=1-2", "bytes=-", "bytes=-0"]
        {
            assert_eq!(read(passed_over), Ok(None), "{passed_over}");
        }
        assert!(range("bytes=0-", 0).is_err());
    }
}
