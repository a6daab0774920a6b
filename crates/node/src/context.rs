//! The world as a node sees it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use expr::Scope;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use kernel::item::BinaryRef;
use kernel::{Clock, Dice, Items, Problem, Value, WorkspaceId};
use tokio_util::sync::CancellationToken;

use crate::error::NodeError;
use crate::files::FileAccess;

/// What a running node may use. One per activation and attempt.
pub struct NodeContext {
    /// What expressions see; also workspace, workflow and run.
    pub scope: Scope,
    /// The outside.
    pub services: Arc<Services>,
    /// `run:node:path:ordinal:item`: the same for every attempt of the same effect. Empty for nodes
    /// that change nothing outside.
    pub idempotency_key: String,
    /// The run's place in a trace, as a W3C `traceparent`.
    pub trace: Option<Arc<str>>,
    /// Fires when the run is cancelled or the activation's time is up.
    pub cancel: CancellationToken,
    /// How long the activation may still take.
    pub timeout: Duration,
    /// The one item of the first input to work on, for nodes whose items do not depend on each other
    /// ([`crate::About::itemwise`]); `None`: all. Expressions see all items either way.
    pub only: Option<usize>,
}

impl NodeContext {
    /// The `traceparent` of one outgoing request: the run's trace under a span of the request's own.
    pub fn traceparent(&self) -> Option<String> {
        let trace = self.trace.as_deref()?;
        // version-traceid-parentid-flags: 2, 32, 16 and 2 hexadecimal digits.
        let (head, flags) = (trace.get(..36)?, trace.get(52..55)?);
        Some(format!("{head}{:016x}{flags}", self.services.dice.next_u64()))
    }

    /// The same context for the work on one item alone.
    pub fn only(&self, item: usize) -> Self {
        let mut cx = self.for_item(0);
        cx.idempotency_key.clone_from(&self.idempotency_key);
        cx.only = Some(item);
        cx
    }

    /// The same context for one effect: its idempotency key ends with the item.
    pub fn for_item(&self, item: u32) -> Self {
        Self {
            scope: self.scope.clone(),
            services: Arc::clone(&self.services),
            idempotency_key: format!("{}:{item}", self.idempotency_key),
            trace: self.trace.clone(),
            cancel: self.cancel.clone(),
            timeout: self.timeout,
            only: self.only,
        }
    }
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
    /// Some bytes of a key, at most to its end.
    fn get_part<'a>(
        &'a self,
        workspace: WorkspaceId,
        blob: &'a str,
        from: u64,
        length: u64,
    ) -> BoxFuture<'a, Result<Vec<u8>, Problem>> {
        Box::pin(async move {
            let bytes = self.get(workspace, blob).await?;
            let at =
                |place: u64| usize::try_from(place).map_or(bytes.len(), |at| at.min(bytes.len()));
            Ok(bytes[at(from)..at(from.saturating_add(length))].to_vec())
        })
    }
    /// Keeps blobs at least until a time; [`Timestamp::MAX`] for good. Answers how many of the keys
    /// are there.
    fn keep_until<'a>(
        &'a self,
        workspace: WorkspaceId,
        keys: &'a [String],
        until: Timestamp,
    ) -> BoxFuture<'a, Result<usize, Problem>>;
    /// Stores what a stream brings while it comes, for a day or so: [`Blobs::keep`] what is needed.
    fn put_stream<'a>(
        &'a self,
        workspace: WorkspaceId,
        pieces: BoxStream<'a, Result<Bytes, Problem>>,
    ) -> BoxFuture<'a, Result<BinaryRef, Problem>> {
        Box::pin(async move {
            let gather = |mut all: Vec<u8>, piece: Bytes| {
                all.extend_from_slice(&piece);
                std::future::ready(Ok(all))
            };
            self.put(workspace, pieces.try_fold(Vec::new(), gather).await?).await
        })
    }
    /// Keeps these as long as what [`Blobs::put`] stores.
    fn keep<'a>(
        &'a self,
        workspace: WorkspaceId,
        blobs: &'a [String],
    ) -> BoxFuture<'a, Result<(), Problem>> {
        let _all_are_kept = (workspace, blobs);
        Box::pin(std::future::ready(Ok(())))
    }
    /// The bytes of a key, piece by piece.
    fn get_stream<'a>(
        &'a self,
        workspace: WorkspaceId,
        blob: &'a str,
    ) -> BoxFuture<'a, Result<FileStream, Problem>> {
        Box::pin(async move {
            let bytes = self.get(workspace, blob).await?;
            let size = bytes.len() as u64;
            Ok(FileStream { size, pieces: stream::iter([Ok(bytes.into())]).boxed() })
        })
    }
}

/// A file that is read piece by piece.
pub struct FileStream {
    /// Its length in bytes.
    pub size: u64,
    /// Its bytes, in order.
    pub pieces: BoxStream<'static, Result<Bytes, Problem>>,
}

/// Where user code runs: a child process with limits.
pub trait CodeHost: Send + Sync {
    /// Runs the code; the result is what the script returned, not yet checked as items.
    ///
    /// Errors: `code.threw` with the line, `code.timeout`, `code.memory`, `code.crashed`.
    fn run<'a>(&'a self, request: CodeRequest) -> BoxFuture<'a, Result<CodeOutcome, NodeError>>;
}

/// One run of user code.
#[derive(Clone, Debug)]
pub struct CodeRequest {
    /// Whose process runs it.
    pub workspace: WorkspaceId,
    /// The script's text: the body of a function.
    pub code: String,
    /// How often it is called.
    pub mode: CodeMode,
    /// Variables it sees besides the built-in ones: name and JSON.
    pub globals: Vec<(String, Value)>,
    /// `items` and `$input.all()`.
    pub items: Items,
    /// What other nodes have put out, for `$('Node')`.
    pub scope: Scope,
    /// Killed after this long.
    pub timeout: Duration,
    /// Fires when the run is cancelled.
    pub cancel: CancellationToken,
}

/// How often a script is called for the items of an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeMode {
    /// Once, with all items.
    Once,
    /// For each item, in one runtime; the results come back as an array in the items' order.
    EachItem,
    /// The same, going on after an item whose call threw: it is among [`CodeOutcome::failures`].
    EachItemApart,
}

/// What a script gave.
#[derive(Clone, Debug, PartialEq)]
pub struct CodeOutcome {
    /// What it returned; `undefined` is null.
    pub value: Value,
    /// What it wrote to the console, in order, cut to a bounded length.
    pub console: Vec<ConsoleLine>,
    /// Items whose calls threw, by index, with what to tell the user; their results are null. Only
    /// with [`CodeMode::EachItemApart`].
    pub failures: Vec<(usize, Problem)>,
}

/// One call of `console.log` and its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleLine {
    /// `log`, `info`, `warn`, `error` or `debug`.
    pub level: String,
    /// The arguments, as text.
    pub text: String,
}
