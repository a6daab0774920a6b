//! How an action runs: within its time, and once under an idempotency key as far as it can be said.
//!
//! An action has no transaction that its audit row or its answer could commit with: both are written
//! right behind it. Its key is reserved before, for this member, and the answer kept after. While it
//! is under way here, or its member lives, a repetition is refused. The reservation of a member that
//! is gone is taken over and the repetition runs: what the action must not do twice it does under
//! [`ActionContext::unique_key`], and [`ActionContext::is_repetition`] tells it that what it finds may
//! be its own work. Only a refusal frees a key; after anything else the action may have been done.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel::{MemberId, Problem, codes};

use crate::answer::Answer;
use crate::audit::AuditSubject;
use crate::check::Arguments;
use crate::context::ActionContext;
use crate::declaration::{Answering, Method};
use crate::host::{Host, Ready, identity, tagged, unlock};
use crate::idempotency::{IdempotencyKey, in_flight};
use crate::outbox::Subject;
use crate::store::{self, KeyPlace};

/// The code of an action.
pub(crate) type Run = for<'a> fn(&'a ActionContext, &'a Arguments) -> Answering<'a>;

/// Keys of the actions that are under way in this process.
#[derive(Clone, Default)]
pub(crate) struct UnderWay(Arc<Mutex<HashSet<[u8; 32]>>>);

/// A key that is under way until this is dropped.
struct Begun {
    all: UnderWay,
    hash: [u8; 32],
}

impl UnderWay {
    /// `None` when it is under way already.
    fn begin(&self, hash: [u8; 32]) -> Option<Begun> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(hash).then(|| Begun { all: self.clone(), hash })
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.hash);
    }
}

/// An action as it was declared.
#[derive(Clone, Copy)]
pub(crate) struct Acting {
    pub(crate) run: Run,
    pub(crate) timeout: Duration,
    pub(crate) audit: Option<&'static str>,
}

/// What an action answered, and what it said it is about.
struct Acted {
    answer: Answer,
    subject: Option<Subject>,
}

impl Host {
    /// Runs an action; one that reads needs no key and leaves nothing.
    pub(crate) async fn act(&self, acting: Acting, ready: &Ready<'_>) -> Result<Answer, Problem> {
        if ready.function.method == Method::Get {
            return self.act_now(acting, ready, false).await.map(|acted| acted.answer);
        }
        ready.call.require_looked()?;
        if let Some(key) = &ready.call.idempotency {
            return self.act_once(acting, ready, key).await;
        }
        let acted = self.act_now(acting, ready, false).await?;
        self.note(acting, ready, &acted, None).await?;
        Ok(acted.answer)
    }

    async fn act_now(
        &self,
        acting: Acting,
        ready: &Ready<'_>,
        is_repetition: bool,
    ) -> Result<Acted, Problem> {
        let cx = ActionContext {
            surroundings: self.surroundings(ready),
            database: self.inner.database.clone(),
            turn: ready.turn.clone(),
            subject: Mutex::default(),
            is_repetition,
        };
        let Acting { run, timeout, .. } = acting;
        let answer = tokio::time::timeout(timeout, run(&cx, ready.arguments))
            .await
            .unwrap_or_else(|_| Err(out_of_time(ready.function.name, timeout)))?;
        let version = cx.surroundings.take_version();
        let answer = match version {
            version if ready.function.method == Method::Get => tagged(answer, version.as_ref()),
            Some(version) => answer.with_header("etag", version.tag()),
            None => answer,
        };
        Ok(Acted { answer, subject: unlock(cx.subject) })
    }

    async fn act_once(
        &self,
        acting: Acting,
        ready: &Ready<'_>,
        key: &IdempotencyKey,
    ) -> Result<Answer, Problem> {
        let place = place(ready, key);
        let begun = self.inner.under_way.begin(key.hash);
        let database = &self.inner.database;
        let member = self.services().find::<MemberId>().copied();
        let reserve = |tx| store::reserve_key(tx, place, &key.fingerprint, member);
        let met = database.transact(identity(ready.caller), reserve).await?;
        if let Some(met) = &met {
            key.require_same(&met.known.fingerprint)?;
            if let Some(sealed) = &met.known.answer {
                return key.open(sealed);
            }
        }
        let is_free = met.as_ref().is_none_or(|met| met.is_taken);
        let Some(_begun) = begun.filter(|_| is_free) else { return Err(in_flight()) };
        let is_repetition = met.is_some();
        let acted = self.act_now(acting, ready, is_repetition).await;
        kernel::fault!("action.done");
        match acted {
            Ok(acted) => {
                self.note(acting, ready, &acted, Some(key)).await?;
                Ok(acted.answer)
            }
            Err(problem) if is_repetition || !is_refusal(&problem) => Err(problem),
            Err(problem) => {
                let free = |tx| store::free_key(tx, place, member);
                if let Err(error) = database.transact(identity(ready.caller), free).await {
                    // The caller learns of the refusal; a repetition is run as after a crash.
                    tracing::debug!(error = %error, "an idempotency key could not be freed");
                }
                Err(problem)
            }
        }
    }

    /// Writes the audit row and keeps the answer, where there is one of each.
    async fn note(
        &self,
        acting: Acting,
        ready: &Ready<'_>,
        acted: &Acted,
        key: Option<&IdempotencyKey>,
    ) -> Result<(), Problem> {
        let sealed = key.map(|key| key.seal(&acted.answer)).transpose()?;
        let kept = key.zip(sealed.as_deref());
        let kept = kept.map(|(key, sealed)| (place(ready, key), sealed));
        let subject = acting
            .audit
            .map(|audit| (audit, AuditSubject::of(audit, ready, acted.subject.as_ref())));
        let id = self.new_id();
        let row = subject.as_ref().map(|(audit, subject)| subject.row(id, audit, ready));
        if row.is_none() && kept.is_none() {
            return Ok(());
        }
        let (row, database) = (row.as_ref(), &self.inner.database);
        let note = |tx| store::note_action(tx, row, kept);
        database.transact(identity(ready.caller), note).await?;
        Ok(())
    }
}

/// Whether the caller was told no. After a failure of ours, or a time that was over, nobody knows how
/// far the action came.
fn is_refusal(problem: &Problem) -> bool {
    (400..500).contains(&problem.code.0.status)
}

fn place<'a>(ready: &Ready<'_>, key: &'a IdempotencyKey) -> KeyPlace<'a> {
    let (workspace, principal) = (ready.caller.workspace, ready.caller.principal);
    KeyPlace { workspace, principal, hash: &key.hash }
}

fn out_of_time(name: &str, timeout: Duration) -> Problem {
    let detail = format!("`{name}` was not done after {} ms and was stopped.", timeout.as_millis());
    Problem::new(codes::REQUEST_TIMEOUT, detail)
}
