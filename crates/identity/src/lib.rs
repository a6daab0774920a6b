//! Identity: workspaces, who acts in them, and the API keys they show.
//!
//! A key is `ff_<prefix>_<secret>`; stored are its prefix and the SHA-256 of the whole. States of a
//! key: valid → expired (by time) or revoked (by call); nothing leads back. [`Authenticator`] turns
//! a key into a [`function::Caller`] without a round trip while the key is in its cache, so a key
//! that another member revoked may work for [`Authenticator::FRESH`] more; on the member that
//! revoked it, it ends at once.
//!
//! Invariants: a key is shown once, when it is made, and never logged; a key can only make keys
//! that may do no more than itself and end no later; every table is under forced row-level security, and the one
//! look-up before the workspace is known is `forge.find_api_key`. Deliberately absent: people,
//! passwords, sessions, roles.

mod api;
mod bootstrap;
mod key;
mod model;
mod service;
mod store;

use function::Permission;

pub use api::FUNCTIONS;
pub use bootstrap::{FIRST_SLUG, FirstKey, bootstrap, issue_owner_key};
pub use key::Key;
pub use model::{ApiKeyView, WorkspaceView};
pub use service::Authenticator;
pub use store::STATEMENTS;

/// See the workspace.
pub const READ_WORKSPACE: Permission = Permission("workspace.read");
/// Change the workspace.
pub const WRITE_WORKSPACE: Permission = Permission("workspace.write");
/// See the API keys (never their secrets).
pub const READ_KEYS: Permission = Permission("api_key.read");
/// Make, rename and revoke API keys.
pub const WRITE_KEYS: Permission = Permission("api_key.write");
