//! The pool: a child for each run, warm if there is one.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use kernel::{Clock, Problem, WorkspaceId, codes};
use node::{CodeHost, CodeOutcome, CodeRequest, ConsoleLine, NodeError};
use tokio::sync::Semaphore;

use crate::child::timeout_text;
use crate::process::{Process, Spawner};
use crate::settings::SandboxSettings;
use crate::wire::{Order, Reply};

/// Orders with more items than this are written as JSON apart from the runtime's threads.
const ITEMS_INLINE: usize = 1_000;
/// Longer replies are read apart from the runtime's threads.
const REPLY_BYTES_INLINE: usize = 256 * 1024;
/// How much longer a child waits for work than the pool would give it some.
const IDLE_MARGIN: Duration = Duration::from_secs(5);

/// Runs code in child processes. Cheap to clone.
#[derive(Clone)]
pub struct CodePool {
    inner: Arc<Inner>,
}

struct Inner {
    settings: SandboxSettings,
    clock: Arc<dyn Clock>,
    spawner: Spawner,
    /// One permit per run in progress.
    running: Semaphore,
    /// Children without work, the longest idle first.
    idle: Mutex<Vec<Process>>,
}

impl CodePool {
    /// A pool without children yet. Errors only when the thread that starts them cannot start.
    pub fn new(settings: SandboxSettings, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let spawner = Spawner::new(settings.clone())?;
        let running = Semaphore::new(settings.children_max.max(1));
        let idle = Mutex::new(Vec::new());
        Ok(Self { inner: Arc::new(Inner { settings, clock, spawner, running, idle }) })
    }
}

impl CodeHost for CodePool {
    fn run<'a>(&'a self, request: CodeRequest) -> BoxFuture<'a, Result<CodeOutcome, NodeError>> {
        Box::pin(async move {
            let cancel = request.cancel.clone();
            tokio::select! {
                biased;
                () = cancel.cancelled() => Err(NodeError::Cancelled),
                result = self.inner.run(request) => result,
            }
        })
    }
}

impl Inner {
    /// Dropped at any point (cancel), it drops the child, which kills it.
    async fn run(&self, request: CodeRequest) -> Result<CodeOutcome, NodeError> {
        let (workspace, deadline) = (request.workspace, request.timeout);
        let order = self.order(request).await?;
        let _permit = self.running.acquire().await.map_err(|_| NodeError::Cancelled)?;
        let mut child = match self.take(workspace) {
            Some(child) => child,
            None => self.spawner.spawn(workspace).await.map_err(|error| cannot_start(&error))?,
        };
        let max = self.settings.outcome_bytes_max;
        let limit = deadline.saturating_add(self.settings.grace);
        match tokio::time::timeout(limit, child.exchange(&order, max)).await {
            Ok(Ok(Ok(reply))) => {
                let outcome = outcome(reply).await;
                self.give_back(child);
                outcome
            }
            Ok(Ok(Err(_too_long))) => {
                child.end().await;
                let detail = format!(
                    "The code returned more than {max} bytes. Return less, or write files instead."
                );
                Err(NodeError::fatal(codes::NODE_LIMIT, detail))
            }
            Ok(Err(_)) => Err(crashed(child.ended(self.settings.grace).await)),
            Err(_) => {
                child.end().await;
                Err(NodeError::fatal(codes::CODE_TIMEOUT, timeout_text(deadline)))
            }
        }
    }

    async fn order(&self, request: CodeRequest) -> Result<Vec<u8>, NodeError> {
        let timeout_ms = u64::try_from(request.timeout.as_millis()).unwrap_or(u64::MAX);
        let idle = self.settings.idle.saturating_add(IDLE_MARGIN);
        let idle_ms = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
        let memory = self.settings.memory_bytes;
        let many = request.items.len() > ITEMS_INLINE;
        let write = move || serde_json::to_vec(&Order::new(&request, timeout_ms, idle_ms, memory));
        let written = if many {
            tokio::task::spawn_blocking(write).await.map_err(|error| internal(&error))?
        } else {
            write()
        };
        written.map_err(|error| internal(&error))
    }

    /// A child that has run this workspace's code before and is still there; others that have been
    /// idle for too long, or stand in the way of a new one, are let go.
    fn take(&self, workspace: WorkspaceId) -> Option<Process> {
        let now = self.clock.monotonic();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain_mut(|child| {
            now.saturating_sub(child.idle_since) < self.settings.idle && child.is_alive()
        });
        let known = idle.iter().rposition(|child| child.workspace == workspace);
        if let Some(at) = known {
            return Some(idle.remove(at));
        }
        let running = self.settings.children_max.max(1) - self.running.available_permits();
        // This run's permit is among the running ones and stands for its new child.
        let room = self.settings.children_max.max(1) - running;
        let surplus = idle.len().saturating_sub(room);
        idle.drain(..surplus);
        None
    }

    fn give_back(&self, mut child: Process) {
        if child.runs >= self.settings.runs_per_child {
            return;
        }
        child.idle_since = self.clock.monotonic();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(child);
    }
}

/// What the child said.
async fn outcome(reply: Vec<u8>) -> Result<CodeOutcome, NodeError> {
    let long = reply.len() > REPLY_BYTES_INLINE;
    let read = move || {
        let value = kernel::json::parse_own(&reply).map_err(|error| {
            let detail = format!(
                "What the code returned cannot be used: {}. Return data that is nested less deeply.",
                error.what
            );
            NodeError::fatal(codes::CODE_THREW, detail)
        })?;
        kernel::json::from_value::<Reply>(value.value).map_err(|error| internal(&error))
    };
    let reply = if long {
        tokio::task::spawn_blocking(read).await.map_err(|error| internal(&error))??
    } else {
        read()?
    };
    let line = |(level, text)| ConsoleLine { level, text };
    match reply.problem {
        Some(problem) => Err(NodeError::from(problem)),
        None => Ok(CodeOutcome {
            value: reply.value.unwrap_or_default(),
            console: reply.console.into_iter().map(line).collect(),
            failures: reply.failures,
        }),
    }
}

fn crashed(status: Option<ExitStatus>) -> NodeError {
    let how = match status.map(|status| (status.code(), status.signal())) {
        Some((Some(code), _)) => format!("with exit code {code}"),
        Some((None, Some(signal))) => format!("by signal {signal}"),
        _ => "without a status".to_owned(),
    };
    let detail = format!(
        "The process that ran the code ended {how}. Perhaps it used too much memory at once: work \
         on fewer items at a time."
    );
    NodeError::retry(codes::CODE_CRASHED, detail)
}

fn cannot_start(error: &io::Error) -> NodeError {
    tracing::error!(%error, "a code process cannot be started");
    let detail = "The process that runs code could not be started; the server's log says why.";
    NodeError::retry(codes::CODE_CRASHED, detail)
}

fn internal(error: &dyn std::error::Error) -> NodeError {
    tracing::error!(%error, "an order to a code process, or its reply, cannot be read");
    NodeError::Fatal(Problem::internal())
}
