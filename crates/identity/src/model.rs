//! Workspaces and keys as they are shown.

use function::Version;
use jiff::Timestamp;
use kernel::{ApiKeyId, WorkspaceId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceView {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name in addresses, such as `/hooks/{slug}/…`.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl WorkspaceView {
    /// Its version: all of it.
    pub(crate) fn version(&self) -> Version {
        Version::of_state(self)
    }
}

/// An API key without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApiKeyView {
    /// Its id.
    pub id: ApiKeyId,
    /// What its owner calls it.
    pub name: String,
    /// The part of the key that tells it from others.
    pub prefix: String,
    /// What it allows: `*`, `workflow.*` or `workflow.read`.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, exact to a minute or so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

impl ApiKeyView {
    /// Its version: what may be changed of it, and so not when it was last used.
    pub(crate) fn version(&self) -> Version {
        Version::of_state(&(&self.name, &self.scopes, self.expires_at, self.revoked_at))
    }
}
