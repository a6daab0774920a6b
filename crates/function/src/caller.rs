//! Who calls, and what they may do.

use std::sync::Arc;

use kernel::{ApiKeyId, PrincipalId, Problem, WorkspaceId, codes};

/// One thing that may be allowed: `noun.verb`. Declared as a const of the domain crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Permission(pub &'static str);

/// What a key allows: `*`, `workflow.*` or `workflow.read`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes(Arc<[String]>);

impl Scopes {
    /// These scopes.
    pub fn new(scopes: impl IntoIterator<Item = String>) -> Self {
        Self(scopes.into_iter().collect())
    }

    /// Whether this permission is among them.
    pub fn allow(&self, permission: Permission) -> bool {
        self.0.iter().any(|scope| match scope.strip_suffix('*') {
            Some(prefix) => {
                (prefix.is_empty() || prefix.ends_with('.')) && permission.0.starts_with(prefix)
            }
            None => scope == permission.0,
        })
    }

    /// As they are stored.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

/// An authenticated caller. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The tenant everything happens in.
    pub workspace: WorkspaceId,
    /// Its name in addresses.
    pub workspace_slug: Arc<str>,
    /// Who is responsible.
    pub principal: PrincipalId,
    /// The key that was shown.
    pub key: ApiKeyId,
    /// What the key allows.
    pub scopes: Scopes,
}

impl Caller {
    /// Refuses with `auth.forbidden` unless the key allows this.
    pub fn require(&self, permission: Permission) -> Result<(), Problem> {
        if self.scopes.allow(permission) {
            return Ok(());
        }
        let detail = format!(
            "This needs the scope `{}`; ask the owner of the workspace for a key that has it.",
            permission.0
        );
        Err(Problem::new(codes::AUTH_FORBIDDEN, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_allows_itself_its_noun_or_everything_and_nothing_else() {
        let allow =
            |scope: &str, permission| Scopes::new([scope.to_owned()]).allow(Permission(permission));
        assert!(allow("*", "run.read"));
        assert!(allow("run.*", "run.read"));
        assert!(allow("run.read", "run.read"));
        assert!(!allow("run.read", "run.write"));
        assert!(!allow("run.*", "runner.read"));
        assert!(!allow("ru*", "run.read"));
        assert!(!allow("", "run.read"));
    }
}
