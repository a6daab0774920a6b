//! How a mutation runs: from the raw arguments, again when it met another transaction, and all that it
//! leaves commits together or not at all.

use std::sync::Mutex;

use db::Tx;
use kernel::Problem;
use tokio::sync::Mutex as AsyncMutex;
use uuid::Uuid;

use crate::answer::Answer;
use crate::audit::AuditSubject;
use crate::check::Arguments;
use crate::context::MutationContext;
use crate::declaration::Answering;
use crate::host::{Host, Ready, identity, unlock};
use crate::idempotency::{IdempotencyKey, in_flight};
use crate::outbox::Outbox;
use crate::services::Services;
use crate::store::{self, KeptAnswer, KeyPlace};

/// The code of a mutation.
pub(crate) type Run = for<'a> fn(&'a MutationContext, &'a Arguments) -> Answering<'a>;
type AfterCommit = Box<dyn FnOnce(&Services) + Send>;

/// How an attempt ended badly.
enum Failed {
    Problem(Problem),
    Database(db::Error),
}

impl From<Failed> for Problem {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Problem(problem) => problem,
            Failed::Database(error) => error.into(),
        }
    }
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<db::Error> for Failed {
    fn from(error: db::Error) -> Self {
        Self::Database(error)
    }
}

impl Host {
    /// Runs a mutation from its arguments, again when it met another transaction.
    pub(crate) async fn mutate(
        &self,
        run: Run,
        audit: &'static str,
        ready: &Ready<'_>,
    ) -> Result<Answer, Problem> {
        let transaction = |tx| self.attempt(run, audit, ready, tx);
        let done = self.inner.database.transact(identity(ready.caller), transaction).await;
        let (answer, after) = match (done, &ready.call.idempotency) {
            (Ok(done), _) => done,
            (Err(failed), None) => return Err(failed.into()),
            (Err(failed), Some(key)) => (self.unseen(ready, key, failed).await?, Vec::new()),
        };
        for act in after {
            act(&self.inner.services);
        }
        Ok(answer)
    }

    /// The answer of the first request under this key, when it committed behind our look: our own
    /// attempt then failed because of it, at the key or anywhere else. Otherwise the failure.
    async fn unseen(
        &self,
        ready: &Ready<'_>,
        key: &IdempotencyKey,
        failed: Failed,
    ) -> Result<Answer, Problem> {
        let look = |mut tx: Tx| async move {
            let answer = earlier(&mut tx, ready, key).await?;
            tx.rollback().await?;
            Ok::<_, Failed>(answer)
        };
        match self.inner.database.transact(identity(ready.caller), look).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) | Err(_) => Err(failed.into()),
        }
    }

    /// One attempt: look at the key, run, write what is left, commit.
    async fn attempt(
        &self,
        run: Run,
        audit: &'static str,
        ready: &Ready<'_>,
        mut tx: Tx,
    ) -> Result<(Answer, Vec<AfterCommit>), Failed> {
        let key = ready.call.idempotency.as_ref();
        if let Some(key) = key
            && let Some(answer) = earlier(&mut tx, ready, key).await?
        {
            tx.rollback().await?;
            return Ok((answer, Vec::new()));
        }
        let cx = MutationContext {
            surroundings: self.surroundings(ready),
            tx: AsyncMutex::new(tx),
            after: Mutex::default(),
            outbox: Mutex::default(),
        };
        let mut answer = run(&cx, ready.arguments).await?;
        ready.call.require_looked()?;
        if let Some(version) = cx.surroundings.take_version() {
            answer = answer.with_header("etag", version.tag());
        }
        let (tx, outbox) = (cx.tx.into_inner(), unlock(cx.outbox));
        self.commit(tx, audit, ready, outbox, &answer).await?;
        Ok((answer, unlock(cx.after)))
    }

    async fn commit(
        &self,
        tx: Tx,
        audit: &'static str,
        ready: &Ready<'_>,
        outbox: Outbox,
        answer: &Answer,
    ) -> Result<(), Failed> {
        outbox.check()?;
        let subject = AuditSubject::of(audit, ready, outbox.subject.as_ref());
        let row = subject.row(self.new_id(), audit, ready);
        let key = ready.call.idempotency.as_ref();
        let kept = key.map(|key| {
            let answer = key.seal(answer)?;
            Ok::<_, Problem>(KeptAnswer { hash: &key.hash, fingerprint: &key.fingerprint, answer })
        });
        let kept = kept.transpose()?;
        let event_ids: Vec<Uuid> = outbox.events.iter().map(|_| self.new_id()).collect();
        kernel::fault!("mutation.before");
        store::commit_with(tx, &row, kept.as_ref(), &outbox, event_ids).await?;
        kernel::fault!("mutation.done");
        Ok(())
    }
}

/// The answer this request was given before.
///
/// Whoever gets the lock and finds nothing is the first. The look was begun before the lock was had,
/// so it may have missed a first that committed in between: its row then refuses ours, and
/// [`Host::unseen`] looks again.
async fn earlier(
    tx: &mut Tx,
    ready: &Ready<'_>,
    key: &IdempotencyKey,
) -> Result<Option<Answer>, Failed> {
    let (workspace, principal) = (ready.caller.workspace, ready.caller.principal);
    let place = KeyPlace { workspace, principal, hash: &key.hash };
    let (mine, known) = store::claim_key(tx, place, key.lock()).await?;
    match known {
        Some(known) => {
            key.require_same(&known.fingerprint)?;
            let sealed = known.answer.ok_or_else(in_flight)?;
            Ok(Some(key.open(&sealed)?))
        }
        None if mine => Ok(None),
        None => Err(in_flight().into()),
    }
}
