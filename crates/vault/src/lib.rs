//! The vault: secrets of a workspace, sealed with a key that the database never sees.
//!
//! A secret has a name and a value. Values go in and never come out through the API: documents name
//! them (`{ secret: NAME }`), and what needs one opens it with [`Vault::open`] where it is used. A
//! row holds AES-256-GCM ciphertext with workspace and name as additional data, and the id of the
//! [`SealingKey`] it was sealed with.
//!
//! Invariants: no value in plain text in the database, in answers, errors or logs; a change raises
//! the workspace's revision in the same transaction, so that whoever holds opened values in memory
//! knows within a second. Deliberately absent: rotation of the key, access per secret, accounts at
//! outside services.

mod api;
mod key;
mod model;
mod service;
mod store;

use function::Permission;

pub use api::FUNCTIONS;
pub use key::SealingKey;
pub use model::SecretView;
pub use service::{Vault, find_missing};
pub use store::STATEMENTS;

/// See the names of secrets, never their values.
pub const READ: Permission = Permission("secret.read");
/// Set and delete secrets.
pub const WRITE: Permission = Permission("secret.write");
