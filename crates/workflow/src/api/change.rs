//! What a mutation of workflows needs and does: the draft it is based on, who makes it, who is told.

use function::{MutationContext, Problem, Transaction};
use kernel::WorkflowId;
use node::Registry;

use crate::document::Document;
use crate::model::{PublishedView, Saved, WorkflowView};
use crate::observer::Publishing;
use crate::service::edit::{self, Draft};
use crate::service::{self, Author};

/// A change under way.
pub(super) struct Change<'c> {
    cx: &'c MutationContext,
    pub(super) tx: Transaction<'c>,
    pub(super) author: Author<'c>,
    pub(super) publishing: &'c Publishing,
}

impl<'c> Change<'c> {
    /// A change of a workflow there is. Refuses unless its draft has a revision that `if-match` names,
    /// where the request has it: one more look, whose answer holds for the whole transaction.
    pub(super) async fn begin(cx: &'c MutationContext, workflow: &str) -> Result<Self, Problem> {
        let mut change = Self::of_new(cx).await;
        if cx.expects_version() {
            let row = service::find(&mut change.tx, cx.workspace(), workflow).await?;
            cx.require_version(row.view.revision)?;
        }
        Ok(change)
    }

    /// A change that makes workflows. The observers are told once it is committed.
    pub(super) async fn of_new(cx: &'c MutationContext) -> Self {
        let workspace = cx.workspace();
        cx.after_commit(move |services| services.get::<Publishing>().committed(workspace));
        Self { cx, tx: cx.tx().await, author: author(cx), publishing: cx.service() }
    }

    /// Notes which workflow was changed, and the revision its draft has now.
    pub(super) fn done<T: Changed>(self, answer: T) -> T {
        self.cx.subject("workflow", answer.workflow());
        self.cx.set_version(answer.revision());
        answer
    }
}

/// Changes the document of a draft, and saves it.
pub(super) async fn edit(
    cx: &MutationContext,
    draft: Draft<'_>,
    act: impl FnOnce(&mut Document, &Registry) -> Result<(), Problem>,
) -> Result<Saved, Problem> {
    let mut change = Change::begin(cx, draft.workflow).await?;
    let saved = edit::edit(&mut change.tx, change.author, change.publishing, draft, act).await?;
    Ok(change.done(saved))
}

/// The caller as an author.
pub(super) fn author(cx: &MutationContext) -> Author<'_> {
    Author {
        workspace: cx.workspace(),
        principal: Some(cx.caller().principal),
        clock: cx.clock(),
        dice: cx.dice(),
    }
}

/// An answer that shows a workflow after a change.
pub(super) trait Changed {
    fn workflow(&self) -> WorkflowId;
    /// The revision of its draft.
    fn revision(&self) -> i64;
}

macro_rules! changed {
    ($($answer:ty),*) => {$(
        impl Changed for $answer {
            fn workflow(&self) -> WorkflowId {
                self.id
            }

            fn revision(&self) -> i64 {
                self.revision
            }
        }
    )*};
}

changed!(PublishedView, Saved, WorkflowView);
