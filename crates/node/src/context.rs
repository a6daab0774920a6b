//! The world as a node sees it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use expr::Scope;
use futures::future::BoxFuture;
use kernel::item::BinaryRef;
use kernel::{Clock, Dice, Items, Problem, Value, WorkspaceId};
use tokio_util::sync::CancellationToken;

use crate::error::NodeError;

/// What a running node may use. One per activation and attempt.
pub struct NodeContext {
    /// What expressions see; also workspace, workflow and run.
    pub scope: Scope,
    /// The outside.
    pub services: Arc<Services>,
    /// `run:node:path:ordinal:item`: the same for every attempt of the same effect.
    pub idempotency_key: String,
    /// Fires when the run is cancelled or the activation's time is up.
    pub cancel: CancellationToken,
    /// How long the activation may still take.
    pub timeout: Duration,
}

/// What stands behind a [`NodeContext`]; one per process.
pub struct Services {
    /// Outbound HTTP behind the guard.
    pub http: egress::Client,
    /// Files inside the allowed folders.
    pub files: FileAccess,
    /// Bytes of binary properties.
    pub blobs: Arc<dyn Blobs>,
    /// Where code nodes run.
    pub code: Arc<dyn CodeHost>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub dice: Arc<dyn Dice>,
}

/// The store of binary data: content-addressed, per workspace.
pub trait Blobs: Send + Sync {
    /// Stores bytes and returns their key and size.
    fn put<'a>(
        &'a self,
        workspace: WorkspaceId,
        bytes: Vec<u8>,
    ) -> BoxFuture<'a, Result<BinaryRef, Problem>>;
    /// The bytes of a key.
    fn get<'a>(
        &'a self,
        workspace: WorkspaceId,
        blob: &'a str,
    ) -> BoxFuture<'a, Result<Vec<u8>, Problem>>;
}

/// Where user code runs: a child process with limits.
pub trait CodeHost: Send + Sync {
    /// Runs the code; the result is what the script returned, not yet checked as items.
    fn run<'a>(&'a self, request: CodeRequest) -> BoxFuture<'a, Result<Value, NodeError>>;
}

/// One run of user code.
#[derive(Clone, Debug)]
pub struct CodeRequest {
    /// Whose process runs it.
    pub workspace: WorkspaceId,
    /// The script's text: the body of a function.
    pub code: String,
    /// Variables it sees besides the built-in ones: name and JSON.
    pub globals: Vec<(String, Value)>,
    /// `items` and `$input.all()`; for per-item code a single item.
    pub items: Items,
    /// What other nodes have put out, for `$('Node')`.
    pub scope: Scope,
    /// Killed after this long.
    pub timeout: Duration,
    /// Fires when the run is cancelled.
    pub cancel: CancellationToken,
}

/// Files inside the allowed folders; see `[files] allow` in the configuration.
#[derive(Clone, Debug, Default)]
pub struct FileAccess {
    /// Folders that may be read and written, absolute. Empty: nothing may.
    pub allow: Vec<PathBuf>,
    /// Relative paths start here.
    pub base: Option<PathBuf>,
    /// Bytes a file may have when it is read.
    pub bytes_max: u64,
}
