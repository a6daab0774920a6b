//! The audit: who did what, one row for each mutation, written in its transaction; and one for each
//! action that changes something, written right behind it.

use jiff::Timestamp;
use kernel::{ApiKeyId, PrincipalId};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::caller::Permission;
use crate::host::Ready;
use crate::outbox::Subject;
use crate::store::AuditRow;

/// Characters of a subject's id that are kept.
const SUBJECT_CHARS_MAX: usize = 200;

/// See the audit.
pub const READ_AUDIT: Permission = Permission("audit.read");

crate::list_query! {
    /// Which rows of the audit.
    pub(crate) struct AuditFilter {
        /// Only this action, such as `workflow.published`.
        #[schemars(length(min = 1, max = 100))]
        pub(crate) action: Option<String>,
        /// Only what was done to this: an id, or a name where there is no id.
        #[schemars(length(min = 1, max = 200))]
        pub(crate) subject: Option<String>,
        /// Only what was done to this kind of thing, such as `workflow`.
        #[schemars(length(min = 1, max = 100))]
        pub(crate) subject_kind: Option<String>,
        /// Only what this principal did.
        pub(crate) principal: Option<PrincipalId>,
        /// Only what was done then or later.
        pub(crate) from: Option<Timestamp>,
        /// Only what was done before then.
        pub(crate) until: Option<Timestamp>,
    }
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AuditView {
    /// Id of the row; newer ones are larger.
    pub id: Uuid,
    /// When it was done.
    pub at: Timestamp,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<PrincipalId>,
    /// The API key that was shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<ApiKeyId>,
    /// What was done, such as `workflow.published`.
    pub action: String,
    /// The function that did it.
    pub function: String,
    /// What kind of thing it was done to.
    pub subject_kind: String,
    /// What it was done to: an id, or a name where there is no id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Id of the trace the request belonged to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// `succeeded`, `refused` or `failed`.
    pub outcome: String,
}

/// What something was done to, as it is stored.
pub(crate) struct AuditSubject<'a> {
    kind: &'a str,
    id: Option<String>,
}

impl<'a> AuditSubject<'a> {
    /// What the function named, else the action's noun and the last parameter of the path.
    pub(crate) fn of(action: &'a str, ready: &Ready<'_>, named: Option<&'a Subject>) -> Self {
        let noun = || action.split('.').next().unwrap_or(action);
        let (kind, id) = match named {
            Some(subject) => (subject.kind, Some(subject.id.as_str())),
            None => (noun(), ready.last_of_path),
        };
        Self { kind, id: id.map(|id| id.chars().take(SUBJECT_CHARS_MAX).collect()) }
    }

    /// The row.
    pub(crate) fn row<'r>(
        &'r self,
        id: Uuid,
        action: &'r str,
        ready: &'r Ready<'_>,
    ) -> AuditRow<'r> {
        AuditRow {
            workspace: ready.caller.workspace,
            id,
            principal: ready.caller.principal,
            key: ready.caller.key,
            action,
            function: ready.function.name,
            subject_kind: self.kind,
            subject_id: self.id.as_deref(),
            request_id: ready.call.request_id.as_deref(),
            trace_id: ready.call.trace_id.as_deref(),
        }
    }
}
