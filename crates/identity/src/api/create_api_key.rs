//! `POST /v1/api-keys`

use function::{MutationContext, Problem, Scopes, mutation};
use jiff::Timestamp;
use kernel::{ApiKeyId, codes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::name::NAME;
use crate::key::Key;
use crate::model::ApiKeyView;
use crate::store::{self, NewKeyRow};

/// What a scope looks like.
const SCOPE: &str = r"^(\*|[a-z_]{1,50}\.(\*|[a-z_]{1,50}))$";

/// What the new key shall be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewApiKey {
    /// What its owner calls it, 1 to 200 characters.
    #[schemars(length(min = 1, max = 200), regex(pattern = NAME))]
    name: String,
    /// What it allows: `*`, `workflow.*` or `workflow.read`; no more than the key that makes it.
    #[schemars(length(min = 1, max = 100), inner(regex(pattern = SCOPE)))]
    scopes: Vec<String>,
    /// When it ends by itself; no later than the key that makes it.
    #[serde(default)]
    expires_at: Option<Timestamp>,
}

/// A new key and its secret, which is shown only here.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CreatedApiKey {
    /// The key without its secret.
    api_key: ApiKeyView,
    /// The whole key: keep it, it is stored nowhere.
    key: String,
}

/// Makes an API key and shows it once.
///
/// The key may do no more than the key it is made with, and ends with it at the latest.
#[mutation(POST "/v1/api-keys", permission = crate::WRITE_KEYS, audit = "api_key.created", status = 201)]
pub(super) async fn create_api_key(
    cx: &MutationContext,
    body: NewApiKey,
) -> Result<CreatedApiKey, Problem> {
    check(&body, &cx.caller().scopes, cx.clock().now())?;
    let own = store::find_api_key(&mut *cx.tx().await, cx.workspace(), cx.caller().key).await?;
    check_end(body.expires_at, own.and_then(|own| own.expires_at))?;
    let key = Key::generate()?;
    let row = NewKeyRow {
        id: ApiKeyId::new(cx.clock(), cx.dice()),
        principal: cx.caller().principal,
        name: &body.name,
        prefix: key.prefix(),
        hash: key.hash(),
        scopes: &body.scopes,
        expires_at: body.expires_at,
    };
    cx.subject("api_key", row.id);
    let api_key = store::add_key(&mut *cx.tx().await, cx.workspace(), &row).await?;
    Ok(CreatedApiKey { api_key, key: key.text().expose().clone() })
}

fn check(wanted: &NewApiKey, own: &Scopes, now: Timestamp) -> Result<(), Problem> {
    if wanted.expires_at.is_some_and(|end| end <= now) {
        let (code, what) = (codes::REQUEST_INVALID, "must lie in the future");
        return Err(Problem::new(code, format!("`/expires_at` {what}.")).at(
            "/expires_at",
            code,
            what,
        ));
    }
    match wanted.scopes.iter().find(|scope| !covers(own, scope)) {
        None => Ok(()),
        Some(scope) => Err(Problem::new(
            codes::AUTH_FORBIDDEN,
            format!("The key this is asked with does not have the scope `{scope}` itself."),
        )),
    }
}

/// Refuses a key that would outlive the one it is made with.
fn check_end(wanted: Option<Timestamp>, own: Option<Timestamp>) -> Result<(), Problem> {
    let Some(own) = own else { return Ok(()) };
    if wanted.is_some_and(|end| end <= own) {
        return Ok(());
    }
    let what = format!("must be {own} or earlier, when the key this is asked with ends");
    let code = codes::REQUEST_INVALID;
    Err(Problem::new(code, format!("`/expires_at` {what}.")).at("/expires_at", code, what))
}

/// Whether everything `scope` allows is allowed by `own`. A whole noun is only covered by itself
/// or by everything, whatever verbs there are today.
fn covers(own: &Scopes, scope: &str) -> bool {
    let has = |wanted: &str| own.as_slice().iter().any(|scope| scope == wanted);
    match scope.strip_suffix(".*") {
        _ if has("*") || has(scope) => true,
        Some(_) => false,
        None => {
            let noun = scope.split_once('.').map_or("", |(noun, _)| noun);
            has(&format!("{noun}.*"))
        }
    }
}

#[cfg(test)]
mod tests {
    use function::Permission;

    use super::*;

    #[test]
    fn a_key_covers_what_it_has_and_nothing_wider() {
        let own = Scopes::new(["run.*".to_owned(), "workflow.read".to_owned()]);
        assert!(covers(&own, "run.read"));
        assert!(covers(&own, "run.*"));
        assert!(covers(&own, "workflow.read"));
        assert!(!covers(&own, "workflow.*"));
        assert!(!covers(&own, "workflow.write"));
        assert!(!covers(&own, "*"));
        assert!(own.allow(Permission("run.read")));
    }
}
