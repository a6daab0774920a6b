//! Opens and seals secrets, and tells of changes.

use std::sync::{Arc, PoisonError, RwLock};

use db::{Database, Identity, Tx};
use kernel::{Problem, Secret, WorkspaceId, codes};

use crate::key::SealingKey;
use crate::store;

/// Is told of a workspace whose secrets changed in this process.
type Watcher = Box<dyn Fn(WorkspaceId) + Send + Sync>;

/// The secrets of all workspaces. Cheap to clone; one per process.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    database: Database,
    key: SealingKey,
    watchers: RwLock<Vec<Watcher>>,
}

impl Vault {
    /// A vault that seals with this key.
    pub fn new(database: Database, key: SealingKey) -> Self {
        Self(Arc::new(Inner { database, key, watchers: RwLock::default() }))
    }

    /// The value of a secret: one round trip.
    ///
    /// # Errors
    /// `secret.not_found`, `secret.unreadable` when another key sealed it, `database.unavailable`.
    pub async fn open(&self, workspace: WorkspaceId, name: &str) -> Result<Secret, Problem> {
        let mut tx = self.0.database.read(Identity::of_workspace(workspace)).await?;
        let row = store::find(&mut tx, workspace, name).await?.ok_or_else(|| not_found(name))?;
        self.0.key.open(workspace, name, &row.sealed).ok_or_else(|| {
            let why = match row.key_id == self.0.key.id() {
                true => "it was changed in the database",
                false => "another key sealed it",
            };
            let detail = format!(
                "The secret \"{name}\" cannot be opened: {why}. Start the server with the key it \
                 was sealed with, or set the secret again."
            );
            Problem::new(codes::SECRET_UNREADABLE, detail)
        })
    }

    /// Says whom to tell when secrets change in this process; other members find out by the
    /// workspace's revision.
    pub fn watch(&self, watcher: impl Fn(WorkspaceId) + Send + Sync + 'static) {
        let mut watchers = self.0.watchers.write().unwrap_or_else(PoisonError::into_inner);
        watchers.push(Box::new(watcher));
    }

    pub(crate) fn key(&self) -> &SealingKey {
        &self.0.key
    }

    pub(crate) fn changed(&self, workspace: WorkspaceId) {
        let watchers = self.0.watchers.read().unwrap_or_else(PoisonError::into_inner);
        watchers.iter().for_each(|watcher| watcher(workspace));
    }
}

/// Which of these secrets the workspace does not have.
///
/// # Errors
/// `database.unavailable`.
pub async fn find_missing(
    tx: &mut Tx,
    workspace: WorkspaceId,
    names: &[String],
) -> Result<Vec<String>, Problem> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    Ok(store::find_missing(tx, workspace, names).await?)
}

pub(crate) fn not_found(name: &str) -> Problem {
    let detail = format!(
        "There is no secret \"{name}\" in this workspace: set it with PUT /v1/secrets/{name}."
    );
    Problem::new(codes::SECRET_NOT_FOUND, detail)
}
