//! The key that tells a call from its repetitions.

use kernel::{Problem, codes};
use node::Hook;

use crate::address::Route;
use crate::item::HookHead;

/// The run's key: the caller's, within the one workflow and node it was sent to.
pub(crate) fn of(
    head: &HookHead<'_>,
    hook: &Hook,
    route: &Route,
) -> Result<Option<String>, Problem> {
    let (name, required) = match &hook.idempotency {
        None => ("idempotency-key", false),
        Some(configured) => (configured.header.as_str(), configured.required),
    };
    let refused = |what: &str| {
        let detail = format!("The header `{name}` {what}.");
        Problem::new(codes::REQUEST_INVALID, detail)
    };
    let Some(sent) = head.headers.get(name) else {
        return match required {
            true => Err(refused("is missing: it tells this call from its repetitions")),
            false => Ok(None),
        };
    };
    let sent = function::idempotency_key(sent.as_bytes())
        .map_err(|_| refused("must have 1 to 255 printable ASCII characters"))?;
    let stage = route.stage.as_str();
    Ok(Some(format!("hook:{stage}:{}:{}:{sent}", route.workflow, route.node)))
}
