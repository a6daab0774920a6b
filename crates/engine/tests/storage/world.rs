//! A member with a flusher on a database of its own, and short words for operations.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use db::Database;
use db::testing::{self, TestDatabase};
use engine::flusher::{
    FIRST_EPOCH, FlushOp, Flushed, Flusher, Lane, Marks, Op, Outcome, Settings, SinkId, Verdict,
};
use engine::member::{Joining, Member};
use engine::store::Store;
use jiff::Timestamp;
use kernel::clock::{SystemClock, SystemDice};
use kernel::{Clock, MemberId, Problem, RunId, VersionId, WorkflowId, WorkspaceId};
use tokio::sync::mpsc;
use tokio_postgres::Client;
use uuid::Uuid;
use workflow::Retention;

/// Everything has happened by then, or never will.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const WORKSPACE: WorkspaceId = WorkspaceId(Uuid::from_u128(0xaa));
pub(crate) const WORKFLOW: WorkflowId = WorkflowId(Uuid::from_u128(0xbb));
pub(crate) const VERSION: VersionId = VersionId(Uuid::from_u128(0xcc));

/// A member at work.
pub(crate) struct World {
    pub(crate) db: TestDatabase,
    pub(crate) member: Member,
    pub(crate) flusher: Flusher,
    pub(crate) store: Store,
    pub(crate) sink: SinkId,
    /// Sees everything.
    pub(crate) superuser: Client,
    verdicts: mpsc::UnboundedReceiver<Flushed>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let db = testing::database().await;
        let database = db.database.clone();
        Self::on(db, database).await
    }

    /// The same with another way to the same database, such as through a proxy.
    pub(crate) async fn on(db: TestDatabase, database: Database) -> Self {
        let member = join(&database, "here", false).await;
        let flusher = flusher(&database, member.id());
        let (sender, verdicts) = mpsc::unbounded_channel();
        let sink = flusher.register(Arc::new(move |flushed: Vec<Flushed>| {
            flushed.into_iter().for_each(|one| {
                let _ = sender.send(one);
            });
        }));
        let store = store(&database, member.id());
        let superuser = db.superuser().await;
        Self { db, member, flusher, store, sink, superuser, verdicts }
    }

    pub(crate) fn offer(&self, run: RunId, token: u64, op: Op) {
        self.offer_as(run, token, FIRST_EPOCH, op);
    }

    pub(crate) fn offer_as(&self, run: RunId, token: u64, epoch: i32, op: Op) {
        let (workspace, lane, sink) = (WORKSPACE, Lane::Strict, self.sink);
        let marks = Marks::default();
        self.flusher.offer(FlushOp { workspace, run, epoch, lane, sink, token, marks, op });
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self) -> Flushed {
        let answer = tokio::time::timeout(PATIENCE, self.verdicts.recv());
        answer.await.expect("the flusher answers").expect("the flusher lives")
    }

    /// Offers one operation and waits for its answer.
    pub(crate) async fn flush(&mut self, run: RunId, op: Op) -> Result<Verdict, Problem> {
        self.flush_as(run, FIRST_EPOCH, op).await
    }

    pub(crate) async fn flush_as(
        &mut self,
        run: RunId,
        epoch: i32,
        op: Op,
    ) -> Result<Verdict, Problem> {
        self.offer_as(run, 7, epoch, op);
        let answer = self.answer().await;
        assert_eq!((answer.run, answer.token), (run, 7));
        answer.outcome
    }

    /// A live run that has its first journal row.
    pub(crate) async fn started(&mut self) -> RunId {
        let run = new_run();
        assert_eq!(self.flush(run, start(None)).await, Ok(Verdict::Ok { signals: 0 }));
        run
    }

    /// One number out of the database, as the superuser sees it.
    pub(crate) async fn count(&self, what: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM forge.{what}")).await
    }

    /// What a query for one number gives.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        self.superuser.query_one(query, &[]).await.unwrap().get(0)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.flusher.close(Duration::ZERO);
    }
}

pub(crate) fn store(database: &Database, member: MemberId) -> Store {
    Store::new(database.clone(), member, Arc::new(SystemClock), Arc::new(SystemDice))
}

pub(crate) fn flusher(database: &Database, member: MemberId) -> Flusher {
    let (clock, dice) = (Arc::new(SystemClock), Arc::new(SystemDice));
    Flusher::start(database.clone(), member, Settings::default(), clock, dice).unwrap()
}

pub(crate) async fn join(database: &Database, name: &str, exclusive: bool) -> Member {
    let joining = Joining {
        name: name.to_owned(),
        address: None,
        roles: vec!["worker".to_owned()],
        version: "0.1.0".to_owned(),
        exclusive,
    };
    let (clock, dice) = (Arc::new(SystemClock), Arc::new(SystemDice));
    Member::join(database.clone(), joining, clock, dice).await.unwrap()
}

/// What a query for one number gives, where there is no [`World`].
pub(crate) async fn count_of(db: &TestDatabase, query: &str) -> i64 {
    db.superuser().await.query_one(query, &[]).await.unwrap().get(0)
}

pub(crate) fn queue(world: &World) -> queue::Queue {
    queue::Queue::new(world.db.database.clone(), world.member.id(), Arc::new(SystemClock))
}

/// Waits until something is so, asking again and again; panics when it never is.
pub(crate) async fn until<Asking>(what: &str, mut asked: impl FnMut() -> Asking)
where
    Asking: Future<Output = bool>,
{
    let wait = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while !asked().await {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

pub(crate) fn new_run() -> RunId {
    RunId::new(&SystemClock, &SystemDice)
}

pub(crate) fn body(text: &str) -> Bytes {
    engine::codec::encode(text.as_bytes())
}

pub(crate) fn start(key: Option<&str>) -> Op {
    Op::Start {
        workflow: WORKFLOW,
        version: VERSION,
        started_at: now(),
        deadline: None,
        key: key.map(str::to_owned),
        seq: 1,
        body: body("[1]"),
    }
}

pub(crate) fn progress(seq: i32) -> Op {
    Op::Progress { seq, body: body(&format!("[{seq}]")) }
}

pub(crate) fn park(seq: i32, seen: i32, due: Option<Timestamp>) -> Op {
    Op::Park { at: now(), seq, seen, due, body: body("checkpoint") }
}

pub(crate) fn renew(seq: i32) -> Op {
    Op::Renew { at: now(), seq, body: body("checkpoint") }
}

pub(crate) fn end(seen: i32) -> Op {
    Op::End {
        outcome: Outcome::Succeeded,
        finished_at: now(),
        keep: Retention::Days(30),
        seen,
        body: body("[all]"),
    }
}

pub(crate) fn whole(key: Option<&str>, keep: Retention) -> Op {
    Op::Whole {
        workflow: WORKFLOW,
        version: VERSION,
        outcome: Outcome::Failed,
        started_at: now(),
        finished_at: now(),
        keep,
        key: key.map(str::to_owned),
        body: body("[all]"),
    }
}
