//! A [`NodeContext`] for tests of node types: in-memory blobs, a clock that stands still, seeded
//! dice, no code host, no allowed files.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use expr::{Execution, RunData, Scope, WorkflowInfo, script};
use futures::future::BoxFuture;
use jiff::Timestamp;
use kernel::clock::SeededDice;
use kernel::item::BinaryRef;
use kernel::{Clock, Items, Problem, RunId, WorkflowId, WorkspaceId, codes};
use tokio_util::sync::CancellationToken;

use crate::context::{Blobs, CodeHost, CodeMode, CodeOutcome, CodeRequest, NodeContext, Services};
use crate::error::NodeError;

/// The moment at which [`context`] stands still: 2026-03-01T12:00:00Z.
pub const NOW: Timestamp = Timestamp::constant(1_772_366_400, 0);

/// A context for these inputs. Expressions see them as the current inputs; no other node has run.
pub fn context(inputs: &[Items]) -> NodeContext {
    context_with(inputs, services())
}

/// [`context`] with services of the test's own.
pub fn context_with(inputs: &[Items], services: Services) -> NodeContext {
    NodeContext {
        scope: scope(inputs),
        services: Arc::new(services),
        idempotency_key: "run:node:0:0:0".to_owned(),
        trace: None,
        cancel: CancellationToken::new(),
        timeout: Duration::from_secs(30),
        only: None,
    }
}

/// The scope of [`context`].
pub fn scope(inputs: &[Items]) -> Scope {
    Scope {
        workspace: WorkspaceId::new(&StillClock, &SeededDice::new(1)),
        workflow: Arc::new(WorkflowInfo {
            id: WorkflowId::new(&StillClock, &SeededDice::new(2)),
            name: "Test".to_owned(),
            active: false,
            timezone: "Europe/Berlin".to_owned(),
        }),
        execution: Execution { id: RunId::new(&StillClock, &SeededDice::new(3)), test: true },
        now: NOW,
        node: 0,
        run_index: 0,
        inputs: inputs.into(),
        sources: vec![None; inputs.len()].into(),
        data: Arc::new(RunData::default()),
    }
}

/// Reading the machine's certificates takes long: once is enough.
static CLIENT: LazyLock<egress::Client> = LazyLock::new(|| {
    egress::Client::new(egress::EgressSettings::default()).expect("the default settings make one")
});

/// The services of [`context`].
pub fn services() -> Services {
    Services {
        http: CLIENT.clone(),
        files: crate::FileAccess::default(),
        blobs: Arc::new(MemoryBlobs::default()),
        code: Arc::new(NoCode),
        clock: Arc::new(StillClock),
        dice: Arc::new(SeededDice::new(7)),
    }
}

struct StillClock;

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        NOW
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// Blobs in memory; keys are numbers in the form of a hash.
#[derive(Default)]
pub struct MemoryBlobs(Mutex<HashMap<String, Vec<u8>>>);

impl Blobs for MemoryBlobs {
    fn put<'a>(
        &'a self,
        _: WorkspaceId,
        bytes: Vec<u8>,
    ) -> BoxFuture<'a, Result<BinaryRef, Problem>> {
        Box::pin(async move {
            let mut blobs = self.0.lock().expect("no test panics while it holds the lock");
            let blob = format!("{:064x}", blobs.len() + 1);
            let size = bytes.len() as u64;
            blobs.insert(blob.clone(), bytes);
            let mime_type = "application/octet-stream".to_owned();
            Ok(BinaryRef { blob, mime_type, file_name: None, size })
        })
    }

    fn get<'a>(&'a self, _: WorkspaceId, blob: &'a str) -> BoxFuture<'a, Result<Vec<u8>, Problem>> {
        Box::pin(async move {
            let blobs = self.0.lock().expect("no test panics while it holds the lock");
            blobs.get(blob).cloned().ok_or_else(|| {
                Problem::new(codes::FILE_NOT_FOUND, format!("There is no blob {blob}."))
            })
        })
    }

    /// They never expire.
    fn keep_until<'a>(
        &'a self,
        _: WorkspaceId,
        keys: &'a [String],
        _: Timestamp,
    ) -> BoxFuture<'a, Result<usize, Problem>> {
        Box::pin(async move {
            let blobs = self.0.lock().expect("no test panics while it holds the lock");
            Ok(keys.iter().filter(|key| blobs.contains_key(*key)).count())
        })
    }
}

/// Runs code with the real interpreter, on a thread of this process instead of a process of its own.
pub struct InProcess;

impl CodeHost for InProcess {
    fn run<'a>(&'a self, request: CodeRequest) -> BoxFuture<'a, Result<CodeOutcome, NodeError>> {
        Box::pin(async move {
            let script = script::Script {
                code: request.code,
                mode: match request.mode {
                    CodeMode::Once => script::Mode::AllItems,
                    CodeMode::EachItem => script::Mode::EachItem,
                    CodeMode::EachItemApart => script::Mode::EachItemApart,
                },
                items: request.items,
                globals: request.globals,
                scope: request.scope,
                limits: script::Limits { deadline: request.timeout, ..Default::default() },
            };
            let ran = tokio::task::spawn_blocking(move || script::run(&script)).await;
            let ran =
                ran.map_err(|panic| NodeError::fatal(codes::CODE_THREW, panic.to_string()))?;
            match ran {
                Ok(outcome) => Ok(CodeOutcome {
                    value: outcome.value,
                    console: Vec::new(),
                    failures: Vec::new(),
                }),
                Err(failure) => Err(NodeError::fatal(codes::CODE_THREW, failure.message)),
            }
        })
    }
}

struct NoCode;

impl CodeHost for NoCode {
    fn run<'a>(&'a self, _: CodeRequest) -> BoxFuture<'a, Result<CodeOutcome, NodeError>> {
        Box::pin(async {
            Err(NodeError::fatal(codes::CODE_CRASHED, "No code can run in this test."))
        })
    }
}
