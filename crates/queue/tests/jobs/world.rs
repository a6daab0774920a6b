//! A database with a member that may claim jobs, and a worker with a handler that may fail.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use db::testing::{self, TestDatabase};
use jiff::Timestamp;
use kernel::clock::{SystemClock, SystemDice};
use kernel::{MemberId, WorkspaceId};
use queue::{FENCE, Held, Job, NewJob, Priority, Queue};
use tokio_postgres::Client;
use uuid::Uuid;

pub(crate) const WORKSPACE: WorkspaceId = WorkspaceId(Uuid::from_u128(0xaa));

/// A database with a member whose fence is open.
pub(crate) struct World {
    pub(crate) db: TestDatabase,
    pub(crate) superuser: Client,
    pub(crate) member: MemberId,
    pub(crate) queue: Queue,
}

impl World {
    pub(crate) async fn new() -> Self {
        let db = testing::database().await;
        let superuser = db.superuser().await;
        let (member, queue) = member(&db, &superuser).await;
        Self { db, superuser, member, queue }
    }

    pub(crate) async fn add(&self, jobs: &[NewJob]) -> u64 {
        self.queue.enqueue(WORKSPACE, "default", Priority::Normal, jobs).await.unwrap()
    }

    pub(crate) async fn claim(&self, n: u32) -> Vec<Job> {
        self.queue.claim("default", n).await.unwrap()
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        let text = format!("SELECT count(*) FROM forge.{table}");
        self.superuser.query_one(&text, &[]).await.unwrap().get(0)
    }

    pub(crate) async fn fence(&self, member: MemberId) {
        let text = "UPDATE forge.fences SET fenced_at = now() WHERE incarnation = $1";
        self.superuser.execute(text, &[&member.0]).await.unwrap();
    }
}

/// Another member with an open fence.
pub(crate) async fn member(db: &TestDatabase, superuser: &Client) -> (MemberId, Queue) {
    let member = MemberId::new(&SystemClock, &SystemDice);
    let text = "INSERT INTO forge.fences (incarnation, lane) VALUES ($1, $2)";
    superuser.execute(text, &[&member.0, &FENCE]).await.unwrap();
    (member, Queue::new(db.database.clone(), member, Arc::new(SystemClock)))
}

pub(crate) fn job(key: Option<&str>, run_at: Option<Timestamp>) -> NewJob {
    NewJob {
        id: kernel::id::uuid_v7(&SystemClock, &SystemDice),
        kind: "test.nothing".to_owned(),
        key: key.map(str::to_owned),
        run_at,
        payload: Bytes::from_static(b"payload"),
    }
}

pub(crate) fn plain(n: usize) -> Vec<NewJob> {
    (0..n).map(|_| job(None, None)).collect()
}

pub(crate) fn held(jobs: &[Job]) -> Vec<Held> {
    jobs.iter().map(|job| job.held).collect()
}

/// Fails so often, then succeeds; counts its attempts.
pub(crate) struct Flaky {
    failures: u16,
    pub(crate) seen: std::sync::atomic::AtomicU16,
    pub(crate) done: tokio::sync::Notify,
}

impl queue::Handler for Flaky {
    fn attempts_max(&self) -> u16 {
        3
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn run<'a>(
        &'a self,
        job: &'a Job,
    ) -> futures::future::BoxFuture<'a, Result<(), kernel::Problem>> {
        Box::pin(async move {
            let seen = self.seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            assert_eq!(job.attempts.unsigned_abs(), seen, "attempts are counted");
            if seen < self.failures {
                return Err(kernel::Problem::new(kernel::codes::JOB_FAILED, "not yet"));
            }
            self.done.notify_one();
            Ok(())
        })
    }
}

impl World {
    /// A worker of two hands over this handler, and what stops it.
    pub(crate) fn worker(
        &self,
        handler: &Arc<Flaky>,
    ) -> (tokio::task::JoinHandle<()>, tokio_util::sync::CancellationToken) {
        let stop = tokio_util::sync::CancellationToken::new();
        let worker = queue::Worker {
            queue: self.queue.clone(),
            lane: "default".to_owned(),
            hands: 2,
            handlers: [("test.flaky", Arc::clone(handler) as Arc<dyn queue::Handler>)].into(),
            hints: queue::Hints::default(),
            clock: Arc::new(SystemClock),
            dice: Arc::new(SystemDice),
        };
        #[expect(clippy::disallowed_methods, reason = "the test waits for its end")]
        let running = tokio::spawn(worker.run(stop.clone()));
        (running, stop)
    }
}

pub(crate) fn flaky(failures: u16) -> Arc<Flaky> {
    Arc::new(Flaky {
        failures,
        seen: std::sync::atomic::AtomicU16::new(0),
        done: tokio::sync::Notify::new(),
    })
}

pub(crate) fn keyed(kind: &str, key: &str) -> NewJob {
    NewJob {
        id: Uuid::from_u128(7),
        kind: kind.to_owned(),
        key: Some(key.to_owned()),
        run_at: None,
        payload: Bytes::from_static(b"{}"),
    }
}
