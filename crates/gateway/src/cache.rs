//! Answers of queries for a moment: whoever asks the same at the same time is answered once.
//!
//! An answer is as old as the beginning of the query that found it, and never older than the time to
//! live. A mutation or action of the same member makes everything of its workspace stale at once, so
//! that who writes here reads here what was written; other members' writes are seen when the time is
//! over.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use function::{Answer, Caller, Function, Request};
use kernel::{ApiKeyId, Clock, Problem, WorkspaceId};
use tokio::sync::OnceCell;

/// Workspaces that become stale together are at most one in so many.
const GENERATIONS: usize = 1_024;
/// What a key takes besides its texts.
const ENTRY_BYTES: usize = 256;

/// Settings of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// How long an answer is given out; zero: nothing is kept.
    pub ttl: Duration,
    /// Bytes of the answers that are kept.
    pub bytes_max: usize,
}

impl Default for CacheSettings {
    /// Off; 64 MiB once it is on.
    fn default() -> Self {
        Self { ttl: Duration::ZERO, bytes_max: 64 * 1_024 * 1_024 }
    }
}

/// How an answer came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// The query ran for this request.
    Ran,
    /// Another request's query, which was under way.
    Joined,
    /// It was kept.
    Kept {
        /// Since the query began.
        age: Duration,
    },
}

/// Function, arguments and who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    function: &'static str,
    workspace: WorkspaceId,
    generation: u64,
    key: ApiKeyId,
    path: Vec<(String, String)>,
    query: String,
    /// What the caller has already: the answer may be that it still holds.
    if_none_match: Option<String>,
    if_match: Option<String>,
}

type Found = Result<Arc<Answer>, Problem>;

#[derive(Clone)]
struct Entry {
    began: Duration,
    found: Arc<OnceCell<Found>>,
}

#[derive(Default)]
struct Entries {
    by_key: HashMap<Key, Entry>,
    /// In the order in which they go stale; their sizes once they are known.
    order: VecDeque<(Key, Duration)>,
    bytes: usize,
}

/// The cache of one member.
pub(crate) struct Cache {
    settings: CacheSettings,
    clock: Arc<dyn Clock>,
    hasher: RandomState,
    generations: Vec<AtomicU64>,
    entries: Mutex<Entries>,
}

/// Makes what is kept of a workspace stale when it is dropped.
pub(crate) struct Forgetting<'a> {
    cache: &'a Cache,
    workspace: WorkspaceId,
}

impl Drop for Forgetting<'_> {
    fn drop(&mut self) {
        self.cache.forget(self.workspace);
    }
}

impl Cache {
    pub(crate) fn new(settings: CacheSettings, clock: Arc<dyn Clock>) -> Self {
        let generations = std::iter::repeat_with(AtomicU64::default).take(GENERATIONS).collect();
        let (hasher, entries) = (RandomState::new(), Mutex::default());
        Self { settings, clock, hasher, generations, entries }
    }

    /// Whether anything is kept.
    pub(crate) fn is_on(&self) -> bool {
        !self.settings.ttl.is_zero()
    }

    /// What was asked in this workspace may have changed once this is dropped: a caller who leaves
    /// behind the commit ends the call, too.
    pub(crate) fn forgetting(&self, workspace: WorkspaceId) -> Forgetting<'_> {
        Forgetting { cache: self, workspace }
    }

    fn forget(&self, workspace: WorkspaceId) {
        if self.is_on() {
            self.generation(workspace).fetch_add(1, Ordering::AcqRel);
        }
    }

    /// The answer that is kept or under way, or else that of `run`. Refusals are not kept.
    pub(crate) async fn answer(
        &self,
        function: &Function,
        caller: &Caller,
        request: &Request,
        run: impl Future<Output = Result<Answer, Problem>>,
    ) -> (Found, Served) {
        let key = Key {
            function: function.name,
            workspace: caller.workspace,
            generation: self.generation(caller.workspace).load(Ordering::Acquire),
            key: caller.key,
            path: request.path.clone(),
            query: request.query.clone(),
            if_none_match: request.if_none_match.clone(),
            if_match: request.if_match.clone(),
        };
        let entry = self.entry(&key);
        let mut served = match entry.found.initialized() {
            true => Served::Kept { age: self.clock.monotonic().saturating_sub(entry.began) },
            false => Served::Joined,
        };
        // When the request that runs it goes away, the next one that waits runs it.
        let how = &mut served;
        let found = entry.found.get_or_init(|| async move {
            *how = Served::Ran;
            run.await.map(Arc::new)
        });
        let found = found.await.clone();
        if served == Served::Ran {
            self.keep(&key, &entry, &found);
        }
        (found, served)
    }

    fn generation(&self, workspace: WorkspaceId) -> &AtomicU64 {
        &self.generations[self.hasher.hash_one(workspace) as usize % GENERATIONS]
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, key: &Key) -> Entry {
        let now = self.clock.monotonic();
        let mut entries = self.lock();
        entries.drop_stale(now, self.settings.ttl);
        if let Some(entry) = entries.by_key.get(key) {
            return entry.clone();
        }
        let entry = Entry { began: now, found: Arc::default() };
        entries.by_key.insert(key.clone(), entry.clone());
        entries.order.push_back((key.clone(), now));
        entries.bytes += 2 * key.bytes();
        entries.shrink(self.settings.bytes_max);
        entry
    }

    fn keep(&self, key: &Key, entry: &Entry, found: &Found) {
        let mut entries = self.lock();
        let current = entries.by_key.get(key).is_some_and(|e| Arc::ptr_eq(&e.found, &entry.found));
        match found {
            // Stale before it was found.
            _ if !current => {}
            Err(_) => entries.remove(key),
            Ok(answer) => {
                entries.bytes += answer.body.len();
                entries.shrink(self.settings.bytes_max);
            }
        }
    }
}

impl Entries {
    fn drop_stale(&mut self, now: Duration, ttl: Duration) {
        while let Some((_, began)) = self.order.front()
            && now.saturating_sub(*began) >= ttl
        {
            self.drop_oldest();
        }
    }

    fn shrink(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max && !self.order.is_empty() {
            self.drop_oldest();
        }
    }

    /// What failed is gone already, but for its place in the order.
    fn drop_oldest(&mut self) {
        let Some((key, began)) = self.order.pop_front() else { return };
        self.bytes = self.bytes.saturating_sub(key.bytes());
        self.remove_if(&key, began);
    }

    fn remove_if(&mut self, key: &Key, began: Duration) {
        if self.by_key.get(key).is_some_and(|entry| entry.began == began) {
            self.remove(key);
        }
    }

    fn remove(&mut self, key: &Key) {
        let Some(entry) = self.by_key.remove(key) else { return };
        let body = match entry.found.get() {
            Some(Ok(answer)) => answer.body.len(),
            Some(Err(_)) | None => 0,
        };
        self.bytes = self.bytes.saturating_sub(key.bytes() + body);
    }
}

impl Key {
    /// What it takes each of the two times it is held.
    fn bytes(&self) -> usize {
        let path: usize = self.path.iter().map(|(name, value)| name.len() + value.len()).sum();
        let tags =
            [&self.if_none_match, &self.if_match].map(|tag| tag.as_ref().map_or(0, String::len));
        ENTRY_BYTES + path + self.query.len() + tags.iter().sum::<usize>()
    }
}
