//! Rates at the door: takes each request out of its budgets and tells the caller what is left.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response};
use kernel::{Problem, codes};
use rate::{Scope, Subject, Verdict};

use crate::request::About;
use crate::shared::Shared;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// What the budgets of one request said.
#[derive(Default)]
pub(crate) struct Spent([Option<(Scope, Verdict)>; 3]);

impl Spent {
    /// Takes the request out of the subject's budget.
    ///
    /// # Errors
    /// `rate.limited` with the time after which it would be let through.
    pub(crate) fn take(&mut self, shared: &Shared, subject: Subject) -> Result<(), Problem> {
        let Some(verdict) = shared.rates.take(subject) else { return Ok(()) };
        let scope = subject.scope();
        if let Some(free) = self.0.iter_mut().find(|slot| slot.is_none()) {
            *free = Some((scope, verdict));
        }
        if verdict.allowed { Ok(()) } else { Err(refused(scope, &verdict)) }
    }

    /// The same for the sender's address.
    pub(crate) fn take_address(
        &mut self,
        shared: &Shared,
        about: &About,
        headers: &HeaderMap,
    ) -> Result<(), Problem> {
        if !shared.rates.limit(Scope::Address) {
            return Ok(());
        }
        let address = about.address(headers, &shared.settings.proxies);
        self.take(shared, Subject::address(address))
    }

    /// Says what is allowed and left, as the draft of the IETF's httpapi group has it: `q` requests
    /// in `w` seconds, `r` left, whole again in `t` seconds.
    pub(crate) fn sign(&self, response: &mut Response<Body>) {
        let (mut policy, mut left) = (String::new(), String::new());
        for (scope, verdict) in self.0.iter().flatten() {
            let separator = if policy.is_empty() { "" } else { ", " };
            let (name, budget) = (scope.name(), verdict.budget);
            let window = budget.window().as_secs_f64().ceil().max(1.0) as u64;
            policy.push_str(&format!("{separator}\"{name}\";q={};w={window}", budget.quota()));
            let reset = verdict.reset.as_secs_f64().ceil() as u64;
            left.push_str(&format!("{separator}\"{name}\";r={};t={reset}", verdict.remaining));
        }
        for (name, text) in [(POLICY, policy), (LEFT, left)] {
            if !text.is_empty()
                && let Ok(value) = HeaderValue::try_from(text)
            {
                response.headers_mut().insert(name, value);
            }
        }
    }
}

fn refused(scope: Scope, verdict: &Verdict) -> Problem {
    let whose = match scope {
        Scope::Key => "with this key",
        Scope::Address => "from this address",
        Scope::Workspace => "in this workspace",
    };
    let budget = verdict.budget;
    let detail = format!(
        "{} requests a minute may be sent {whose}, {} of them at once; wait before the next one.",
        budget.per_minute,
        budget.quota()
    );
    let mut problem = Problem::new(codes::RATE_LIMITED, detail);
    problem.retry_after_ms = Some(verdict.retry_after.as_millis() as u64);
    problem
}
