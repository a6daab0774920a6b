//! How many functions run at once: exactly so many; a few more wait briefly, the rest is refused.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use function::Turn;
use futures::future::BoxFuture;
use kernel::{Problem, codes};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Limits of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calls {
    /// Functions that run at once.
    pub concurrent_max: usize,
    /// Calls that may wait for their turn.
    pub queue_max: usize,
    /// How long they wait at most.
    pub queue_timeout: Duration,
    /// How long a query or mutation may take.
    pub timeout: Duration,
}

impl Default for Calls {
    /// 256 at once, 4 096 waiting for 1 s, 30 s each. To wait costs memory, to refuse costs the very
    /// time that those who are served need: so most wait first.
    fn default() -> Self {
        Self {
            concurrent_max: 256,
            queue_max: 4_096,
            queue_timeout: Duration::from_secs(1),
            timeout: Duration::from_secs(30),
        }
    }
}

/// Lets calls in. First come, first served.
pub(crate) struct Admission {
    calls: Calls,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// One more that waits, for as long as this lives.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Admission {
    pub(crate) fn new(calls: Calls) -> Self {
        let places = calls.concurrent_max.clamp(1, Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(places));
        Self { calls, places, waiting: AtomicUsize::new(0) }
    }

    /// A place, held until it is dropped.
    ///
    /// # Errors
    /// `server.overloaded` when too many wait already or the wait was too long.
    pub(crate) async fn enter(&self) -> Result<Place, Problem> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(self.place(permit));
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= self.calls.queue_max {
            return Err(self.full());
        }
        let turn = Arc::clone(&self.places).acquire_owned();
        match tokio::time::timeout(self.calls.queue_timeout, turn).await {
            Ok(Ok(permit)) => Ok(self.place(permit)),
            // It is never closed; a wait that was too long is what happens.
            Ok(Err(_)) | Err(_) => Err(self.full()),
        }
    }

    fn place(&self, permit: OwnedSemaphorePermit) -> Place {
        Place { places: Arc::clone(&self.places), permit: Mutex::new(Some(permit)) }
    }

    fn full(&self) -> Problem {
        let detail = format!(
            "{} calls are under way, which is all this server does at once; try again shortly.",
            self.calls.concurrent_max
        );
        let mut problem = Problem::new(codes::SERVER_OVERLOADED, detail);
        problem.retry_after_ms = Some(1_000);
        problem
    }
}

/// A place among the calls that run.
pub(crate) struct Place {
    places: Arc<Semaphore>,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Place {
    fn put(&self, permit: Option<OwnedSemaphorePermit>) {
        *self.permit.lock().unwrap_or_else(PoisonError::into_inner) = permit;
    }
}

impl Turn for Place {
    fn leave(&self) {
        self.put(None);
    }

    fn enter(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // It is never closed.
            self.put(Arc::clone(&self.places).acquire_owned().await.ok());
        })
    }
}
