//! Rates: how often a key, an address or a workspace may call, shared by all members.
//!
//! Each subject has a budget: so many requests a minute, and a burst of so many at once. It is kept
//! by GCRA (the generic cell rate algorithm): one time per subject, at which its budget is whole
//! again. Asking costs no round trip. Once a second each member writes what it was asked for into its
//! one row of `forge.rates` and reads the others' ([`Rates::exchange`]); from then on it gives out the
//! part of each budget that its own demand is of the whole. A subject that nobody has reported yet is
//! given the same part everywhere, so that the sum is never more than the budget.
//!
//! Invariants: at steady demand the members together let through no more than the rate; a member that
//! cannot reach the database goes on with the parts it knows; memory is bounded by
//! [`Rates::SUBJECTS_MAX`]. Deliberately absent: what a refusal looks like (crate `gateway`).

mod gcra;
mod share;
mod store;
mod subject;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use kernel::Clock;

pub use gcra::{Budget, Verdict};
pub use store::{Exchange, STATEMENTS};
pub use subject::{Scope, Subject};

use share::Table;

/// What each kind of subject may ask for; `None`: as often as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Of one API key.
    pub key: Option<Budget>,
    /// Of one address; of IPv6 the network of 64 bits.
    pub address: Option<Budget>,
    /// Of all callers of one workspace together.
    pub workspace: Option<Budget>,
}

/// Keeps the budgets. Cheap to clone; one per process.
#[derive(Clone)]
pub struct Rates(Arc<Inner>);

struct Inner {
    settings: Settings,
    clock: Arc<dyn Clock>,
    table: Table,
}

impl Rates {
    /// Subjects held at most; with more that are busy at the same time the newcomers of one kind share
    /// a budget.
    pub const SUBJECTS_MAX: usize = 100_000;

    /// Budgets that nobody has used yet.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner { settings, clock, table: Table::default() }))
    }

    /// Whether anything is limited at all.
    pub fn are_set(&self) -> bool {
        self.0.settings != Settings::default()
    }

    /// Whether subjects of this kind are limited.
    pub fn limit(&self, scope: Scope) -> bool {
        self.budget(scope).is_some()
    }

    /// Takes one request out of the subject's budget; `None`: it has none to keep to.
    pub fn take(&self, subject: Subject) -> Option<Verdict> {
        let budget = self.budget(subject.scope())?;
        let now = self.0.clock.monotonic();
        Some(self.0.table.take(subject, budget, now))
    }

    fn budget(&self, scope: Scope) -> Option<Budget> {
        match scope {
            Scope::Key => self.0.settings.key,
            Scope::Address => self.0.settings.address,
            Scope::Workspace => self.0.settings.workspace,
        }
    }

    /// How long members go without telling each other what they were asked for.
    pub const EXCHANGE_EVERY: Duration = Duration::from_secs(1);
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
