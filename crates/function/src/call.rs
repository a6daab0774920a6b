//! One call as its function sees it through the context: what its headers ask for.

use std::sync::atomic::{AtomicBool, Ordering};

use kernel::{Problem, codes};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::caller::Caller;
use crate::check::decode_query;
use crate::cursor::{CursorKey, Cursors};
use crate::declaration::Function;
use crate::idempotency::{IdempotencyKey, digest};
use crate::list::{ListQuery, Paging};
use crate::request::Request;
use crate::version::{Tags, Version};

/// Parameters of a list that do not change what is in it.
const NOT_FILTERS: [&str; 2] = ["cursor", "limit"];

/// One call.
pub(crate) struct Call {
    pub(crate) idempotency: Option<IdempotencyKey>,
    pub(crate) request_id: Option<String>,
    pub(crate) trace_id: Option<String>,
    pub(crate) prefer: Option<String>,
    pub(crate) range: Option<String>,
    pub(crate) if_range: Option<String>,
    if_match: Option<Tags>,
    /// Whether the function has looked at `if-match`.
    looked: AtomicBool,
    /// Where cursors are valid.
    scope: Option<Cursors>,
}

impl Call {
    /// The call of a function. `cursors` is there for what may be a list.
    ///
    /// # Errors
    /// `request.invalid` for headers that are not what they should be.
    pub(crate) fn new(
        function: &Function,
        caller: &Caller,
        request: &Request,
        cursors: Option<CursorKey>,
    ) -> Result<Self, Problem> {
        let scope = cursors.map(|key| Cursors::new(key, scope(function, caller, request)));
        Ok(Self {
            idempotency: IdempotencyKey::of(function.name, caller, request)?,
            request_id: request.request_id.clone(),
            trace_id: request.trace_id.clone(),
            prefer: request.prefer.clone(),
            range: request.range.clone(),
            if_range: request.if_range.clone(),
            if_match: Tags::read("if-match", request.if_match.as_deref())?,
            looked: AtomicBool::new(false),
            scope,
        })
    }

    pub(crate) fn page<K>(&self, query: &impl ListQuery) -> Result<Paging<K>, Problem>
    where
        K: Serialize + DeserializeOwned,
    {
        let Some(scope) = self.scope.clone() else {
            tracing::error!("only what is read by GET has pages");
            return Err(Problem::internal());
        };
        let after = query.cursor().map(|cursor| scope.open(cursor)).transpose()?;
        Ok(Paging::new(after, query.limit(), scope))
    }

    pub(crate) fn expects_version(&self) -> bool {
        self.looked.store(true, Ordering::Relaxed);
        self.if_match.is_some()
    }

    pub(crate) fn require_version(&self, current: &Version) -> Result<(), Problem> {
        self.looked.store(true, Ordering::Relaxed);
        match &self.if_match {
            Some(wanted) if !wanted.name(current) => {
                let tag = current.tag();
                let detail = format!(
                    "`if-match` names no version that is there; the current one is {tag}. Read it \
                     again and repeat the change."
                );
                Err(Problem::new(codes::REQUEST_PRECONDITION, detail).with_current(tag))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Refuses an `if-match` that the function has not looked at: its sender relies on it.
    pub(crate) fn require_looked(&self) -> Result<(), Problem> {
        if self.if_match.is_none() || self.looked.load(Ordering::Relaxed) {
            return Ok(());
        }
        let what = "is not understood here: what this changes has no versions";
        let (code, detail) = (codes::REQUEST_INVALID, format!("The header `if-match` {what}."));
        Err(Problem::new(code, detail).at("/header/if-match", code, what))
    }
}

/// What a cursor is bound to: function, workspace, path, filters and order.
fn scope(function: &Function, caller: &Caller, request: &Request) -> [u8; 32] {
    let mut filters = decode_query(&request.query);
    filters.retain(|(name, _)| !NOT_FILTERS.contains(&name.as_str()));
    filters.sort_unstable();
    let fields = request.path.iter().chain(&filters);
    let fields = fields.flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    let workspace = caller.workspace.0;
    let head = [function.name.as_bytes(), workspace.as_bytes().as_slice()];
    digest(head.into_iter().chain(fields))
}
