//! Turns a key that is shown into a caller.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use db::{Database, Identity};
use function::{Caller, Scopes};
use jiff::Timestamp;
use kernel::{ApiKeyId, Clock, Problem, codes};
use subtle::ConstantTimeEq;

use crate::key::{Key, sha256};
use crate::store;

/// Checks keys. Cheap to clone; one per process.
///
/// The cache holds what was true at most [`Authenticator::FRESH`] ago, for right and wrong keys
/// alike, so that a client costs no round trip per call, whether its key is right or wrong. Who sends
/// another wrong key each time costs one each: the rate of addresses is what bounds them.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    database: Database,
    clock: Arc<dyn Clock>,
    cache: RwLock<HashMap<[u8; 32], Entry>>,
}

#[derive(Clone)]
struct Entry {
    /// `None`: there is no such key.
    known: Option<Known>,
    /// On the monotonic clock.
    fresh_until: Duration,
}

#[derive(Clone)]
struct Known {
    caller: Caller,
    expires_at: Option<Timestamp>,
}

impl Authenticator {
    /// How long a look-up is believed.
    pub const FRESH: Duration = Duration::from_secs(10);
    /// Keys the cache holds at most.
    const CACHE_MAX: usize = 10_000;

    /// An authenticator with an empty cache.
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner { database, clock, cache: RwLock::default() }))
    }

    /// The caller that shows this key.
    ///
    /// # Errors
    /// `auth.required` (unknown, revoked or expired, without saying which), `database.unavailable`.
    pub async fn authenticate(&self, shown: &str) -> Result<Caller, Problem> {
        if !Key::plausible(shown) {
            return Err(refused());
        }
        let hash = sha256(shown.as_bytes());
        let known = match self.cached(&hash) {
            Some(known) => known,
            None => {
                let known = self.look_up(shown).await?;
                self.remember(hash, known.clone());
                known
            }
        };
        let known = known.ok_or_else(refused)?;
        match known.expires_at {
            Some(end) if end <= self.0.clock.now() => Err(refused()),
            _ => Ok(known.caller),
        }
    }

    /// Forgets a key at once, because it was revoked here.
    pub fn forget(&self, key: ApiKeyId) {
        let mut cache = self.0.cache.write().unwrap_or_else(PoisonError::into_inner);
        cache.retain(|_, entry| entry.known.as_ref().is_none_or(|known| known.caller.key != key));
    }

    fn cached(&self, hash: &[u8; 32]) -> Option<Option<Known>> {
        let cache = self.0.cache.read().unwrap_or_else(PoisonError::into_inner);
        let entry = cache.get(hash)?;
        (self.0.clock.monotonic() < entry.fresh_until).then(|| entry.known.clone())
    }

    async fn look_up(&self, shown: &str) -> Result<Option<Known>, Problem> {
        let key = Key::shown(shown);
        let row = store::find_key(&mut self.0.database.lookup().await?, key.prefix()).await?;
        let Some(row) = row.filter(|row| bool::from(row.hash.ct_eq(key.hash()))) else {
            return Ok(None);
        };
        let caller = Caller {
            workspace: row.workspace,
            workspace_slug: row.slug.into(),
            principal: row.principal,
            key: row.id,
            scopes: Scopes::new(row.scopes),
        };
        // Only for people who look at the list of keys: it never refuses a caller.
        if let Err(error) = self.touch(&caller).await {
            tracing::debug!(error = %error, "could not note that a key was used");
        }
        Ok(Some(Known { caller, expires_at: row.expires_at }))
    }

    async fn touch(&self, caller: &Caller) -> Result<(), db::Error> {
        let identity = Identity::new(caller.workspace, caller.principal);
        let mut tx = self.0.database.write(identity).await?;
        store::touch_key(&mut tx, caller.workspace, caller.key).await?;
        tx.commit().await
    }

    fn remember(&self, hash: [u8; 32], known: Option<Known>) {
        let now = self.0.clock.monotonic();
        let mut cache = self.0.cache.write().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= Self::CACHE_MAX {
            cache.retain(|_, entry| now < entry.fresh_until && entry.known.is_some());
        }
        if cache.len() >= Self::CACHE_MAX {
            cache.clear();
        }
        cache.insert(hash, Entry { known, fresh_until: now + Self::FRESH });
    }
}

fn refused() -> Problem {
    Problem::new(
        codes::AUTH_REQUIRED,
        "Send a valid API key as `Authorization: Bearer ff_…`; this one is unknown, revoked or expired.",
    )
}
