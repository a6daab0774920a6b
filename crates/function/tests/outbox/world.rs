//! A host with those functions on a database of its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use db::Database;
use db::testing::{TestDatabase, database};
use function::{Answer, Caller, Function, Host, Problem, Request, Scopes, Services};
use kernel::clock::{SystemClock, SystemDice};
use kernel::{ApiKeyId, PrincipalId, Value, WorkspaceId, json};
use uuid::Uuid;

use crate::functions::Gate;

/// Who calls.
pub(crate) fn caller() -> Caller {
    Caller {
        workspace: WorkspaceId(Uuid::from_u128(1)),
        workspace_slug: "default".into(),
        principal: PrincipalId(Uuid::from_u128(2)),
        key: ApiKeyId(Uuid::from_u128(3)),
        scopes: Scopes::new(["note.*".to_owned(), "audit.read".to_owned()]),
    }
}

pub(crate) fn host(database: &Database, gate: Gate) -> Host {
    let services = Services::builder().with(gate).build();
    Host::new(database.clone(), services, Arc::new(SystemClock), Arc::new(SystemDice))
}

pub(crate) struct World {
    pub(crate) test: TestDatabase,
    pub(crate) host: Host,
}

impl World {
    pub(crate) async fn new(gate: Gate) -> Self {
        let test = database().await;
        let tables = "CREATE TABLE forge.notes (workspace_id uuid, text text);
            CREATE TABLE forge.shared (workspace_id uuid, value bigint);
            INSERT INTO forge.shared VALUES ('00000000-0000-0000-0000-000000000001', 0);
            ALTER TABLE forge.notes OWNER TO forge_owner;
            ALTER TABLE forge.shared OWNER TO forge_owner;
            SELECT forge.isolate('notes'), forge.isolate('shared')";
        test.superuser().await.batch_execute(tables).await.unwrap();
        let host = host(&test.database, gate);
        Self { test, host }
    }

    pub(crate) async fn call(
        &self,
        function: &Function,
        key: Option<&str>,
        body: &str,
    ) -> Result<Answer, Problem> {
        let request = Request {
            idempotency_key: key.map(str::to_owned),
            request_id: Some("request-1".to_owned()),
            trace_id: Some("trace-1".to_owned()),
            body: body.as_bytes().to_vec(),
            ..Request::default()
        };
        self.host.call(function, &caller(), &request).await
    }

    /// Rows of notes, jobs, events, audit and keys.
    pub(crate) async fn left(&self) -> [i64; 5] {
        let text = "SELECT (SELECT count(*) FROM forge.notes), (SELECT count(*) FROM forge.jobs),
            (SELECT count(*) FROM forge.events), (SELECT count(*) FROM forge.audit),
            (SELECT count(*) FROM forge.idempotency_keys)";
        let row = self.test.superuser().await.query_one(text, &[]).await.unwrap();
        [0, 1, 2, 3, 4].map(|column| row.get(column))
    }

    pub(crate) fn begun(&self) -> u32 {
        self.host.services().get::<Gate>().begun.load(Ordering::SeqCst)
    }

    /// Waits until so many calls stand before the gate or have passed it.
    pub(crate) async fn wait_begun(&self, count: u32) {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(2));
        let begun = async {
            while self.begun() < count {
                ticks.tick().await;
            }
        };
        let within = std::time::Duration::from_secs(20);
        tokio::time::timeout(within, begun).await.expect("the calls begin");
    }

    pub(crate) fn open(&self) {
        self.host.services().get::<Gate>().open.add_permits(1_000);
    }
}

pub(crate) fn body(answer: &Answer) -> Value {
    json::parse(&answer.body).unwrap().value
}
