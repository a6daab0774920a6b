//! What a running function holds: its transaction, its caller, its services.

use std::sync::{Arc, Mutex, PoisonError};

use db::{Database, Tx};
use kernel::{Clock, Dice, WorkspaceId};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};

use crate::caller::Caller;
use crate::services::Services;

/// What every context shares.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) caller: Caller,
    pub(crate) services: Services,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dice: Arc<dyn Dice>,
    pub(crate) idempotency_key: Option<Arc<str>>,
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

            /// The request's `idempotency-key`.
            pub fn idempotency_key(&self) -> Option<&str> {
                self.surroundings.idempotency_key.as_deref()
            }
        }
    )*};
}

surroundings!(QueryContext, MutationContext, ActionContext);

/// The context of a query.
pub struct QueryContext {
    pub(crate) surroundings: Surroundings,
    pub(crate) tx: AsyncMutex<Tx>,
}

impl QueryContext {
    /// The read-only transaction: the database itself refuses a write in it. Hand `&mut tx` to a
    /// store; let go of it before asking again.
    pub async fn tx(&self) -> MutexGuard<'_, Tx> {
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
}

impl MutationContext {
    /// The transaction; the host commits it when the function returns `Ok`. Hand `&mut tx` to a
    /// store; let go of it before asking again.
    pub async fn tx(&self) -> MutexGuard<'_, Tx> {
        self.tx.lock().await
    }

    /// Does something in this process once the transaction is committed, such as dropping what a
    /// cache knows. It is only a hint: other members and a crash right after the commit never see
    /// it, so nothing may depend on it for being right.
    pub fn after_commit(&self, act: impl FnOnce(&Services) + Send + 'static) {
        self.after.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(act));
    }
}

/// The context of an action.
pub struct ActionContext {
    pub(crate) surroundings: Surroundings,
    pub(crate) database: Database,
}

impl ActionContext {
    /// The database, for short transactions of the action's own.
    pub fn database(&self) -> &Database {
        &self.database
    }
}
