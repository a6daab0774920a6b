//! The addresses of every workspace that is asked for, in memory, at most a second old.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use db::{Database, Error, Identity};
use kernel::{Clock, Problem, WorkspaceId};
use tokio::sync::Mutex;

use crate::address::Addresses;
use crate::store;

/// Addresses this old are used without a look, in milliseconds.
const FRESH_MS: u64 = 1_000;
/// While one request looks, others use addresses at most this old, in milliseconds.
const TOLERATED_MS: u64 = 3_000;
/// Workspaces held at most.
const SLOTS_MAX: usize = 10_000;
/// Never looked, or told to look again.
const NEVER: u64 = 0;

/// The cache of [`Addresses`] by slug.
pub(crate) struct Tables {
    database: Database,
    clock: Arc<dyn Clock>,
    slots: RwLock<HashMap<String, Arc<Slot>>>,
}

#[derive(Default)]
struct Slot {
    /// `None`: no such workspace, or never looked.
    addresses: RwLock<Option<Arc<Addresses>>>,
    /// Monotonic milliseconds of the last look, or [`NEVER`].
    looked_ms: AtomicU64,
    /// How often somebody said that it changed.
    changes: AtomicU64,
    /// Held by the one request that looks.
    looking: Mutex<()>,
}

impl Slot {
    fn addresses(&self) -> Option<Arc<Addresses>> {
        self.addresses.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Tables {
    pub(crate) fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock, slots: RwLock::default() }
    }

    /// The addresses of a workspace; `None` when there is no such workspace.
    pub(crate) async fn of(&self, slug: &str) -> Result<Option<Arc<Addresses>>, Problem> {
        if !plausible(slug) {
            return Ok(None);
        }
        let slot = self.slot(slug);
        let age_ms = self.age_ms(&slot);
        if age_ms < FRESH_MS {
            return Ok(slot.addresses());
        }
        let _looking = if age_ms < TOLERATED_MS {
            match slot.looking.try_lock() {
                Ok(guard) => guard,
                Err(_) => return Ok(slot.addresses()),
            }
        } else {
            slot.looking.lock().await
        };
        if self.age_ms(&slot) >= FRESH_MS {
            self.look(slug, &slot).await?;
        }
        Ok(slot.addresses())
    }

    /// The workspace's addresses changed in this process: the next request looks before it matches.
    pub(crate) fn changed(&self, workspace: WorkspaceId) {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        for slot in slots.values() {
            if slot.addresses().is_none_or(|addresses| addresses.workspace == workspace) {
                slot.changes.fetch_add(1, Ordering::AcqRel);
                slot.looked_ms.store(NEVER, Ordering::Release);
            }
        }
    }

    fn age_ms(&self, slot: &Slot) -> u64 {
        match slot.looked_ms.load(Ordering::Acquire) {
            NEVER => u64::MAX,
            looked => self.now_ms().saturating_sub(looked),
        }
    }

    /// Monotonic milliseconds, never [`NEVER`].
    fn now_ms(&self) -> u64 {
        self.clock.monotonic().as_millis() as u64 + 1
    }

    fn slot(&self, slug: &str) -> Arc<Slot> {
        if let Some(slot) = self.slots.read().unwrap_or_else(PoisonError::into_inner).get(slug) {
            return Arc::clone(slot);
        }
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= SLOTS_MAX {
            slots.retain(|_, slot| slot.addresses().is_some());
        }
        if slots.len() >= SLOTS_MAX {
            slots.clear();
        }
        Arc::clone(slots.entry(slug.to_owned()).or_default())
    }

    /// Asks the database for the revision, and for the addresses when it is another one. While the
    /// database is away, what is known stays in use: the engine decides whether a run can start.
    async fn look(&self, slug: &str, slot: &Slot) -> Result<(), Problem> {
        let changes = slot.changes.load(Ordering::Acquire);
        let known = slot.addresses();
        match self.read(slug, known.as_deref()).await {
            Ok(Look::Same) => {}
            Ok(Look::Other(addresses)) => {
                *slot.addresses.write().unwrap_or_else(PoisonError::into_inner) =
                    addresses.map(Arc::new);
            }
            Err(error) if known.is_some() => {
                tracing::warn!(workspace.slug = slug, error = %error, "hooks could not be looked up");
            }
            Err(error) => return Err(error.into()),
        }
        // A change that was told meanwhile may not be in what was read.
        if slot.changes.load(Ordering::Acquire) == changes {
            slot.looked_ms.store(self.now_ms(), Ordering::Release);
        }
        Ok(())
    }

    async fn read(&self, slug: &str, known: Option<&Addresses>) -> Result<Look, Error> {
        let found = store::find_revision(&mut self.database.lookup().await?, slug).await?;
        let Some((workspace, revision)) = found else { return Ok(Look::Other(None)) };
        if known.is_some_and(|known| known.workspace == workspace && known.revision == revision) {
            return Ok(Look::Same);
        }
        let mut tx = self.database.read(Identity::of_workspace(workspace)).await?;
        let (revision, routes) = store::list(&mut tx, workspace).await?;
        Ok(Look::Other(Some(Addresses::new(workspace, revision, routes))))
    }
}

enum Look {
    Same,
    Other(Option<Addresses>),
}

/// Whether a text could be a slug at all: keeps nonsense out of the cache and away from the database.
fn plausible(slug: &str) -> bool {
    (1..=63).contains(&slug.len())
        && slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
